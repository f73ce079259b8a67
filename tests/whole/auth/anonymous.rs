//! Where no tokens are configured.

use tests::client::OrderClient;
use tests::descriptions::{openapi, operations};
use tests::embedded::Embedded;
use tests::stores::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_every_client_is_anonymous_and_nothing_else_is_described() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    for client in [&system.commands, &system.queries, &system.operations] {
        let document = openapi(client).await;
        assert!(document["components"]["securitySchemes"].is_null());
        for (path, method, operation) in operations(&document) {
            assert!(operation["security"].is_null(), "{method} {path}");
            assert!(operation["responses"]["401"].is_null(), "{method} {path}");
        }
        // What is not asked for is not looked at.
        let shown = OrderClient::new(client).with("authorization", "Bearer x");
        assert_eq!(shown.get("/metrics").await.status, 200);
    }
    assert_eq!(OrderClient::new(&system.queries).get("/session").await.status, 404);
    let created = OrderClient::new(&system.commands).create_lamp(1).await;
    let path = format!("/orders/{}/events", created.order_id());
    let events = system.commands.get(&path).await.unwrap();
    assert!(events["events"][0]["actor"].is_null(), "{events}");
    system.stop().await;
}
