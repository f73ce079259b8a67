//! Schemathesis compares what the services do with what they say of themselves: every check, in all
//! phases, among them sequences of requests (<https://schemathesis.readthedocs.io>).

use std::time::Duration;

use shared::auth::{self, Role};
use shared::view_store::ViewStore as _;
use tests::client::{Answer, OrderClient};
use tests::descriptions::{assert_fits, example_order, openapi, schema_in};
use tests::embedded::Embedded;
use tests::python::python;
use tests::servers::publish_often;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use tests::until;
use waybill::client::Client;

use super::rebuild::park;

/// Drawn for each operation, beside the cases that follow from its description: three services take
/// half a minute together on an idle machine.
const DRAWN: &str = "12";
/// For one service, also on a machine that does much else.
const TIMEOUT: Duration = Duration::from_secs(300);

const CONFIG: &str = include_str!("../python/schemathesis.toml");
const HOOKS: &str = include_str!("../python/hooks.py");

/// Phases that each service has. Sequences of requests (`Stateful`) follow the links of its description,
/// and what schemathesis finds besides.
const PHASES: [&str; 4] = ["Examples", "Coverage", "Fuzzing", "Stateful"];

/// Messages that are no events, each of which can be discarded once.
const LETTERS: usize = 8;

/// Sends the service whatever its description allows and forbids. The seed is always the same, so
/// that a failure is found again.
async fn compare(service: &Client) {
    compare_with(service, None).await;
}

/// The lines that say which phases ran: `✅ Coverage`, or `⏭  Stateful (not applicable)`.
fn phases(told: &str) -> Vec<&str> {
    let lines = told.lines().skip_while(|line| !line.contains("Test Phases:")).skip(1);
    lines.map(str::trim).take_while(|line| !line.is_empty()).collect()
}

fn ran(phases: &[&str], name: &str) -> bool {
    let is_it =
        |line: &&str| line.starts_with('✅') && line.split_whitespace().nth(1) == Some(name);
    phases.iter().any(is_it)
}

/// Nothing is turned off: what is set is known, and none of it says which checks or phases there are.
#[test]
fn the_comparison_is_told_to_leave_nothing_out() {
    const SET: [&str; 7] = [
        "continue-on-failure",
        "hooks",
        "request-timeout",
        "max-stream-events",
        "[generation]",
        "database",
        "[parameters]",
    ];
    let lines = CONFIG.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = line.split('=').next().unwrap_or_default().trim();
        assert!(
            SET.contains(&name) || name == "\"header.Prefer\"",
            "{line}: what does it turn off?"
        );
    }
}

#[test]
fn phases_that_ran_are_told_from_those_that_did_not() {
    let told = "x\nTest Phases:\n  ✅ Coverage\n  ⏭  Stateful (disabled)\n\n  ✅ Fuzzing\n";
    let phases = phases(told);
    assert!(ran(&phases, "Coverage") && !ran(&phases, "Stateful") && !ran(&phases, "Fuzzing"));
    assert!(phases.iter().any(|line| line.contains("(disabled)")));
}

/// The same with a token, and, of what needs one, without.
async fn compare_with(service: &Client, token: Option<&str>) {
    let folder = TempDir::default();
    std::fs::write(folder.0.join("schemathesis.toml"), CONFIG).unwrap();
    std::fs::write(folder.0.join("hooks.py"), HOOKS).unwrap();
    let url = format!("{}/openapi.json", service.base());
    let run = ["-m", "schemathesis.cli", "run", &url, "--no-color"];
    let header = token.map(|token| format!("Authorization: Bearer {token}"));
    let header = header.iter().flat_map(|header| ["--header", header]);
    let arguments = run.into_iter().chain(["--seed", "1", "--max-examples", DRAWN]).chain(header);
    let told = python(&folder.0, arguments, TIMEOUT).await;
    // "Test cases:" is followed by how many there were.
    let generated = told.lines().find(|line| line.contains(" generated, "));
    let generated = generated.and_then(|line| line.split_whitespace().next()?.parse::<u32>().ok());
    assert!(generated.is_some_and(|generated| generated >= 200), "{told}");
    let phases = phases(&told);
    assert!(PHASES.iter().all(|name| ran(&phases, name)), "{told}");
    assert!(!phases.iter().any(|line| line.contains("(disabled)")), "{told}");
    let document = openapi(service).await;
    assert!(document.to_string().contains("\"links\":"), "what leads to what is described");
}

