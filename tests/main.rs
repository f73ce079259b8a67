//! All tests that need several crates or a real server. `cargo xtask test` starts the servers.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

/// What every adapter of a port keeps to.
mod contracts {
    mod dead_letters;
    mod event_store;
    mod feed;
    mod operation_log;
    mod view_store;
}

/// One part of the system, the rest of it absent or replaced.
mod parts {
    mod http {
        mod bad_input;
        mod connections;
        mod credentials;
        mod crowds;
        mod described;
        mod descriptions;
        mod floods;
        mod negotiation;
        mod pages;
        mod provenance;
        mod random;
        mod reads;
        mod request_ids;
        mod secure;
        mod security_headers;
        mod tagged;
        mod unfinished;
        mod unread;
        mod untaken;
    }

    mod key_sets;

    mod lists;

    mod live;

    mod liveness;

    mod load;

    mod outcomes;

    mod parsers;

    mod projector {
        mod apply;
        mod census;
        mod healing;
        mod loads;
        mod looks;
        mod parking;
        mod removing;
        mod serving;
        mod workers;
    }

    mod relay;

    mod sweeps;

    mod vital;

    mod write_side {
        mod appends;
        mod backlog;
        mod behind;
        mod bytes;
        mod chains;
        mod clients;
        mod flow;
        mod groups;
        mod long_streams;
        mod panics;
        mod positions;
        mod reads;
        mod sequences;
    }
}

/// All services together, from the command to the view.
mod whole {
    mod alerts;
    mod auth;
    mod clients;
    mod configuration;
    mod contract;
    mod dashboard;
    mod dead_letters;
    mod distributed;
    mod embedded;
    mod large_orders;
    mod live;
    mod logs;
    mod metrics;
    mod operations;
    mod races;
    mod rebuild;
    mod secrets;
    mod secure_listeners;
    mod secure_servers;
    mod swap;
    mod tokens;
    mod traces;
    mod upgrade;
}

/// The command line, as a process of its own.
mod cli {
    mod doctor;
    mod exit_codes;
    mod json;
    mod tail;
    mod terminal;
    mod token;
    mod top;
}

/// All services together, while servers, services, networks or disks fail.
mod faults {
    mod full_disk;
    mod network;
    mod operations;
    mod outages;
    mod readiness;
    mod replaced;
}

/// Of the tests and of `verify` themselves, and of the rules of the source code.
mod checks {
    mod controls;
    mod frames;
    mod generic;
    mod house;
    mod left_over;
    mod lists;
    mod money;
    mod observe;
    mod oracle;
    mod pictures;
    mod proxy;
    mod security;
    mod vendored;
    mod waiting;
}
