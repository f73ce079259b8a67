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

/// Messages that are published and not confirmed at a time.
const UNCONFIRMED: usize = 1_000;

/// Publishes to one queue alone, past the exchange.
pub async fn publish(queue: &str, bodies: &[&[u8]]) {
    publish_all(queue, bodies.iter().copied()).await;
}

/// The same, one of these after the other and again from the first, so many messages in all.
pub async fn publish_often(queue: &str, bodies: &[Vec<u8>], messages: usize) {
    publish_all(queue, bodies.iter().cycle().map(Vec::as_slice).take(messages)).await;
}

async fn publish_all<'a>(queue: &str, bodies: impl Iterator<Item = &'a [u8]>) {
    let connection = lapin::Connection::connect(&rabbitmq(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    // Without confirms a message may be lost when the connection is closed behind it.
    channel.confirm_select(Default::default()).await.unwrap();
    let mut bodies = bodies.peekable();
    while bodies.peek().is_some() {
        let mut sent = vec![];
        for body in bodies.by_ref().take(UNCONFIRMED) {
            let publish = channel.basic_publish(
                "".into(),
                queue.into(),
                Default::default(),
                body,
                Default::default(),
            );
            sent.push(publish.await.unwrap());
        }
        for confirmed in sent {
            let confirmed = confirmed.await.unwrap();
            assert!(confirmed.is_ack(), "{confirmed:?}");
        }
    }
    connection.close(200, "".into()).await.unwrap();
}

/// Takes all messages that wait in the queue.
pub async fn messages(queue: &str) -> Vec<Vec<u8>> {
    let connection = lapin::Connection::connect(&rabbitmq(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut messages = vec![];
    let options = lapin::options::BasicGetOptions { no_ack: true };
    while let Some(message) = channel.basic_get(queue.into(), options).await.unwrap() {
        messages.push(message.delivery.data);
    }
    connection.close(200, "".into()).await.unwrap();
    messages
}