/// There is something to be found, the order that the descriptions show among it.
async fn fill(commands: &Client, queries: &Client) {
    let (commands, queries) = (OrderClient::new(commands), OrderClient::new(queries));
    for price in 1..=20 {
        commands.create_lamp(price).await;
    }
    let created = commands.create_order(&example_order()).await;
    let paid = commands.pay(created.order_id(), 2_500).await;
    assert_eq!(
        queries.with_token(paid.token()).waiting(30).order(created.order_id()).await.status,
        200
    );
}

/// There is something for operators: a stream that can't be applied, and messages that are no events.
async fn trouble(system: &System) {
    park(system, 0).await;
    let live = system.own.redis().await.live().await.unwrap().unwrap();
    let queue = live.id.queue(&system.own.namespace);
    publish_often(&queue, &[b"no event".to_vec(), b"\xff".to_vec()], LETTERS).await;
    let projector = &system.projectors[0];
    until("all dead letters are listed", || async {
        let page = projector.get("/dead-letters").await;
        (page["total"] == LETTERS).then_some(())
    })
    .await;
}

/// The bodies that schemathesis gets where it happens to ask for what is there are compared in any case.
async fn trouble_is_told_as_it_is_described(projector: &Client) {
    let (document, asked) = (openapi(projector).await, OrderClient::new(projector));
    let fits = |path: &str, method: &str, answer: &Answer| {
        let what = format!("{method} {path}: {}", answer.status);
        let told = &document["paths"][path][method]["responses"][answer.status.to_string()];
        let schema = &told["content"][answer.header("content-type").unwrap()]["schema"];
        assert!(schema.is_object(), "{what}: {told}");
        assert_fits(&what, &schema_in(&document, schema), &answer.json());
    };
    let parked = asked.get("/parked").await;
    fits("/parked", "get", &parked);
    let stream = parked.json()["items"][0]["stream"].as_str().unwrap().to_owned();
    let again = asked.post(&format!("/parked/{stream}/retry"), "").await;
    assert_eq!((again.status, again.problem().as_str()), (409, "still-parked"));
    fits("/parked/{stream}/retry", "post", &again);
    let letters = asked.get("/dead-letters").await;
    fits("/dead-letters", "get", &letters);
    let letters = letters.json()["items"].as_array().unwrap().clone();
    assert_eq!(letters.len(), LETTERS);
    for id in letters.iter().map(|letter| letter["id"].as_str().unwrap()) {
        let shown = asked.get(&format!("/dead-letters/{id}")).await;
        assert_eq!(shown.status, 200, "{id}");
        fits("/dead-letters/{id}", "get", &shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_mode_does_what_it_says() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    fill(&system.commands, &system.queries).await;
    tokio::join!(compare(&system.commands), compare(&system.queries));
    // One of the operations gives the log a new identity, which the others would notice.
    compare(&system.operations).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_mode_does_what_it_says_where_it_asks_for_tokens() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("tester", &Role::ALL);
    // Many made-up tokens are shown at the sign-in: each has to be looked at.
    let config = auth::Config { sign_in_failures: None, ..tokens.config() };
    let system = Embedded::start_with(&folder, config).await;
    fill(&with(&system.commands, &token), &with(&system.queries, &token)).await;
    let token = Some(token.as_str());
    tokio::join!(compare_with(&system.commands, token), compare_with(&system.queries, token));
    compare_with(&system.operations, token).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_do_what_they_say() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, queries) = (&system.commands[0].client, &system.queries.client);
    fill(commands, queries).await;
    tokio::join!(compare(commands), compare(queries));
    system.verify().await;
    trouble(&system).await;
    trouble_is_told_as_it_is_described(&system.projectors[0].client).await;
    compare(&system.projectors[0].client).await;
    system.until_relayed().await;
    system.until_queues_are_empty().await;
    system.remove().await;
}
