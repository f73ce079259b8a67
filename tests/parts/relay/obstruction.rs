//! Looking at queues that may hold up the exchange.

use lapin::options::QueueDeclareOptions;
use shared::messaging::rabbitmq::RabbitMq;
use tests::proxy::Proxies;
use tests::services::Urls;
use tests::{Own, servers, until};

/// How the frame begins that asks for a message: class 60, method 70.
const BASIC_GET: &str = "\0<\0F";

async fn declare(queue: &str) {
    let connection =
        lapin::Connection::connect(&servers::rabbitmq(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, Default::default()).await.unwrap();
    connection.close(200, "".into()).await.unwrap();
}

/// A queue that is not served is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_drops_does_not_say_that_a_queue_is_not_served() {
    let own = Own::default();
    let queue = format!("{}.looked-at", own.namespace);
    declare(&queue).await;
    let proxies = Proxies::before(&Urls::of_the_run());
    let broker = RabbitMq::new(&proxies.urls().rabbitmq, &own.namespace);
    assert!(broker.serves(&queue).await.unwrap());
    proxies.rabbitmq.lose(BASIC_GET);
    let asked = queue.clone();
    let look = tokio::spawn(async move { broker.serves(&asked).await });
    until("it asks for a message", || async { proxies.rabbitmq.has_lost().then_some(()) }).await;
    proxies.rabbitmq.cut();
    assert!(look.await.unwrap().is_err());
    own.rabbitmq().delete(&queue).await.unwrap();
    own.remove().await;
}
