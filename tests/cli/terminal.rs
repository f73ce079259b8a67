//! What is drawn on a terminal, and on nothing else.

use tests::program::CommandLine;
use tests::stores::TempDir;

use super::json::embedded;

/// A cell of a bar: what is done, or is not yet.
const CELLS: [char; 2] = ['█', '░'];

fn is_drawn(output: &str) -> bool {
    output.contains(CELLS) && output.contains(" left")
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_of_progress_are_drawn_on_a_terminal_and_not_on_a_pipe() {
    let (folder, files) = (TempDir::default(), TempDir::default());
    let (system, waybill) = embedded(&folder).await;
    let file = |name: &str| files.0.join(name).display().to_string();
    for (name, seed) in [("one.ndjson", 1), ("two.ndjson", 2)] {
        let write = format!("load --commands 200 --seed {seed} --out {}", file(name));
        assert_eq!(waybill.run(&write).await.code, Some(0));
    }
    let imports =
        [format!("import {}", file("one.ndjson")), format!("import {}", file("two.ndjson"))];
    let same = |line: &str| [line.to_owned(), line.to_owned()];
    let lines = [imports, same("load --commands 50 --clients 4"), same("verify"), same("rebuild")];
    for [on_terminal, on_pipe] in lines {
        let (code, shown) = waybill.on_terminal(&on_terminal, "").ended().await;
        assert_eq!(code, Some(0), "{on_terminal}: {shown}");
        assert!(is_drawn(&shown), "{on_terminal}: {shown:?}");
        let piped = waybill.run(&on_pipe).await;
        assert_eq!(piped.code, Some(0), "{on_pipe}: {piped:?}");
        for output in [&piped.stdout, &piped.stderr] {
            assert!(!output.contains(CELLS) && !output.contains('\u{1b}'), "{on_pipe}: {piped:?}");
        }
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn top_leaves_the_terminal_as_it_was_when_q_is_pressed() {
    let folder = TempDir::default();
    let (system, waybill) = embedded(&folder).await;
    let mut terminal = waybill.on_terminal("top", "; echo \"code $?\"; stty -a");
    // The other screen, and the figures on it.
    terminal.shows("\u{1b}[?1049h").await;
    terminal.shows("commits").await;
    terminal.press("q").await;
    let (code, shown) = terminal.ended().await;
    assert_eq!(code, Some(0), "{shown:?}");
    let (_, after) = shown.rsplit_once("\u{1b}[?1049l").expect("back to the first screen");
    assert!(after.contains("code 0"), "{after:?}");
    assert!(after.contains(" icanon") && after.contains(" echo "), "line by line again: {after:?}");
    assert!(
        shown.rfind("\u{1b}[?25h") > shown.rfind("\u{1b}[?25l"),
        "the cursor is shown: {shown:?}"
    );
    system.stop().await;
}

/// It can't listen on a port that another program listens on, and says so in its log.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_colours_where_what_is_printed_has() {
    let folder = TempDir::default();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let failing = CommandLine::default()
        .with("WAYBILL_DATA_DIR", &folder.0.display().to_string())
        .with("WAYBILL_COMMAND_LISTEN", &taken.local_addr().unwrap().to_string());
    let assert_colours = |code: Option<i32>, log: &str, colours: bool, variable: &str| {
        assert_eq!(code, Some(2), "{variable}: {log:?}");
        assert!(log.contains("can't go on"), "{variable}: {log:?}");
        assert_eq!(log.contains('\u{1b}'), colours, "{variable}: {log:?}");
    };
    for (variable, value, on_terminal, on_pipe) in [
        ("TERM", "xterm", true, false),
        ("TERM", "dumb", false, false),
        ("NO_COLOR", "1", false, false),
        ("CLICOLOR_FORCE", "1", true, true),
    ] {
        let up = failing.clone().with(variable, value);
        let (code, log) = up.on_terminal("up", "").ended().await;
        assert_colours(code, &log, on_terminal, variable);
        let done = up.run("up").await;
        assert_colours(done.code, &done.stderr, on_pipe, variable);
    }
}
