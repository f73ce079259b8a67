//! The whole pipeline on the real servers.

use std::time::Duration;

use serde_json::json;
use tests::load::{drive, plan};
use tests::services::{System, Urls};
use tests::until;

#[tokio::test(flavor = "multi_thread")]
async fn every_view_equals_a_fold_of_the_log_after_a_load_with_three_projectors() {
    let system = System::start(&Urls::of_the_run(), 1, 3).await;
    drive(&plan(3_000), &system.commands[0].client).await;
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_created_paid_shipped_and_read_back() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, queries) = (&system.commands[0].client, &system.queries.client);
    let item = json!({ "sku": "A", "name": "Lamp", "quantity": 2, "unit_price": 1250 });
    let order = json!({ "customer_id": "c/ä 1", "currency": "EUR", "items": [item] });
    let created = commands.post("/orders", &[], order.to_string()).await.unwrap();
    let log = created.headers["consistency-token"].to_str().unwrap().split_once('.').unwrap().0;
    assert_eq!(
        (created.status.as_u16(), created.headers["etag"].to_str().unwrap()),
        (201, &format!("\"1-{log}\"")[..])
    );
    let place = created.headers["location"].to_str().unwrap().to_owned();
    let id = place.strip_prefix("/orders/").unwrap().to_owned();
    assert_eq!(created.json().unwrap()["order_id"], id);
    for (path, body, version) in
        [("payments", json!({ "amount": 2500 }), 2), ("shipments", json!({}), 3)]
    {
        let done = commands.post(&format!("{place}/{path}"), &[], body.to_string()).await.unwrap();
        assert_eq!(
            (done.status.as_u16(), done.json().unwrap()["version"].clone()),
            (200, json!(version))
        );
    }
    // A client that shows the token of its last write reads that write.
    let done = commands.post(&format!("{place}/deliveries"), &[], "").await.unwrap();
    let token = done.headers["consistency-token"].to_str().unwrap().to_owned();
    let headers = [("consistency-token", token.as_str()), ("prefer", "wait=30")];
    let read = queries.send(http::Method::GET, &place, &headers, "").await.unwrap();
    let etag = read.headers["etag"].to_str().unwrap();
    assert!(etag.starts_with(&format!("\"4-{log}-v")), "{etag}");
    let state = commands.send(http::Method::GET, &format!("{place}/state"), &[], "").await.unwrap();
    assert_eq!(state.headers["etag"].to_str().unwrap(), format!("\"4-{log}\""));
    let view = read.json().unwrap();
    assert_eq!(
        (&view["status"], &view["version"], &view["paid"]),
        (&json!("delivered"), &json!(4), &json!(2500))
    );
    for (known, status) in [(etag, 304), ("\"4\"", 200)] {
        let again = queries.send(http::Method::GET, &place, &[("if-none-match", known)], "").await;
        assert_eq!(again.unwrap().status.as_u16(), status, "{known}");
    }
    let customer = queries.get("/customers/c%2F%C3%A4%201").await.unwrap();
    assert_eq!(
        (&customer["orders"], &customer["lifetime_value"]),
        (&json!(1), &json!({ "EUR": 2500 }))
    );
    for (path, end) in [
        (format!("{place}/state?version=2"), format!(".2@order-{id}")),
        (format!("{place}/events"), format!(".4@order-{id}")),
        ("/events".to_owned(), ".4".to_owned()),
    ] {
        let read = commands.send(http::Method::GET, &path, &[], "").await.unwrap();
        let shown = read.headers["consistency-token"].to_str().unwrap().to_owned();
        assert!(shown.ends_with(&end), "{path}: {shown}");
        let headers = [("consistency-token", shown.as_str()), ("prefer", "wait=30")];
        let read = queries.send(http::Method::GET, "/stats", &headers, "").await.unwrap();
        assert_eq!(read.status.as_u16(), 200, "{path}: {shown}");
    }
    let ahead = commands.send(http::Method::GET, "/events?after=9", &[], "").await.unwrap();
    assert!(!ahead.headers.contains_key("consistency-token"), "nothing of the log was shown");
    let past = commands.get(&format!("{place}/state?version=2")).await.unwrap();
    assert_eq!((&past["status"], &past["version"]), (&json!("paid"), &json!(2)));
    system.verify().await;
    // What either service gave is an expectation.
    let refunds = format!("{place}/refunds");
    for (known, status) in [
        ("\"4-another\"", 412),
        (etag, 200),
        (etag, 412),
        (&format!("\"5-{log}\""), 200),
        ("\"6\"", 200),
    ] {
        let expects = [("if-match", known)];
        let refund = commands.post(&refunds, &expects, json!({ "amount": 1 }).to_string()).await;
        let refund = refund.unwrap();
        assert_eq!(refund.status.as_u16(), status, "{known}");
        if status == 412 {
            assert_eq!(refund.json().unwrap()["type"], "/problems/version-mismatch");
        }
    }
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gets_the_same_answer_and_another_request_is_refused() {
    let system = System::start(&Urls::of_the_run(), 2, 1).await;
    let [one, two] = [&system.commands[0].client, &system.commands[1].client];
    let order = |quantity: i64| {
        let item = json!({ "sku": "A", "name": "Lamp", "quantity": quantity, "unit_price": 1 });
        json!({ "customer_id": "c", "currency": "EUR", "items": [item] }).to_string()
    };
    let key = [("idempotency-key", "\"k1\"")];
    let first = one.post("/orders", &key, order(1)).await.unwrap();
    for client in [one, two] {
        let again = client.post("/orders", &key, order(1)).await.unwrap();
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        let other = client.post("/orders", &key, order(2)).await.unwrap();
        assert_eq!(other.status.as_u16(), 422);
        assert!(other.json().unwrap()["type"].as_str().unwrap().ends_with("/idempotency-mismatch"));
    }
    // A refusal is not remembered: the same key may succeed later.
    let place = first.headers["location"].to_str().unwrap();
    let key = [("idempotency-key", "k2")];
    assert_eq!(
        one.post(&format!("{place}/shipments"), &key, "").await.unwrap().status.as_u16(),
        409
    );
    assert!(
        one.post(&format!("{place}/payments"), &[], json!({ "amount": 1 }).to_string())
            .await
            .unwrap()
            .status
            .is_success()
    );
    let shipped = two.post(&format!("{place}/shipments"), &key, "").await.unwrap();
    assert_eq!(shipped.status.as_u16(), 200);
    // It would be refused now, were it not the same request.
    assert_eq!(one.post(&format!("{place}/shipments"), &key, "").await.unwrap().body, shipped.body);
    // The key of a batch and a key that looks like that of its second command are two keys.
    let create = json!({ "type": "CreateOrder", "customer_id": "c", "currency": "EUR",
        "items": [{ "sku": "A", "name": "Lamp", "quantity": 3, "unit_price": 1 }] });
    let batch = json!([{ "type": "Nonsense" }, create]).to_string();
    let batch = one.post("/commands", &[("idempotency-key", "k3")], batch).await.unwrap();
    assert_eq!(batch.json().unwrap()["results"][1]["status"], 201);
    let single = one.post("/orders", &[("idempotency-key", "k3/1")], order(4)).await.unwrap();
    assert_eq!(single.status.as_u16(), 201);
    let expects = [("if-match", "\"1\"")];
    let late = one.post(&format!("{place}/deliveries"), &expects, "").await.unwrap();
    assert_eq!((late.status.as_u16(), &late.json().unwrap()["version"]), (412, &json!(3)));
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_answers_each_command_in_order_and_a_refusal_stops_nothing() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let client = &system.commands[0].client;
    let id = uuid::Uuid::new_v4();
    let item = json!({ "sku": "A", "name": "Lamp", "quantity": 1, "unit_price": 5 });
    let commands = [
        json!({ "type": "CreateOrder", "order_id": id, "customer_id": "c", "currency": "EUR", "items": [item] }),
        json!({ "type": "ShipProducts", "order_id": id }),
        json!({ "type": "Nonsense" }),
        json!({ "type": "ProcessPayment", "order_id": id, "amount": 5, "idempotency_key": "p" }),
        json!({ "type": "ShipProducts", "order_id": id }),
    ];
    let statuses = |results: &[serde_json::Value]| -> Vec<u64> {
        results.iter().map(|result| result["status"].as_u64().unwrap()).collect()
    };
    let answer = client.post("/commands", &[], json!(commands).to_string()).await.unwrap();
    let results = answer.json().unwrap()["results"].as_array().unwrap().clone();
    assert_eq!(statuses(&results), [201, 409, 422, 200, 200]);
    assert_eq!(
        (&results[4]["version"], &results[1]["rule"]),
        (&json!(3), &json!("not-paid-in-full"))
    );
    assert!(results[0]["token"].is_string());
    let lines: String = commands.iter().map(|command| format!("{command}\n")).collect();
    let ndjson = [("content-type", "application/x-ndjson")];
    let answer = client
        .send(http::Method::POST, "/commands", &ndjson, format!("{lines}not json\n"))
        .await
        .unwrap();
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let results: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(statuses(&results), [409, 409, 422, 200, 409, 400]);
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_waits_for_what_comes() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let client = &system.commands[0].client;
    let waiting = client.clone();
    let prefer = [("prefer", "wait=30")];
    let feed = tokio::spawn(async move {
        waiting.send(http::Method::GET, "/events?after=0", &prefer, "").await
    });
    let item = json!({ "sku": "A", "name": "Lamp", "quantity": 1, "unit_price": 5 });
    let order = json!({ "customer_id": "c", "currency": "EUR", "items": [item] });
    let created = client.post("/orders", &[], order.to_string()).await.unwrap();
    let page = tokio::time::timeout(Duration::from_secs(20), feed)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(page["events"][0]["data"]["order_id"], created.json().unwrap()["order_id"]);
    let next = page["next"].as_str().unwrap().to_owned();
    let more = client.get(&format!("/events?after={next}")).await.unwrap();
    assert_eq!((more["events"].clone(), &more["next"]), (json!([]), &json!(next)));
    let other = client.send(http::Method::GET, "/events?after=another.1", &[], "").await.unwrap();
    assert_eq!(other.status.as_u16(), 410);
    until("the views have it", || async {
        let orders = system.queries.client.get("/orders").await.ok()?;
        (orders["items"].as_array()?.len() == 1).then_some(())
    })
    .await;
    system.remove().await;
}
