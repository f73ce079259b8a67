//! The whole pipeline as services of their own, on the real servers.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::view_store::ViewStore as _;
use tests::client::OrderClient;
use tests::descriptions::{assert_fits, openapi, schema_in};
use tests::load::{drive, plan};
use tests::orders::{self, item};
use tests::servers::publish;
use tests::services::{System, Urls};
use tests::until;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn every_view_equals_a_fold_of_the_log_after_a_load_with_three_projectors() {
    let mut system = System::start(&Urls::of_the_run(), 1, 3).await;
    drive(&plan(3_000), &system.commands[0].client).await;
    system.verify().await;
    for projector in &system.projectors {
        let flow = until("every step tells that it is done", || async {
            let flow = projector.get("/flow").await;
            let reached = [&flow["published"], &flow["checkpoint"]];
            (reached == [&flow["head"]; 2] && flow["waiting"] == 0).then_some(flow)
        })
        .await;
        assert!(flow["head"].as_i64() >= Some(3_000), "{flow}");
    }
    each_tells_what_one_of_them_repairs(&mut system).await;
    system.remove().await;
}

/// Of a message that is lost with its queue, while no projector runs.
async fn each_tells_what_one_of_them_repairs(system: &mut System) {
    let before = system.projectors[0].get("/flow").await["repaired"].as_u64().unwrap();
    system.projectors.iter().for_each(|projector| projector.process.stop());
    assert_eq!(system.commands[0].api().create_lamp(5).await.status, 201);
    system.until_relayed().await;
    let live = system.own.redis().await.live().await.unwrap().unwrap();
    let queue = live.id.queue(&system.own.namespace);
    system.own.rabbitmq().delete(&queue).await.unwrap();
    for projector in &mut system.projectors {
        projector.restart();
    }
    system.until_ready().await;
    for projector in &system.projectors {
        let flow = until("what was lost is in the views", || async {
            let flow = projector.get("/flow").await;
            (flow["checkpoint"] == flow["head"]).then_some(flow)
        })
        .await;
        assert_eq!(flow["repaired"], before + 1, "{flow}");
    }
}

/// As after a lost confirm, when the relay makes other chunks of what it publishes again.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_come_again_in_another_cut_count_once() {
    let system = System::start(&Urls::of_the_run(), 1, 2).await;
    drive(&plan(200), &system.commands[0].client).await;
    let page = system.commands[0].client.get("/events?limit=1000").await.unwrap();
    let events = page["events"].as_array().unwrap();
    let live = system.own.redis().await.live().await.unwrap().unwrap();
    let cuts = [64, 5, 17, 1].into_iter().flat_map(|size| events.chunks(size));
    let bodies: Vec<Vec<u8>> = cuts.map(|cut| serde_json::to_vec(cut).unwrap()).collect();
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    publish(&live.id.queue(&system.own.namespace), &bodies).await;
    // New events stand behind them in the queue.
    drive(&plan(50), &system.commands[0].client).await;
    system.verify().await;
    let dead = system.projectors[0].get("/dead-letters").await;
    assert_eq!(dead["items"], json!([]), "all of it was read as events");
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_created_paid_shipped_and_read_back() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, queries) = (system.commands[0].api(), system.queries.api());
    let mut order = orders::order_of(&[item("A", 2, 1250)]);
    order["customer_id"] = json!("c/ä 1");
    let created = commands.create_order(&order).await;
    let (log, _) = created.token().split_once('.').unwrap();
    assert_eq!((created.status, created.etag()), (201, &format!("\"1-{log}\"")[..]));
    let (id, place) = (created.order_id(), created.location());
    assert_eq!(place, format!("/orders/{id}"));
    let paid = commands.pay(id, 2500).await;
    assert_eq!((paid.status, paid.version()), (200, 2));
    let shipped = commands.post_to(id, "shipments", &json!({})).await;
    assert_eq!((shipped.status, shipped.version()), (200, 3));
    // A client that shows the token of its last write reads that write.
    let delivered = commands.deliver(id).await;
    let read = queries.with_token(delivered.token()).waiting(30).order(id).await;
    assert!(read.etag().starts_with(&format!("\"4-{log}-v")), "{}", read.etag());
    let state = commands.get(&format!("{place}/state")).await;
    let shown = Uuid::new_v5(&Uuid::NAMESPACE_OID, &state.body).simple();
    assert_eq!(state.etag(), format!("\"4-{log}-{shown}\""));
    are_expectations(&system, [created.etag(), read.etag(), state.etag()]).await;
    let view = read.json();
    assert_eq!((&view["status"], &view["paid"]), (&json!("delivered"), &json!(2500)));
    assert_eq!(read.version(), 4);
    for (known, status) in [(read.etag(), 304), ("\"4\"", 200)] {
        let again = queries.with("if-none-match", known).order(id).await;
        assert_eq!(again.status, status, "{known}");
    }
    let customer = queries.get("/customers/c%2F%C3%A4%201").await.json();
    assert_eq!(
        (&customer["orders"], &customer["lifetime_value"]),
        (&json!(1), &json!({ "EUR": 2500 }))
    );
    what_the_log_shows_has_a_token_for_its_views(&commands, &queries, id).await;
    let past = commands.get(&format!("{place}/state?version=2")).await;
    assert_eq!((&past.json()["status"], past.version()), (&json!("paid"), 2));
    system.verify().await;
    // What either service gave is an expectation.
    for (known, status) in [
        ("\"4-another\"", 412),
        (read.etag(), 200),
        (read.etag(), 412),
        (&format!("\"5-{log}\""), 200),
        ("\"6\"", 200),
        (state.etag(), 412),
        (&format!("\"7-{log}-{shown}\""), 200),
    ] {
        let refunded = commands.expecting(known).refund(id, 1).await;
        assert_eq!(refunded.status, status, "{known}");
        if status == 412 {
            assert_eq!(refunded.problem(), "version-mismatch");
        }
    }
    system.remove().await;
}

