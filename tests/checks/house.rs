//! Rules of this project that no compiler checks.

use std::path::{Path, PathBuf};

/// Each client library, and the only files that may name it; yardsticks and a peer use them without Waybill.
const LIBRARIES: [(&str, &[&str]); 4] = [
    (
        "lapin",
        &["shared/src/messaging/rabbitmq.rs", "shared/src/messaging/rabbitmq/", "bench/src/raw/"],
    ),
    (
        "mongodb",
        &[
            "shared/src/event_store/mongodb.rs",
            "shared/src/event_store/mongodb/",
            "bench/src/raw/",
            "bench/src/peer/emmett.rs",
        ],
    ),
    (
        "redis",
        &["shared/src/view_store/redis.rs", "shared/src/view_store/redis/", "bench/src/raw/"],
    ),
    ("rusqlite", &["shared/src/event_store/sqlite.rs", "shared/src/event_store/sqlite/"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files below a folder, but for what is hidden or built.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                files(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut all = vec![];
    files(folder, &mut all);
    found.extend(all.into_iter().filter(|path| has_extension(path, "rs")));
}

/// Every file with this extension, wherever in the repository.
fn whole_repository(extension: &str) -> Vec<(String, String)> {
    let mut all = vec![];
    files(&root(), &mut all);
    all.retain(|path| has_extension(path, extension));
    assert!(!all.is_empty());
    named(&all)
}

/// Each file by its path in the repository, with its text.
fn named(paths: &[PathBuf]) -> Vec<(String, String)> {
    let name = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

pub fn all_sources() -> Vec<(String, String)> {
    let mut found = vec![];
    for package in [
        "bench",
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
    named(&found)
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

/// Lines of a file of Rust.
const FILE_LINES: usize = 300;
/// Lines of a function, its signature and its closing brace included.
const FUNCTION_LINES: usize = 60;

fn begins_a_function(code: &str) -> bool {
    const BEFORE: [&str; 6] = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    let before = code.split_once("fn ").map(|(before, _)| before);
    before.is_some_and(|before| before.split_whitespace().all(|word| BEFORE.contains(&word)))
}

/// Each function with its length. rustfmt puts the end of a function, `}` or `) -> T;`, at the
/// indent at which the function begins.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = vec![];
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        if !begins_a_function(code) {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let is_end = |line: &str| {
            let code = line.strip_prefix(indent).unwrap_or_default();
            code.starts_with('}') || code.starts_with(')') && code.ends_with(';')
        };
        let on_one_line = code.ends_with(['}', ';']);
        let end = lines[start + 1..].iter().position(|line| !on_one_line && is_end(line));
        found.push((code, end.map_or(1, |more| more + 2)));
    }
    found
}

#[test]
fn files_and_functions_are_short() {
    for (name, text) in whole_repository("rs") {
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES, "{name} has {lines} lines");
        for (function, lines) in functions(&text) {
            assert!(lines <= FUNCTION_LINES, "{name}: {function} has {lines} lines");
        }
    }
}

#[test]
fn the_length_of_a_function_is_known() {
    let text = "\
impl Thing {
    pub const fn one() {}

    async fn two(
        &self,
    ) -> bool {
        if x {
            fn_call();
        }
        true
    }

    fn three(&self);

    fn four(
        &self,
    ) -> bool;
}

pub(super) fn five() {
    let text = \"}\";
}
";
    let lengths: Vec<usize> = functions(text).into_iter().map(|(_, lines)| lines).collect();
    assert_eq!(lengths, [1, 8, 1, 3, 3]);
}

/// Columns of a line of text. Rows of tables and JSON are as long as they are, and so is what has no space.
const COLUMNS: usize = 120;

#[test]
fn lines_of_the_documentation_are_short() {
    for (name, text) in whole_repository("md") {
        for (line, number) in text.lines().zip(1..) {
            let may = line.starts_with(['|', '{']) || !line.trim().contains(' ');
            let columns = line.chars().count();
            assert!(may || columns <= COLUMNS, "{name}:{number} has {columns} columns");
        }
    }
}

/// A folder's module is the file beside it.
#[test]
fn no_module_is_called_mod() {
    for (name, _) in whole_repository("rs") {
        assert!(!name.ends_with("/mod.rs"), "{name} belongs beside its folder, under its name");
    }
}

/// Sentences say who does what: the client, the process, the relay.
#[test]
fn texts_name_those_they_speak_of() {
    let texts = [whole_repository("rs"), whole_repository("md")].concat();
    for (name, text) in texts.iter().filter(|(name, _)| name != "tests/checks/house.rs") {
        for (line, number) in text.lines().zip(1..) {
            let line = line.to_lowercase();
            for word in ["nobody", "whoever"] {
                assert!(!line.contains(word), "{name}:{number} says \"{word}\"");
            }
        }
    }
}
