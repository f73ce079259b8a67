//! `cargo xtask frames`: how many frames a second each page of the dashboard has, at rest and under load.

#![expect(clippy::expect_used, reason = "what can't be measured ends the program")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::Value;
use tests::browser::Browser;
use tests::frames::{Frames, MIN_PER_SECOND};
use tests::program::{CommandLine, Running};
use tests::stores::TempDir;
use tests::{let_pass, within};
use waybill::client::{Client, encode};

#[derive(Parser)]
#[command(about = "Frames of the dashboard's pages", version)]
struct Arguments {
    /// The program that runs the embedded mode and the load
    #[arg(long)]
    waybill: PathBuf,
    /// Commits in the log before the pages are opened
    #[arg(long)]
    commits: usize,
    /// Seconds for which the frames of each page are counted
    #[arg(long)]
    seconds: u64,
}

/// For the log to be filled, and for the views to follow.
const FILL_TIMEOUT: Duration = Duration::from_secs(3_600);
/// From when a page shows what it is about until its frames are counted: opening it is not measured.
const SETTLE: Duration = Duration::from_secs(2);
/// More than a load sends until it is stopped.
const ENDLESS: usize = 1_000_000_000;

/// A page: its name, its view, and what shows that it is complete.
type Page = (&'static str, &'static str, &'static str);
const PAGES: [Page; 6] = [
    ("now", "", "#newest tr"),
    ("history", "history", ".ranking .bar"),
    ("find", "find", ".orders tbody tr"),
    ("customer", "customers/{customer}", ".orders tbody tr"),
    ("order", "orders/{order}", ".as-it-was"),
    ("pipeline", "pipeline", "[data-generation]"),
];

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { waybill, commits, seconds } = Arguments::parse();
    let (system, browser) = tokio::join!(System::start(&waybill), Browser::start());
    let log = system.fill(commits).await;
    browser.look(1280, 1000, "light").await;
    println!("The log has {log} commits; the frames of each page are counted for {seconds} s.");
    println!("page      load  frames/s  longest frame  long tasks");
    let looking = Looking { system: &system, browser: &browser, seconds };
    let blank = looking.blank().await;
    let mut all = looking.at_all("none").await;
    let (began, before) = (Instant::now(), system.head().await);
    let load = system.load().await;
    all.extend(looking.at_all("most").await);
    let sent = (system.head().await - before) as f64 / began.elapsed().as_secs_f64();
    println!("Under load the log grew by {sent:.0} commits a second.");
    assert_eq!(load.interrupt().await, Some(130), "the load went on until here");
    browser.close().await;
    system.stop().await;
    if !blank.are_enough() {
        println!(
            "A blank page has too few as well: this machine is too slow, or busy with other work."
        );
    }
    match all.iter().all(Frames::are_enough) {
        true => ExitCode::SUCCESS,
        false => {
            println!("! marks less than {MIN_PER_SECOND} frames a second.");
            ExitCode::FAILURE
        }
    }
}

/// The embedded mode as a process, its log in a folder of its own.
struct System {
    line: CommandLine,
    commands: Client,
    queries: Client,
    operations: Client,
    up: Running,
    _folder: TempDir,
}

impl System {
    async fn start(program: &Path) -> Self {
        let folder = TempDir::default();
        let data = folder.0.display().to_string();
        let mut line = CommandLine::default().of_program(program).with("WAYBILL_DATA_DIR", &data);
        for name in ["WAYBILL_COMMAND_LISTEN", "WAYBILL_QUERY_LISTEN", "WAYBILL_PROJECTOR_LISTEN"] {
            line = line.with(name, "127.0.0.1:0");
        }
        let mut up = line.start("up --json");
        let told: Value = serde_json::from_str(&up.line().await).expect("its addresses");
        let [commands, queries, operations] = ["command_api", "query_api", "projector"]
            .map(|name| Client::new(told[name].as_str().expect("an address")));
        let line = CommandLine::of(&commands, &queries, &operations).of_program(program);
        Self { line, commands, queries, operations, up, _folder: folder }
    }

    /// Fills the log, waits until the views have all of it, and returns how many commits there are.
    async fn fill(&self, commits: usize) -> i64 {
        let load = format!("load --json --clients 256 --commands {commits}");
        let loaded = self.line.run_within(FILL_TIMEOUT, &load).await;
        assert_eq!(loaded.code, Some(0), "{loaded:?}");
        within(FILL_TIMEOUT, "the views have the whole log", || async {
            let flow = self.operations.get("/flow").await.ok()?;
            let head = flow["head"].as_i64()?;
            (flow["checkpoint"] == head).then_some(head)
        })
        .await
    }

    /// The highest position of the log.
    async fn head(&self) -> i64 {
        let page = self.commands.get("/events?limit=1").await.expect("the log");
        page["head"].as_i64().expect("a position")
    }

    /// Starts a load as fast as it is answered, and returns once it has begun.
    async fn load(&self) -> Running {
        let before = self.head().await;
        let load = format!("load --json --clients 256 --commands {ENDLESS}");
        let load = self.line.start(&load);
        let begun = || async { (self.head().await > before).then_some(()) };
        within(Duration::from_secs(60), "the load has begun", begun).await;
        load
    }

    /// An order that has been through all of its life, and its customer.
    async fn order(&self) -> [String; 2] {
        let page = self.queries.get("/orders?status=delivered&limit=1").await.expect("orders");
        let order = &page["items"][0];
        ["order_id", "customer_id"].map(|name| order[name].as_str().expect("an order").to_owned())
    }

    async fn stop(self) {
        assert_eq!(self.up.interrupt().await, Some(0), "it ends well");
    }
}

/// What each page is looked at with.
struct Looking<'a> {
    system: &'a System,
    browser: &'a Browser,
    seconds: u64,
}

impl Looking<'_> {
    /// What the browser draws where there is nothing to be drawn.
    async fn blank(&self) -> Frames {
        self.browser.open("about:blank").await;
        self.count("(blank)", "none").await
    }

    /// Each page of the dashboard.
    async fn at_all(&self, load: &str) -> Vec<Frames> {
        let [order, customer] = self.system.order().await;
        let mut all = vec![];
        for (name, view, complete) in PAGES {
            let view = view.replace("{order}", &order).replace("{customer}", &encode(&customer));
            self.browser.open("about:blank").await;
            self.browser.open(&format!("{}/#/{view}", self.system.queries.base())).await;
            self.browser.text(complete, |_| true).await;
            let_pass(SETTLE).await;
            all.push(self.count(name, load).await);
        }
        all
    }

    /// Counts the frames of the page that is open, and prints them.
    async fn count(&self, name: &str, load: &str) -> Frames {
        let frames =
            Frames::during(self.browser, let_pass(Duration::from_secs(self.seconds))).await;
        let Frames { per_second, longest, long_tasks, long_tasks_took } = frames;
        let mark = if frames.are_enough() { "" } else { "  !" };
        println!(
            "{name:<9} {load}  {per_second:>8.1}  {longest:>10.1} ms  {long_tasks} ({long_tasks_took:.0} ms){mark}"
        );
        frames
    }
}
