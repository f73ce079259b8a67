//! `waybill tail`: what is posted is told, also across a cut.

use serde_json::Value;
use tests::client::OrderClient;
use tests::program::{CommandLine, Running};
use tests::services::{System, Urls};
use tests::stores::TempDir;
use waybill::client::Client;

use super::json::embedded;

/// The next event of this name.
async fn event(tail: &mut Running, name: &str) -> Value {
    loop {
        let event: Value = serde_json::from_str(&tail.line().await).unwrap();
        if event["event"] == name {
            return event;
        }
    }
}

async fn view_of(tail: &mut Running, order: &str) -> Value {
    loop {
        let event = event(tail, "view").await;
        if event["data"]["view"]["order_id"] == order {
            return event;
        }
    }
}

async fn what_is_posted_is_told(commands: &Client, waybill: &CommandLine) {
    let api = OrderClient::new(commands);
    let mut tail = waybill.start("tail --json");
    tail.says("Following").await;
    let created = api.create_lamp(500).await;
    let id = created.order_id();
    let told = view_of(&mut tail, &id.to_string()).await;
    assert_eq!(told["data"]["version"], 1);
    assert_eq!(tail.interrupt().await, Some(0));

    let mut paid = waybill.start(&format!("tail --order {id} --status paid --count 1"));
    paid.says("Following").await;
    api.create_lamp(500).await; // Not of this order, and not paid.
    assert!(api.pay(id, 500).await.is_success());
    let line = paid.line().await;
    let [status, version, amount] = ["paid", "v2", "paid 5.00 of 5.00 EUR"];
    assert!(line.contains(status) && line.contains(version) && line.contains(amount), "{line}");
    assert!(!line.contains('\u{1b}'), "no colours where it is no terminal: {line}");
    assert_eq!(paid.ended().await, Some(0));
    let unfinished = waybill.start("tail --count 1000000");
    assert_eq!(started(unfinished).await.interrupt().await, Some(130));
}

async fn started(mut tail: Running) -> Running {
    tail.says("Following").await;
    tail
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_posted_is_told_embedded() {
    let folder = TempDir::default();
    let (system, waybill) = embedded(&folder).await;
    what_is_posted_is_told(&system.commands, &waybill).await;
    let refused = waybill.run("tail --after nonsense").await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("after"), "{refused:?}");
    // A reader that has seen enough is no failure.
    let tail = started(waybill.start("tail")).await;
    let mut tail = tail.close();
    let api = OrderClient::new(&system.commands);
    let posting = async {
        loop {
            api.create_lamp(5).await;
        }
    };
    let ended = tokio::select! {
        () = posting => unreachable!("it posts on and on"),
        ended = tail.wait() => ended.unwrap(),
    };
    assert_eq!(ended.code(), Some(0));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_goes_on_where_it_was_and_tells_of_other_views() {
    let mut system = System::start(&Urls::of_the_run(), 1, 1).await;
    let commands = system.commands[0].client.clone();
    let projector = system.projectors[0].client.clone();
    let waybill = CommandLine::of(&commands, &system.queries.client, &projector);
    what_is_posted_is_told(&commands, &waybill).await;
    let api = OrderClient::new(&commands);
    let mut tail = started(waybill.start("tail --json")).await;
    let seen = api.create_lamp(5).await;
    view_of(&mut tail, &seen.order_id().to_string()).await;
    system.queries.process.kill();
    tail.says("Cut off").await;
    let missed = api.create_lamp(5).await;
    system.queries.restart();
    tail.says("from where it was").await;
    let told = view_of(&mut tail, &missed.order_id().to_string()).await;
    assert_eq!(told["data"]["version"], 1);
    assert_eq!(waybill.run("rebuild --json").await.code, Some(0));
    assert!(event(&mut tail, "reset").await["data"]["reason"].is_string());
    assert_eq!(tail.interrupt().await, Some(0));
    system.remove().await;
}
