//! Rules of this project that no compiler checks.

use std::path::{Path, PathBuf};

/// Each client library, and the only files that may name it.
const LIBRARIES: [(&str, &[&str]); 4] = [
    ("lapin", &["shared/src/messaging/rabbitmq.rs", "shared/src/messaging/rabbitmq/"]),
    ("mongodb", &["shared/src/event_store/mongodb.rs", "shared/src/event_store/mongodb/"]),
    ("redis", &["shared/src/view_store/redis.rs", "shared/src/view_store/redis/"]),
    ("rusqlite", &["shared/src/event_store/sqlite.rs", "shared/src/event_store/sqlite/"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let mut found = vec![];
    for package in [
        "command-api",
        "orders",
        "projector",
        "query-api",
        "shared",
        "shared/kernel",
        "waybill",
        "xtask",
    ] {
        sources(&root().join(package).join("src"), &mut found);
    }
    let name = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    found.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether a path begins behind `before`: no other segment stands in front, neither directly nor in
/// front of the braces of an import.
fn begins_a_path(before: &str) -> bool {
    let before = before.trim_end();
    if let Some(before) = before.strip_suffix("::") {
        return !before.ends_with(|last| is_word(last) || last == '>');
    }
    if !before.ends_with(['{', ',']) {
        return true;
    }
    let mut open = 0;
    let brace = before.rfind(|character| {
        open += match character {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        open == 1
    });
    brace.is_none_or(|brace| !before[..brace].trim_end().ends_with("::"))
}

/// The lines of a source that name the crate `library`. `view_store::redis::Redis` is of a module
/// of our own.
fn naming(text: &str, library: &str) -> Vec<usize> {
    let code: Vec<&str> =
        text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect();
    let code = code.join("\n");
    let names_it = |at: &usize| {
        let (before, after) = (&code[..*at], code[at + library.len()..].trim_start());
        let import = before.trim_end().ends_with("use")
            && (after.starts_with(';') || after.starts_with("as "));
        !before.ends_with(is_word) && (import || after.starts_with("::") && begins_a_path(before))
    };
    let places = code.match_indices(library).map(|(at, _)| at).filter(names_it);
    places.map(|at| code[..at].matches('\n').count() + 1).collect()
}

#[test]
fn one_place_names_each_client_library() {
    for (library, places) in LIBRARIES {
        let mut named = 0;
        for (name, text) in all_sources() {
            let lines = naming(&text, library);
            let may = places.iter().any(|place| name.starts_with(place));
            assert!(may || lines.is_empty(), "{name} names {library} in lines {lines:?}");
            named += lines.len();
        }
        assert!(named > 0, "nothing names {library} any more");
    }
}

#[test]
fn a_file_that_names_a_client_library_is_found() {
    for text in [
        "redis::cmd(\"GET\")",
        "let a = f(1, redis::cmd(\"GET\"));",
        "use redis::{Client, Cmd};",
        "use ::redis::Client;",
        "use redis as r;",
        "use redis;",
        "fn f(client: &redis::Client) {}",
        "fn f() -> Vec<redis::Value> { redis::x() }",
        "use {redis::Client, std::fmt};",
    ] {
        assert!(!naming(text, "redis").is_empty(), "{text}");
    }
    assert_eq!(naming("//! redis::cmd\nuse a::redis;\nuse redis::Client;", "redis"), [3]);
    for text in [
        "use shared::view_store::redis::Redis;",
        "use shared::view_store::{memory::Memory, redis::Redis};",
        "use crate::{event_store::{EventStore, mongodb::MongoDb}, redis::Redis};",
        "use self::redis::Redis;",
        "pub mod redis;",
        "let url = \"redis://localhost\";",
        "// See redis::cmd.",
        "let hiredis = hiredis::open();",
    ] {
        assert_eq!(naming(text, "redis"), [0; 0], "{text}");
    }
}

/// A test that waits for a time instead of a condition may be too early on a busy machine.
#[test]
fn one_place_of_the_tests_lets_time_pass() {
    let mut found = vec![];
    sources(&root().join("tests"), &mut found);
    let may = [root().join("tests/harness/until.rs"), root().join("tests/checks/house.rs")];
    for path in found.iter().filter(|path| !may.contains(path)) {
        let text = std::fs::read_to_string(path).unwrap();
        for sleeps in ["time::sleep", "thread::sleep", "time::interval"] {
            assert!(!text.contains(sleeps), "{} has a {sleeps}", path.display());
        }
    }
}

#[test]
fn the_pipeline_knows_no_order() {
    // Composition roots, and the operators' commands, which are about orders.
    let may = |name: &str| {
        name.starts_with("orders/")
            || name.starts_with("waybill/")
            || name.ends_with("/main.rs")
            || name.starts_with("xtask/")
    };
    for (name, text) in all_sources().iter().filter(|(name, _)| !may(name)) {
        assert!(!text.contains("orders::"), "{name} names the domain");
    }
}
