//! All tests that need several crates or a real server. `cargo xtask test` starts the servers.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod contracts {
    mod dead_letters;
    mod event_store;
    mod feed;
    mod view_store;
}

mod house;

mod pipeline {
    mod appends;
    mod apply;
    mod backlog;
    mod bad_input;
    mod bytes;
    mod configuration;
    mod connections;
    mod controls;
    mod dead_letters;
    mod embedded;
    mod faults;
    mod full_disk;
    mod lists;
    mod long_streams;
    mod network;
    mod oracle;
    mod panics;
    mod parking;
    mod positions;
    mod proxy;
    mod races;
    mod rebuild;
    mod relay;
    mod replaced;
    mod sequences;
    mod tokens;
    mod upgrade;
    mod waiting;
    mod whole;
    mod workers;
}
