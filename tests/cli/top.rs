//! `waybill top`: its figures are those of the services.

use http::StatusCode;
use serde_json::{Value, json};
use shared::http::{Hosts, Limits, answer, close, serve};
use tests::load::{drive, plan};
use tests::program::CommandLine;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use warp::Filter as _;
use waybill::client::Client;
use xtask::servers::Port;

use super::json::embedded;

/// A sample whose views have caught up with the log. What waits may be told as it was a second before.
async fn caught_up(waybill: &CommandLine, head: &Value) -> Value {
    tests::until("the views have caught up", || async {
        let sample = waybill.run("top --json").await.json();
        (sample["views"]["checkpoint"] == *head && sample["queue"] == 0).then_some(sample)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_agrees_with_what_the_services_tell() {
    let system = System::start(&Urls::of_the_run(), 1, 2).await;
    let (commands, queries) = (&system.commands[0].client, &system.queries.client);
    let [one, other] = [0, 1].map(|index| system.projectors[index].client.clone());
    let waybill = CommandLine::of(commands, queries, &one);
    drive(&plan(300), commands).await;
    let head = system.commands[0].get("/events").await["head"].clone();
    let sample = caught_up(&waybill, &head).await;
    assert_eq!((&sample["log"]["head"], &sample["views"]["head"]), (&head, &head));
    assert_eq!((&sample["views"]["behind"], &sample["changes"]["applied"]), (&json!(0), &head));
    assert_eq!(sample["totals"], system.queries.get("/stats").await);
    let told = system.projectors[0].get("/generations").await;
    assert_eq!(sample["generations"], told["items"]);
    assert_eq!((&sample["dead_letters"], &sample["missing"]), (&json!(0), &json!([])));
    assert_eq!(sample["queue"], system.projectors[0].get("/flow").await["waiting"]);

    let line = format!("top --json --projector {} --projector {}", one.base(), other.base());
    let workers = waybill.run(&line).await.json()["services"].as_array().unwrap().clone();
    let served: Vec<&Value> = workers
        .iter()
        .filter(|worker| worker["service"] == "projector")
        .map(|worker| &worker["serves"])
        .collect();
    assert_eq!(served, [&told["items"][0]["id"]; 2], "{workers:?}");
    system.remove().await;
}

/// A projector that tells of nothing but its queue.
async fn projector_with(flow: &'static str) -> (Client, DropGuard) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", socket.local_addr().unwrap()));
    let flow = warp::path!("flow")
        .map(move || answer::bytes(StatusCode::OK, flow.as_bytes().to_vec(), "application/json"));
    let (routes, limits) = (close(flow.boxed(), "GET"), Limits::of_process(1));
    let stop = CancellationToken::new();
    tokio::spawn(serve(socket, routes, Hosts::default(), limits, stop.clone()));
    (client, stop.drop_guard())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_what_a_projector_tells_of_it() {
    let folder = TempDir::default();
    let (system, waybill) = embedded(&folder).await;
    let sample = waybill.run("top --json").await.json();
    assert_eq!(sample["queue"], Value::Null, "the embedded mode has none: {sample}");
    let (projector, _serving) = projector_with(r#"{ "waiting": 12345 }"#).await;
    let sample = waybill.run(&format!("top --json --projector {}", projector.base())).await.json();
    assert_eq!(sample["queue"], json!(12_345), "{sample}");
    let text = waybill.run(&format!("top --once --projector {}", projector.base())).await;
    assert!(text.stdout.contains("12345 messages wait for the live views"), "{}", text.stdout);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_and_hot_streams_are_those_of_the_time_between_two_looks() {
    let folder = TempDir::default();
    let (system, waybill) = embedded(&folder).await;
    let api = tests::client::OrderClient::new(&system.commands);
    let order = api.create_lamp(5_000).await.order_id();
    let paying = async {
        loop {
            api.pay(order, 1).await;
        }
    };
    let looking = async {
        tests::until("the order is the hottest", || async {
            let sample = waybill.run("top --json").await.json();
            let hottest = &sample["changes"]["hottest"][0];
            let is_hot = hottest["changes"].as_u64() > Some(2);
            is_hot.then(|| (sample.clone(), hottest["stream"].clone()))
        })
        .await
    };
    let (sample, hottest) = tokio::select! {
        _ = paying => unreachable!("it pays on and on"),
        looked = looking => looked,
    };
    assert_eq!(hottest, format!("order-{order}"));
    assert!(sample["log"]["positions_per_second"].as_f64() > Some(0.0), "{sample}");
    assert!(sample["changes"]["per_second"].as_f64() > Some(0.0), "{sample}");
    let text = waybill.run("top --once").await;
    assert_eq!(text.code, Some(0), "{text:?}");
    for heading in ["commits", "views", "changes", "SERVICE", "GENERATION"] {
        assert!(text.stdout.contains(heading), "{}", text.stdout);
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_that_is_away_would_tell_is_left_out_with_the_reason() {
    let folder = TempDir::default();
    let (system, waybill) = embedded(&folder).await;
    let port = Port::reserve().unwrap();
    let away = Client::new(&format!("http://127.0.0.1:{}", port.number()));
    for (option, missing) in [
        ("--query-api", &["totals", "changes"][..]),
        ("--command-api", &["log"]),
        ("--projector", &["views", "generations", "queue", "dead_letters"]),
    ] {
        let line = format!("top --json {option} {}", away.base());
        let done = waybill.run(&line).await;
        assert_eq!(done.code, Some(1), "{done:?}");
        let sample = done.json();
        // The embedded mode has no queue.
        let missing: Vec<&str> = missing.iter().chain(["queue"].iter()).copied().collect();
        for field in ["log", "views", "changes", "generations", "totals", "queue", "dead_letters"] {
            assert_eq!(sample[field].is_null(), missing.contains(&field), "{field}: {sample}");
        }
        let told = sample["missing"].as_array().unwrap();
        for what in missing {
            let why = told.iter().find(|it| it["what"] == what);
            let why = why.unwrap_or_else(|| panic!("{what} is not missing: {sample}"));
            assert!(why["why"].as_str().is_some_and(|why| !why.is_empty()), "{why}");
        }
        let services = sample["services"].as_array().unwrap();
        let states = services.iter().filter(|one| one["state"] == "unreachable");
        assert_eq!(states.count(), 1, "{sample}");
        let text = waybill.run(&format!("top --once {option} {}", away.base())).await;
        assert!(text.stdout.contains("not told: "), "{}", text.stdout);
    }
    system.stop().await;
}
