//! The session of a page: a cookie that scripts do not see, and other sites can't use.

use http::Method;
use serde_json::json;
use shared::auth::Role::{self, Operate, Query};
use tests::client::OrderClient;
use tests::descriptions::{example_request, openapi, operations};
use tests::embedded::Embedded;
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_signs_in_and_out_with_a_cookie_that_no_script_reads() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("ops", &[Query, Operate]);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let queries = OrderClient::new(&system.queries);
    let sign_in = |body: String| queries.post("/session", body);
    for (body, status) in [
        (json!({ "token": "x" }), 401),
        (json!({ "token": Tokens::default().of("a", &[Query]) }), 401),
        (json!({}), 422),
        (json!({ "token": token, "more": 1 }), 422),
    ] {
        let answer = sign_in(body.to_string()).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (status, None), "{body}");
    }
    let body = json!({ "token": token }).to_string();
    let evil = queries.with("origin", "http://evil.example").post("/session", body.clone()).await;
    assert_eq!((evil.status, evil.header("set-cookie")), (403, None));
    let signed_in = sign_in(body.clone()).await;
    let cookie = signed_in.header("set-cookie").unwrap();
    let (_, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(attributes, " HttpOnly; SameSite=Strict; Path=/");
    assert_eq!(signed_in.json()["roles"], json!(["query", "operate"]));
    // Behind something that ends TLS.
    let secure = queries.with("host", "localhost").with("origin", "https://localhost");
    let secure = secure.post("/session", body).await;
    let secure = secure.header("set-cookie").unwrap();
    assert!(secure.starts_with("__Host-waybill_session=wb_"), "{secure}");
    assert!(secure.ends_with("; HttpOnly; SameSite=Strict; Path=/; Secure"), "{secure}");
    let signed_out = queries.send(Method::DELETE, "/session", "").await;
    assert_eq!(signed_out.status, 204);
    let cookie = signed_out.header("set-cookie").unwrap();
    assert!(cookie.starts_with("waybill_session=;") && cookie.ends_with("; Max-Age=0"), "{cookie}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_shows_the_token_to_all_services_and_to_no_other_site() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("ops", &[Query, Operate]);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let [queries, commands, operations] =
        [&system.queries, &system.commands, &system.operations].map(OrderClient::new);
    let signed_in = queries.post("/session", json!({ "token": token }).to_string()).await;
    let (pair, _) = signed_in.header("set-cookie").unwrap().split_once(';').unwrap();
    let page = |client: &OrderClient| client.with("cookie", pair);
    assert_eq!(page(&queries).get("/orders").await.status, 200);
    assert_eq!(page(&queries).get("/session").await.json()["principal"], "ops");
    assert_eq!(page(&commands).get("/events").await.status, 200);
    assert_eq!(page(&operations).get("/generations").await.status, 200);
    let elsewhere = page(&queries).with("sec-fetch-site", "cross-site");
    assert_eq!(elsewhere.get("/orders").await.status, 401);

    // What changes something names the page that asks for it.
    let own = format!("http://{}", system.running.addresses.query);
    let retry = "/parked/order-809266d8-6c0c-4b69-812e-c155352a1fea/retry";
    for (origin, status) in [
        (None, 403),
        (Some("http://evil.example"), 403),
        (Some("null"), 403),
        (Some(&own[..]), 404),
    ] {
        let asked = match origin {
            Some(origin) => page(&operations).with("origin", origin),
            None => page(&operations),
        };
        let answer = asked.post(retry, "").await;
        assert_eq!(answer.status, status, "{origin:?}: {:?}", answer.body);
    }
    let allowed = page(&operations).with("origin", &own).get("/parked").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some(&own[..]));
    assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
    let refused = operations.with("origin", &own).get("/parked").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), Some(&own[..]), "the page reads why");
    let other = page(&operations).with("origin", "http://evil.example").get("/parked").await;
    assert_eq!(other.header("access-control-allow-credentials"), None);
    system.stop().await;
}

/// A request of every kind that changes something, by a page of another origin, and by none.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_cookie_alone_nothing_is_changed_by_any_request() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("all", &Role::ALL);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let sign_in = json!({ "token": token }).to_string();
    let signed_in = OrderClient::new(&system.queries).post("/session", sign_in).await;
    let (pair, _) = signed_in.header("set-cookie").unwrap().split_once(';').unwrap();
    let mut asked = 0;
    for service in [&system.commands, &system.queries, &system.operations] {
        let document = openapi(service).await;
        for (path, method, operation) in operations(&document).filter(|(_, of, _)| *of != "get") {
            let (filled, body) = example_request(path, operation, &token);
            let mut page = OrderClient::new(service).with("cookie", pair);
            if body.is_some() {
                page = page.with("content-type", "application/json");
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            // A sign-in shows the token itself, so a program may send it as well.
            let mut clients = vec![
                page.with("origin", "http://evil.example"),
                page.with("origin", "null"),
                page.with("origin", "https://localhost.evil.example"),
            ];
            if path != "/session" {
                clients.push(page);
            }
            for (client, number) in clients.iter().zip(1..) {
                let body = body.clone().unwrap_or_default();
                let answer = client.send(method.clone(), &filled, body).await;
                let what = format!("{method} {filled}, client {number}");
                assert_eq!(answer.status, 403, "{what}: {:?}", answer.body);
                assert_eq!(answer.problem(), "cross-origin", "{what}");
                assert_eq!(answer.header("set-cookie"), None, "{what}");
            }
            asked += 1;
        }
    }
    assert!(asked > 10, "{asked}");
    let known = |service| OrderClient::new(&with(service, &token));
    assert_eq!(known(&system.commands).get("/events").await.json()["head"], 0);
    assert_eq!(known(&system.operations).get("/operations").await.json()["items"], json!([]));
    system.stop().await;
}
