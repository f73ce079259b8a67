//! Where the servers of this test run are.

/// The URL of a server that `cargo xtask test` started.
pub fn url(server: &str) -> String {
    let name = format!("WAYBILL_TEST_{server}_URL");
    std::env::var(&name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `cargo xtask test`, which starts the servers")
    })
}

pub fn mongodb() -> String {
    url("MONGODB")
}

pub fn rabbitmq() -> String {
    url("RABBITMQ")
}

pub fn redis() -> String {
    url("REDIS")
}

/// Publishes to one queue alone, past the exchange.
pub async fn publish(queue: &str, bodies: &[&[u8]]) {
    let connection = lapin::Connection::connect(&rabbitmq(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    // Without confirms a message may be lost when the connection is closed behind it.
    channel.confirm_select(Default::default()).await.unwrap();
    for body in bodies {
        let publish = channel.basic_publish(
            "".into(),
            queue.into(),
            Default::default(),
            body,
            Default::default(),
        );
        let confirmed = publish.await.unwrap().await.unwrap();
        assert!(confirmed.is_ack(), "{confirmed:?}");
    }
    connection.close(200, "".into()).await.unwrap();
}
