//! What is told of a body that is wrong, and what is agreed on in headers: types, methods, caching.

use ::orders::order::bounds::MAX_UNITS;
use http::Method;
use serde_json::{Value, json};
use shared::auth::Role;
use tests::client::{Answer, OrderClient};
use tests::embedded::Embedded;
use tests::orders;
use tests::stores::TempDir;
use tests::tokens::Tokens;

/// The fields that are wrong: where, what was expected, what was found.
fn errors(answer: &Answer) -> Vec<(String, String, String)> {
    let body = answer.json();
    assert_eq!((answer.status, &body["type"]), (422, &json!("/problems/validation")), "{body}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let error =
        |error: &Value| (text(&error["pointer"]), text(&error["expected"]), text(&error["found"]));
    let mut errors: Vec<_> = body["errors"].as_array().unwrap().iter().map(error).collect();
    errors.sort();
    errors
}

/// The same of a result of a batch: where alone.
fn pointers_of(result: &Value) -> Vec<&str> {
    assert_eq!(result["status"], 422, "{result}");
    let errors = result["errors"].as_array().unwrap().iter();
    let mut pointers: Vec<_> = errors.map(|error| error["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    pointers
}

fn pointers(answer: &Answer) -> Vec<String> {
    errors(answer).into_iter().map(|(pointer, ..)| pointer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_is_wrong_is_listed() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let commands = OrderClient::new(&system.commands);
    let order = json!({
        "customer_id": "", "currency": "euro", "placed_at": "yesterday", "colour": "red",
        "items": [
            orders::item("A", 1, 5),
            { "sku": "B", "name": "Lamp", "quantity": 0, "unit_price": "1" },
            { "sku": "C", "quantity": 1.5, "unit_price": -1 },
        ],
    });
    let answer = commands.create_order(&order).await;
    let expected = [
        "/colour",
        "/currency",
        "/customer_id",
        "/items/1/quantity",
        "/items/1/unit_price",
        "/items/2/name",
        "/items/2/quantity",
        "/items/2/unit_price",
        "/placed_at",
    ];
    assert_eq!(pointers(&answer), expected);
    let told = errors(&answer);
    assert_eq!(told[3].1, "a number from 1");
    assert_eq!((told[4].1.as_str(), told[4].2.as_str()), ("an integer", "\"1\""));
    assert_eq!((told[5].1.as_str(), told[5].2.as_str()), ("a value", "nothing"));
    // What no schema can say is told by the domain.
    let twice = orders::order_of(&[orders::item("A", 1, 5), orders::item("A", 2, 5)]);
    assert_eq!(pointers(&commands.create_order(&twice).await), ["/items/1/sku"]);
    let path_says = json!({ "amount": 1, "order_id": "x", "type": "y" });
    let answer = commands.post_to(uuid::Uuid::new_v4(), "payments", &path_says).await;
    assert_eq!(pointers(&answer), ["/order_id", "/type"]);
    // Each of these is found by another part of the service; none keeps the others from being told.
    let all = json!({ "amount": "y", "colour": "red", "type": "x" });
    let answer = commands.post_to(uuid::Uuid::new_v4(), "payments", &all).await;
    assert_eq!(pointers(&answer), ["/amount", "/colour", "/type"]);
    let mut both = orders::order_of(&[orders::item("A", 1, 5), orders::item("A", 0, 5)]);
    (both["currency"], both["type"]) = (json!("euro"), json!("CreateOrder"));
    let answer = commands.create_order(&both).await;
    assert_eq!(pointers(&answer), ["/currency", "/items/1/quantity", "/items/1/sku", "/type"]);
    assert_eq!(commands.get("/events").await.json()["head"], 0, "nothing of all this happened");
    drop(commands);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_of_a_batch_is_told_its_own_fields() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let commands = OrderClient::new(&system.commands);
    let batch = [
        json!({ "type": "ProcessPayment" }),
        json!({ "type": "Nothing" }),
        json!(7),
        json!({ "type": "ProcessPayment", "amount": "y", "idempotency_key": 7 }),
        json!({ "type": "CancelOrder", "order_id": "x", "idempotency_key": "" }),
    ];
    let results = commands.batch(&batch).await.json()["results"].clone();
    for (index, expected) in [
        (3, ["/amount", "/idempotency_key", "/order_id"].as_slice()),
        (4, &["/idempotency_key", "/order_id"]),
    ] {
        assert_eq!(pointers_of(&results[index]), expected, "{results}");
    }
    let pointer = |index: usize, error: usize| &results[index]["errors"][error]["pointer"];
    assert_eq!(results[0]["errors"].as_array().unwrap().len(), 2, "{results}");
    assert_eq!((pointer(1, 0), pointer(2, 0)), (&json!("/type"), &json!("")));
    assert_eq!(commands.get("/events").await.json()["head"], 0, "nothing of all this happened");
    drop(commands);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_becomes_too_large_is_told_by_which_field() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let commands = OrderClient::new(&system.commands);
    let large = orders::item("A", MAX_UNITS + 1, 1);
    let answer = commands.create_order(&orders::order_of(&[large])).await;
    assert_eq!(answer.json()["rule"], "out-of-range");
    let (expected, found) =
        (format!("an order of up to {MAX_UNITS} units"), format!("{} in all", MAX_UNITS + 1));
    assert_eq!(errors(&answer), [("/items".to_owned(), expected.clone(), found)]);
    let id = commands.create_lamp(5).await.order_id();
    let large = orders::item("B", MAX_UNITS + 1, 1);
    let answer = commands.post_to(id, "items", &large).await;
    let told = errors(&answer);
    let [(pointer, told, _)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((pointer.as_str(), told), ("", &expected));
    drop(commands);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_told_what_is_wrong_and_never_what_it_sent() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    tokens.of("ops", &[Role::Operate]); // The file has to be there.
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let queries = OrderClient::new(&system.queries);
    let told = |pointer: &str, expected: &str, found: &str| {
        (pointer.to_owned(), expected.to_owned(), found.to_owned())
    };
    for (body, expected) in [
        (json!({}), vec![told("/token", "a value", "nothing")]),
        (json!({ "token": 7 }), vec![told("/token", "a string", "a number")]),
        (json!(["secret"]), vec![told("", "an object", "an array")]),
        (
            json!({ "password": "secret", "token": null }),
            vec![
                told("/password", "no such field", "a string"),
                told("/token", "a string", "null"),
            ],
        ),
    ] {
        let answer = queries.post("/session", body.to_string()).await;
        assert_eq!(errors(&answer), expected, "{body}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("secret"), "{text}");
    }
    drop(queries);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_the_coding_that_a_client_takes() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let (commands, queries) =
        (OrderClient::new(&system.commands), OrderClient::new(&system.queries));
    let items: Vec<_> = (0..40).map(|number| orders::item(&format!("P-{number}"), 1, 5)).collect();
    let created = commands.create_order(&orders::order_of(&items)).await;
    let path = format!("/orders/{}", created.order_id());
    let seen = queries.with("consistency-token", created.header("consistency-token").unwrap());
    let plain = seen.get(&path).await;
    assert_eq!((plain.status, plain.header("content-encoding")), (200, None));
    assert_eq!(plain.header("vary"), Some("accept-encoding"));
    let plain_tag = plain.header("etag").unwrap();
    for coding in ["zstd", "gzip"] {
        let client = queries.with("accept-encoding", coding);
        let coded = client.get(&path).await;
        assert_eq!((coded.status, coded.header("content-encoding")), (200, Some(coding)));
        let tag = coded.header("etag").unwrap();
        assert_eq!(tag.replace(&format!("-{coding}\""), "\""), plain_tag);
        let again = client.with("if-none-match", tag).get(&path).await;
        assert_eq!((again.status, again.header("etag")), (304, Some(tag)));
        let short = client.get("/orders/x").await;
        assert_eq!((short.status, short.header("content-encoding")), (404, None));
    }
    forms_that_a_client_does_not_take_are_sent_again(&queries, &path, plain_tag).await;
    for coding in ["identity", "gzip", "zstd"] {
        let file = queries.with("accept-encoding", coding).get("/assets/js/main.js").await;
        assert_eq!((file.status, file.all_of("vary")), (200, vec!["accept-encoding"]), "{coding}");
    }
    let tag = format!("{}-gzip\"", plain_tag.trim_end_matches('"'));
    for expected in [200, 412] {
        let paid = commands.with("if-match", &tag).pay(created.order_id(), 1).await;
        assert_eq!(paid.status, expected);
    }
    drop((commands, queries, seen));
    system.stop().await;
}

/// As where a cache has each form of the answer, and asks for a client that takes one of them.
async fn forms_that_a_client_does_not_take_are_sent_again(
    queries: &OrderClient,
    path: &str,
    plain: &str,
) {
    let [zstd, gzip] =
        ["zstd", "gzip"].map(|coding| format!("{}-{coding}\"", plain.trim_end_matches('"')));
    let both = format!("{zstd}, {gzip}");
    for (taken, had, status, tag) in [
        ("gzip", &both, 304, gzip.as_str()),
        ("zstd", &both, 304, &zstd),
        ("gzip, zstd;q=0.5", &both, 304, &gzip),
        ("gzip", &zstd, 200, &gzip),
        ("identity", &both, 200, plain),
    ] {
        let asking = queries.with("accept-encoding", taken).with("if-none-match", had);
        let answer = asking.get(path).await;
        assert_eq!((answer.status, answer.header("etag")), (status, Some(tag)), "{taken} {had}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_answers_are_of_types_that_both_sides_take() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let (commands, queries) =
        (OrderClient::new(&system.commands), OrderClient::new(&system.queries));
    let order = orders::order(5).to_string();
    let text = commands.with("content-type", "text/plain");
    for (client, path) in [(&text, "/orders"), (&text, "/commands"), (&commands, "/orders")] {
        let answer = client.send(Method::POST, path, order.clone()).await;
        assert_eq!((answer.status, answer.problem()), (415, "unsupported-media-type".to_owned()));
    }
    let with_charset = commands.with("content-type", "application/json; charset=utf-8");
    let created = with_charset.send(Method::POST, "/orders", order).await;
    assert_eq!(created.status, 201);
    let id = created.order_id();
    for (client, path) in [
        (&commands, format!("/orders/{id}/state")),
        (&commands, "/events".to_owned()),
        (&queries, "/stats".to_owned()),
        (&queries, "/live".to_owned()),
    ] {
        let picky = client.with("accept", "image/png, application/json;q=0");
        let answer = picky.get(&path).await;
        assert_eq!((answer.status, answer.problem()), (406, "not-acceptable".to_owned()), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    for (client, method, path, allow) in [
        (&commands, Method::GET, "/orders", "POST"),
        (&commands, Method::DELETE, "/events", "GET, HEAD"),
        (&commands, Method::PUT, "/orders/x/items/y", "DELETE"),
        (&queries, Method::POST, "/orders", "GET, HEAD"),
        (&queries, Method::PUT, "/stats/daily", "GET, HEAD"),
    ] {
        let answer = client.send(method, path, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{path}");
    }
    drop((commands, queries, text, with_charset));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_say_how_long_they_may_be_kept_and_when_to_come_again() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let (commands, queries) =
        (OrderClient::new(&system.commands), OrderClient::new(&system.queries));
    let created = commands.create_lamp(5).await;
    let (id, token) = (created.order_id(), created.token());
    let past = commands.get(&format!("/orders/{id}/state?version=1")).await;
    assert_eq!(past.header("cache-control"), Some("private, max-age=86400, immutable"));
    for path in
        ["state".to_owned(), "state?at=9999-01-01T00:00:00Z".to_owned(), "events".to_owned()]
    {
        let live = commands.get(&format!("/orders/{id}/{path}")).await;
        assert_eq!(live.header("cache-control"), Some("no-cache"), "{path}");
    }
    let live = queries.with_token(token).order(id).await;
    assert_eq!(live.header("cache-control"), Some("no-cache"));
    let refused = commands.pay(id, 6).await;
    assert_eq!((refused.status, refused.header("cache-control")), (409, Some("no-store")));
    assert_eq!(refused.header("retry-after"), None);
    let later = token.replace(".1@", ".9@");
    let later = queries.with_token(&later).with("prefer", "wait=0").order(id).await;
    assert_eq!((later.status, later.header("retry-after")), (503, Some("1")));
    // A parameter that is wrong is told, whatever the token would be answered.
    let wrong =
        queries.with_token("0f8fad5bd9cb469fa16570867728950e.1").get("/orders?limit=0").await;
    assert_eq!(wrong.status, 400);
    // So is a command that is wrong, whatever the version (RFC 9110, section 13.2.1).
    let wrong = commands.expecting("\"9\"").pay(id, 0).await;
    assert_eq!(wrong.status, 422);
    drop((commands, queries));
    system.stop().await;
}
