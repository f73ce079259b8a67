//! The examples in Python, which know of Waybill what its descriptions say, and no more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tests::client::OrderClient;
use tests::descriptions::openapi;
use tests::embedded::Embedded;
use tests::load::{drive, plan};
use tests::python::python;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tests::until::WAIT_TIMEOUT;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use waybill::client::Client;

/// Without the formatter, which no program needs.
const NO_HOOKS: &str = "post_hooks: []\n";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/python").join(name)
}

/// Makes a client of what the service says of itself.
async fn generate(service: &Client, folder: &TempDir, name: &str) {
    let document = format!("{name}.json");
    std::fs::write(folder.0.join(&document), openapi(service).await.to_string()).unwrap();
    std::fs::write(folder.0.join("config.yaml"), NO_HOOKS).unwrap();
    let arguments = ["-m", "openapi_python_client", "generate", "--meta", "none"];
    let places = ["--config", "config.yaml", "--path", &document, "--output-path", name];
    python(&folder.0, arguments.iter().chain(&places), WAIT_TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_made_of_the_openapi_documents_creates_pays_ships_and_reads_an_order() {
    let (folder, files) = (TempDir::default(), TempDir::default());
    let system = Embedded::start(&folder).await;
    generate(&system.commands, &files, "commands_client").await;
    generate(&system.queries, &files, "queries_client").await;
    std::fs::copy(example("client.py"), files.0.join("client.py")).unwrap();
    let arguments = ["client.py", system.commands.base(), system.queries.base()];
    let told = python(&files.0, arguments, Duration::from_secs(60)).await;
    assert!(told.trim_end().ends_with(": shipped, 2500 of 2500 EUR paid"), "{told}");
    system.stop().await;
}

/// The next line that the subscriber writes.
async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = tokio::time::timeout(WAIT_TIMEOUT, lines.next_line()).await;
    let line = line.expect("a line in time").unwrap().expect("the subscriber runs");
    serde_json::from_str(&line).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_reads_every_event_and_each_fits_its_schema() {
    let urls = Urls::of_the_run();
    let system = System::start(&urls, 1, 1).await;
    let commands = &system.commands[0].client;
    let exchange = format!("{}.events", system.own.namespace);
    let mut command = Command::from(xtask::python::python().unwrap());
    command.arg(example("subscriber.py")).args([&urls.rabbitmq, &exchange, commands.base()]);
    let mut subscriber = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(subscriber.stdout.take().unwrap()).lines();
    assert_eq!(next(&mut lines).await["subscribed"], exchange);
    drive(&plan(1_000), commands).await;
    let expected = all_events(commands).await;
    let mut read = BTreeSet::new();
    while read.len() < expected.len() {
        assert!(read.insert(next(&mut lines).await.to_string()), "an event comes once");
    }
    assert_eq!(read, expected);
    subscriber.kill().await.unwrap();
    system.verify().await;
    system.remove().await;
}

/// The events of the log, as the subscriber writes them.
async fn all_events(commands: &Client) -> BTreeSet<String> {
    let commands = OrderClient::new(commands);
    let (mut events, mut after) = (BTreeSet::new(), "0".to_owned());
    loop {
        let page = commands.get(&format!("/events?limit=1000&after={after}")).await.json();
        for event in page["events"].as_array().unwrap() {
            let version: i64 = event["sequence"].as_str().unwrap().parse().unwrap();
            let line = serde_json::json!({
                "stream": event["subject"], "version": version, "type": event["type"],
                "data": event["data"],
            });
            events.insert(line.to_string());
        }
        after = page["next"].as_str().unwrap().to_owned();
        if after.rsplit('.').next().unwrap().parse::<i64>().unwrap()
            >= page["head"].as_i64().unwrap()
        {
            return events;
        }
    }
}
