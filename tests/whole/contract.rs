//! Schemathesis compares what the services do with what they say of themselves: every check, in all
//! phases, among them sequences of requests (<https://schemathesis.readthedocs.io>).

use std::time::Duration;

use shared::auth::{self, Role};
use tests::client::OrderClient;
use tests::descriptions::example_order;
use tests::embedded::Embedded;
use tests::python::python;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use waybill::client::Client;

/// Drawn for each operation, beside the cases that follow from its description: three services take
/// half a minute together on an idle machine.
const DRAWN: &str = "12";
/// For one service, also on a machine that does much else.
const TIMEOUT: Duration = Duration::from_secs(300);

const CONFIG: &str = include_str!("../python/schemathesis.toml");
const HOOKS: &str = include_str!("../python/hooks.py");

/// Sends the service whatever its description allows and forbids. The seed is always the same, so
/// that a failure is found again.
async fn compare(service: &Client) {
    compare_with(service, None).await;
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
    compare(&system.projectors[0].client).await;
    system.until_relayed().await;
    system.until_queues_are_empty().await;
    system.remove().await;
}
