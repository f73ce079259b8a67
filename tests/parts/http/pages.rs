//! Pages of other origins: what a browser is told of those that are named, and of all others.

use http::Method;
use shared::auth::Role;
use shared::http::Origins;
use tests::client::{Answer, OrderClient};
use tests::descriptions::openapi;
use tests::embedded::Embedded;
use tests::orders;
use tests::stores::TempDir;
use tests::tokens::Tokens;
use uuid::Uuid;
use waybill::client::Client;

/// Its pages read.
const READER: &str = "https://reader.example";
/// Its pages send commands.
const SHOP: &str = "https://shop.example";
const STRANGER: &str = "https://stranger.example";

fn from(client: &OrderClient, origin: &str) -> OrderClient {
    client.with("origin", origin)
}

/// Asks as a browser does before a page may send such a request.
async fn preflight(client: &OrderClient, origin: &str, method: &str, path: &str) -> Answer {
    let headers = "content-type, idempotency-key";
    let client = from(client, origin).with("access-control-request-method", method);
    let client = client.with("access-control-request-headers", headers);
    client.send(Method::OPTIONS, path, "").await
}

fn methods(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-methods")
}

/// The origin that may read the answer. No answer is for any, whether or not with a cookie.
fn readable_by(answer: &Answer) -> Option<&str> {
    let origin = answer.header("access-control-allow-origin");
    assert_ne!(origin, Some("*"));
    let credentials = answer.header("access-control-allow-credentials");
    assert!(credentials.is_none() || origin.is_some(), "{credentials:?}");
    origin
}

async fn start(folder: &TempDir, change: impl FnOnce(&mut waybill::up::Config)) -> Embedded {
    let named = |origin: &str| Origins::parse(origin).unwrap();
    let start = Embedded::start_as(folder, |config| {
        (config.cors_origins, config.cors_write_origins) = (named(READER), named(SHOP));
        change(config);
    });
    start.await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_named_origins_read_and_those_that_may_write_send_commands() {
    let folder = TempDir::default();
    let system = start(&folder, |_| {}).await;
    let (commands, queries) =
        (OrderClient::new(&system.commands), OrderClient::new(&system.queries));
    let asked = preflight(&queries, READER, "GET", "/orders").await;
    assert_eq!((asked.status, readable_by(&asked)), (204, Some(READER)));
    assert_eq!((methods(&asked), asked.all_of("vary")), (Some("GET, HEAD"), vec!["origin"]));
    let asked = preflight(&commands, SHOP, "POST", "/orders").await;
    assert_eq!((asked.status, readable_by(&asked)), (204, Some(SHOP)));
    assert_eq!(methods(&asked), Some("GET, HEAD, POST, DELETE"));
    let sent = asked.header("access-control-allow-headers").unwrap();
    for name in ["content-type", "idempotency-key", "if-match", "traceparent", "x-correlation-id"] {
        assert!(sent.split(", ").any(|allowed| allowed == name), "{name}: {sent}");
    }
    let order = orders::order(5);
    let created = from(&commands, SHOP).create_order(&order).await;
    assert_eq!((created.status, readable_by(&created)), (201, Some(SHOP)));
    let told = created.header("access-control-expose-headers").unwrap();
    for name in ["consistency-token", "etag", "location", "retry-after"] {
        assert!(told.split(", ").any(|exposed| exposed == name), "{name}: {told}");
    }
    let seen = from(&queries, READER).with_token(created.token());
    let order = seen.order(created.order_id()).await;
    assert_eq!((order.status, readable_by(&order)), (200, Some(READER)));
    assert!(order.all_of("vary").contains(&"origin"), "{:?}", order.all_of("vary"));
    // Nothing of this needs a cookie here.
    assert_eq!(order.header("access-control-allow-credentials"), None);
    drop((commands, queries, seen));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_pages_may_change_something_the_description_says_so() {
    let folder = TempDir::default();
    let system = start(&folder, |_| {}).await;
    let operations = OrderClient::new(&system.operations);
    let letter = format!("/dead-letters/{}", Uuid::new_v4());
    let discarded = from(&operations, READER).send(Method::DELETE, &letter, "").await;
    let told = (discarded.status, discarded.problem());
    assert_eq!(told, (404, "dead-letter-not-found".to_owned()), "it was looked for");
    for service in [&system.commands, &system.operations] {
        let document = openapi(service).await;
        let about = document["info"]["description"].as_str().unwrap();
        assert!(about.contains("the service itself or one that its operator has named"), "{about}");
    }
    drop(operations);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_are_refused() {
    let folder = TempDir::default();
    let system = start(&folder, |_| {}).await;
    let [commands, queries, operations] =
        [&system.commands, &system.queries, &system.operations].map(OrderClient::new);
    for (client, origin, path) in [
        (&commands, STRANGER, "/orders"),
        (&commands, "null", "/orders"),
        (&queries, STRANGER, "/stats"),
        (&queries, SHOP, "/stats"),
        (&operations, STRANGER, "/rebuild"),
        (&operations, SHOP, "/rebuild"),
    ] {
        let asked = preflight(client, origin, "POST", path).await;
        assert_eq!((asked.status, readable_by(&asked)), (405, None), "{origin} {path}");
        assert_eq!(methods(&asked), None, "{origin} {path}");
    }
    // A page that reads sends no commands, whatever its browser was told.
    let asked = preflight(&commands, READER, "POST", "/orders").await;
    assert_eq!((methods(&asked), readable_by(&asked)), (Some("GET, HEAD"), Some(READER)));
    for (origin, reads) in [(READER, Some(READER)), (STRANGER, None), ("null", None)] {
        let sent = from(&commands, origin).create_order(&orders::order(5)).await;
        assert_eq!((sent.status, sent.problem().as_str()), (403, "cross-origin"), "{origin}");
        assert_eq!(readable_by(&sent), reads, "{origin}");
    }
    assert_eq!(commands.get("/events").await.json()["head"], 0, "nothing was written");
    let read = from(&queries, STRANGER).get("/stats").await;
    assert_eq!((read.status, readable_by(&read)), (200, None));
    assert!(read.all_of("vary").contains(&"origin"), "a cache keeps it for this origin alone");
    drop((commands, queries, operations));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_for_origins_that_are_named_one_by_one() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("shop", &Role::ALL);
    let system = start(&folder, |config| config.auth = tokens.config()).await;
    let known = |client: &Client| {
        OrderClient::new(client).with("authorization", &format!("Bearer {token}"))
    };
    let (commands, queries) = (known(&system.commands), known(&system.queries));
    for (client, origin, path) in [(&commands, SHOP, "/events"), (&queries, READER, "/stats")] {
        for answer in
            [preflight(client, origin, "GET", path).await, from(client, origin).get(path).await]
        {
            assert_eq!(readable_by(&answer), Some(origin), "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{path}");
        }
    }
    for client in [&commands, &queries] {
        let read = from(client, STRANGER).get("/readyz").await;
        assert_eq!(readable_by(&read), None);
    }
    drop((commands, queries));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_origin_is_named_by_default() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    for service in [&system.commands, &system.queries, &system.operations] {
        let client = OrderClient::new(service);
        let asked = preflight(&client, STRANGER, "GET", "/openapi.json").await;
        assert_eq!((asked.status, readable_by(&asked)), (405, None));
        let read = from(&client, STRANGER).get("/openapi.json").await;
        assert_eq!((read.status, readable_by(&read)), (200, None));
    }
    assert!(Origins::parse("*").is_err() && Origins::parse("https://a.example,*").is_err());
    system.stop().await;
}
