//! What operators do while it can't be recorded, or its service dies.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::messaging::rabbitmq::{DeadLetterPublisher, RabbitMq};
use tests::embedded::Embedded;
use tests::operators::{acts, ask, status, told};
use tests::program::CommandLine;
use tests::python::python;
use tests::services::{Service, System, Urls};
use tests::stores::TempDir;
use tests::until::WAIT_TIMEOUT;
use tests::{comes, until};
use uuid::Uuid;
use waybill::client::Client;
use xtask::servers::Servers;

/// What is told of a rebuild whose outcome is not known.
fn begun() -> [Value; 3] {
    ["anonymous".into(), "rebuild".into(), Value::Null]
}

/// Asks for new views, and waits for the process to die of it.
async fn die_of_a_rebuild(projector: &mut Service, place: &str) {
    projector.process.kill();
    projector.restart_with(&[("FAILPOINTS", &format!("{place}=return"))]);
    projector.until_ready().await;
    let asked = projector.client.send(Method::POST, "/rebuild", &[], "").await;
    assert!(asked.is_err(), "{place}: {asked:?}", asked = asked.map(|answer| answer.status));
    let ended = comes(WAIT_TIMEOUT, || async { projector.process.ended() }).await;
    assert!(ended.is_some(), "{place}");
    projector.restart();
    projector.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_in_whose_midst_the_service_was_killed_stays_listed_as_begun() {
    let mut system = System::start(&Urls::of_the_run(), 1, 1).await;
    let projector = &mut system.projectors[0];
    let made = async |projector: &Service, id: &Value| {
        let all = projector.get("/generations").await;
        all["items"].as_array().unwrap().iter().any(|one| one["id"] == *id)
    };
    die_of_a_rebuild(projector, "record.before").await;
    assert_eq!(acts(&projector.client, 50).await, [] as [Value; 0]);
    die_of_a_rebuild(projector, "record.after").await;
    let found = acts(&projector.client, 50).await;
    assert_eq!(json!(told(&found)), json!([begun()]));
    assert!(!made(projector, &found[0]["subject"]).await, "it was not carried out");
    die_of_a_rebuild(projector, "outcome.before").await;
    let found = acts(&projector.client, 50).await;
    assert_eq!(json!(told(&found)), json!([begun(), begun()]));
    assert!(made(projector, &found[0]["subject"]).await, "it was carried out");
    let queries = &system.queries.client;
    let waybill = CommandLine::of(&system.commands[0].client, queries, &projector.client);
    let text = waybill.run("audit --operations").await.stdout;
    assert_eq!(text.matches("begun").count(), 2, "{text}");
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_on_the_embedded_mode_in_whose_midst_it_was_killed_stays_listed_as_begun() {
    let folder = TempDir::default();
    let mut waybill =
        CommandLine::default().with("WAYBILL_DATA_DIR", &folder.0.display().to_string());
    for name in ["WAYBILL_COMMAND_LISTEN", "WAYBILL_QUERY_LISTEN", "WAYBILL_PROJECTOR_LISTEN"] {
        waybill = waybill.with(name, "127.0.0.1:0");
    }
    let mut up = waybill.with("FAILPOINTS", "record.after=return").start("up --json");
    let addresses: Value = serde_json::from_str(&up.line().await).unwrap();
    let projector = Client::new(addresses["projector"].as_str().unwrap());
    assert!(projector.send(Method::POST, "/rebuild", &[], "").await.is_err());
    assert_eq!(up.ended().await, None, "it was aborted");
    let system = Embedded::start(&folder).await;
    let found = acts(&system.operations, 50).await;
    assert_eq!(json!(told(&found)), json!([begun()]));
    system.stop().await;
}

/// Each act is refused, and none is done.
async fn every_act_is_refused(projector: &Client, letter: &str) {
    for (method, path) in [
        (Method::POST, "/rebuild".to_owned()),
        (Method::POST, "/log/renew".to_owned()),
        (Method::POST, "/parked/order-x/retry".to_owned()),
        (Method::DELETE, format!("/dead-letters/{letter}")),
    ] {
        let answer = ask(projector, method, &path).await;
        assert_eq!(answer.status.as_u16(), 503, "{path}");
        let problem = answer.json().unwrap();
        assert_eq!(problem["type"], "/problems/unavailable", "{path}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_mongodb_is_away_acts_are_refused_and_not_done() {
    let mut servers = Servers::start().unwrap();
    let urls = Urls::of(&servers);
    let system = System::start(&urls, 1, 1).await;
    let projector = &system.projectors[0].client;
    let broker = RabbitMq::new(&urls.rabbitmq, &system.own.namespace);
    DeadLetterPublisher::new(&broker).keep(b"garbage", "no event", "here").await.unwrap();
    let letters = async || projector.get("/dead-letters").await.unwrap()["items"].clone();
    let before = until("it is kept", || async {
        let letters = letters().await;
        letters[0].is_object().then_some(letters)
    })
    .await;
    let generations = projector.get("/generations").await.unwrap()["items"].clone();
    servers.mongodb.process.kill();
    every_act_is_refused(projector, before[0]["id"].as_str().unwrap()).await;
    assert_eq!(letters().await, before);
    servers.mongodb.restart().unwrap();
    let found = tests::within(Duration::from_secs(120), "acts are listed again", || async {
        projector.get("/operations").await.ok()
    })
    .await;
    assert_eq!(found["items"], json!([]), "what was not recorded was not done");
    system.until_ready().await;
    let after = projector.get("/generations").await.unwrap()["items"].clone();
    assert_eq!((&after[0]["id"], after.as_array().unwrap().len()), (&generations[0]["id"], 1));
    assert_eq!(after[0]["log"], generations[0]["log"]);
}

/// Renames the table of acts, as another program can that has the file.
async fn rename(folder: &TempDir, from: &str, to: &str) {
    let script = format!(
        "import sqlite3; c = sqlite3.connect('log.sqlite', 30)\n\
         c.execute('ALTER TABLE {from} RENAME TO {to}'); c.commit(); c.close()"
    );
    python(&folder.0, ["-c", &script], Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_embedded_mode_cannot_record_is_refused_and_not_done() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let projector = &system.operations;
    let before = projector.get("/generations").await.unwrap();
    rename(&folder, "operations", "elsewhere").await;
    every_act_is_refused(projector, &Uuid::now_v7().to_string()).await;
    let problem = ask(projector, Method::POST, "/rebuild").await.json().unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("nothing was changed"), "{problem}");
    assert_eq!(projector.get("/generations").await.unwrap(), before);
    rename(&folder, "elsewhere", "operations").await;
    assert_eq!(acts(projector, 50).await, [] as [Value; 0]);
    assert_eq!(status(projector, Method::POST, "/rebuild").await, 202);
    assert_eq!(json!(told(&acts(projector, 50).await)), json!([["anonymous", "rebuild", "done"]]));
    system.stop().await;
}