/// These tags are described as what commands may expect.
async fn are_expectations(system: &System, tags: [&str; 3]) {
    let document = openapi(&system.commands[0].client).await;
    let refund = &document["paths"]["/orders/{order_id}/refunds"]["post"]["parameters"];
    let mut given = refund.as_array().unwrap().iter();
    let if_match = given.find(|parameter| parameter["name"] == "If-Match").unwrap();
    let schema = schema_in(&document, &if_match["schema"]);
    tags.iter().for_each(|tag| assert_fits("If-Match", &schema, &json!(tag)));
}

/// Of an order with four events, which are all that the log has.
async fn what_the_log_shows_has_a_token_for_its_views(
    commands: &OrderClient,
    queries: &OrderClient,
    id: Uuid,
) {
    for (path, end) in [
        (format!("/orders/{id}/state?version=2"), format!(".2@order-{id}")),
        (format!("/orders/{id}/events"), format!(".4@order-{id}")),
        ("/events".to_owned(), ".4".to_owned()),
    ] {
        let shown = commands.get(&path).await;
        assert!(shown.token().ends_with(&end), "{path}: {}", shown.token());
        let read = queries.with_token(shown.token()).waiting(30).get("/stats").await;
        assert_eq!(read.status, 200, "{path}: {}", shown.token());
    }
    let ahead = commands.get("/events?after=9").await;
    assert!(ahead.header("consistency-token").is_none(), "nothing of the log was shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gets_the_same_answer_and_another_request_is_refused() {
    let system = System::start(&Urls::of_the_run(), 2, 1).await;
    let [one, two] = [system.commands[0].api(), system.commands[1].api()];
    let order = |quantity: i64| orders::order_of(&[item("A", quantity, 1)]);
    let key = "\"k1\"";
    let first = one.with_key(key).create_order(&order(1)).await;
    for client in [&one, &two] {
        let again = client.with_key(key).create_order(&order(1)).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        let other = client.with_key(key).create_order(&order(2)).await;
        assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-mismatch"));
    }
    // A refusal is not remembered: the same key may succeed later.
    let id = first.order_id();
    assert_eq!(one.with_key("k2").ship(id).await.status, 409);
    assert!(one.pay(id, 1).await.is_success());
    let shipped = two.with_key("k2").ship(id).await;
    assert_eq!(shipped.status, 200);
    // It would be refused now, were it not the same request.
    assert_eq!(one.with_key("k2").ship(id).await.body, shipped.body);
    // The key of a batch and a key that looks like that of its second command are two keys.
    let batch = [json!({ "type": "Nonsense" }), orders::command("CreateOrder", order(3))];
    let batch = one.with_key("k3").batch(&batch).await;
    assert_eq!(batch.json()["results"][1]["status"], 201);
    let single = one.with_key("k3/1").create_order(&order(4)).await;
    assert_eq!(single.status, 201);
    let late = one.expecting("\"1\"").deliver(id).await;
    assert_eq!((late.status, late.version()), (412, 3));
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_answers_each_command_in_order_and_a_refusal_stops_nothing() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let client = system.commands[0].api();
    let id = Uuid::new_v4();
    let mut payment = orders::payment(5);
    payment["idempotency_key"] = json!("p");
    let commands = [
        orders::to(id, orders::command("CreateOrder", orders::order(5))),
        orders::to(id, orders::shipment()),
        json!({ "type": "Nonsense" }),
        orders::to(id, payment),
        orders::to(id, orders::shipment()),
    ];
    let statuses = |results: &[Value]| -> Vec<u64> {
        results.iter().map(|result| result["status"].as_u64().unwrap()).collect()
    };
    let results = client.batch(&commands).await.json()["results"].as_array().unwrap().clone();
    assert_eq!(statuses(&results), [201, 409, 422, 200, 200]);
    assert_eq!(
        (&results[4]["version"], &results[1]["rule"]),
        (&json!(3), &json!("not-paid-in-full"))
    );
    assert!(results[0]["token"].is_string());
    let lines: String = commands.iter().map(|command| format!("{command}\n")).collect();
    let ndjson = client.with("content-type", "application/x-ndjson");
    let answer = ndjson.send(Method::POST, "/commands", format!("{lines}not json\n")).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let results: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(statuses(&results), [409, 409, 422, 200, 409, 400]);
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_waits_for_what_comes() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let client = system.commands[0].api();
    let waiting = client.waiting(30);
    let feed = tokio::spawn(async move { waiting.get("/events?after=0").await });
    let created = client.create_lamp(5).await;
    let page = tokio::time::timeout(Duration::from_secs(20), feed).await.unwrap().unwrap().json();
    assert_eq!(page["events"][0]["data"]["order_id"], json!(created.order_id()));
    let next = page["next"].as_str().unwrap().to_owned();
    let more = client.get(&format!("/events?after={next}")).await.json();
    assert_eq!((more["events"].clone(), &more["next"]), (json!([]), &json!(next)));
    assert_eq!(client.get("/events?after=0f8fad5bd9cb469fa16570867728950e.1").await.status, 410);
    until("the views have it", || async {
        let orders = system.queries.client.get("/orders").await.ok()?;
        (orders["items"].as_array()?.len() == 1).then_some(())
    })
    .await;
    system.remove().await;
}
