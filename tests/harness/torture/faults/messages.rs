//! Faults of what is delivered.

use futures::FutureExt as _;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;

use super::{Cluster, Do, Faults};
use crate::torture::NAMESPACE;

pub const FAULTS: &[(&str, Do)] = &[
    ("view queues deleted", |_, cluster| delete_queues(cluster).boxed()),
    ("deliveries duplicated and shuffled", |faults, cluster| faults.repeat(cluster).boxed()),
    ("poison messages", |_, cluster| poison(cluster).boxed()),
    ("rebuild", |_, cluster| rebuild(cluster).boxed()),
];

/// It may be away, or making one already.
async fn rebuild(cluster: &Cluster) {
    drop(cluster.projectors[0].client.post("/rebuild", &[], "").await);
}

/// Of every generation that a projector tells of.
async fn queues(cluster: &Cluster) -> Vec<String> {
    let Ok(all) = cluster.projectors[0].client.get("/generations").await else { return vec![] };
    let ids = all["items"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_str());
    ids.map(|id| format!("{NAMESPACE}.views.{id}")).collect()
}

/// A worker makes them again, the healer fills the gap.
async fn delete_queues(cluster: &Cluster) {
    let namespace = kernel::Namespace::parse(NAMESPACE).expect("a valid name");
    let broker =
        shared::messaging::rabbitmq::RabbitMq::new(&cluster.servers.rabbitmq.url(), &namespace);
    for queue in queues(cluster).await {
        drop(broker.delete(&queue).await);
    }
}

/// Puts bytes on every view queue, as if the exchange had.
async fn deliver(cluster: &Cluster, bodies: &[Vec<u8>]) -> lapin::Result<()> {
    let connection =
        Connection::connect(&cluster.servers.rabbitmq.url(), Default::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = BasicProperties::default().with_delivery_mode(2);
    for queue in queues(cluster).await {
        for body in bodies {
            let (options, durable) = (BasicPublishOptions::default(), durable.clone());
            channel.basic_publish("".into(), queue.as_str().into(), options, body, durable).await?;
        }
    }
    connection.close(200, "".into()).await
}

async fn poison(cluster: &Cluster) {
    let of_another_log = br#"{"specversion":"1.0","id":"1","source":"/waybill/another"}"#;
    let bodies = [b"\xff\x00 no event".to_vec(), vec![], b"{}".to_vec(), of_another_log.to_vec()];
    drop(deliver(cluster, &bodies).await); // The broker may be away.
}

impl Faults {
    /// A part of the log once more, twice, in chunks of any sizes, in any order.
    async fn repeat(&mut self, cluster: &Cluster) {
        let head = cluster.commands[0].client.get("/events?limit=1").await;
        let head = head.ok().and_then(|page| page["head"].as_i64()).unwrap_or(0);
        let after = self.random.random_range(0..=head);
        let path = format!("/events?limit=300&after={after}");
        let Ok(page) = cluster.commands[0].client.get(&path).await else { return };
        let events = page["events"].as_array().cloned().unwrap_or_default();
        let mut bodies: Vec<Vec<u8>> = vec![];
        for mut rest in [&events[..], &events[..]] {
            while !rest.is_empty() {
                let (chunk, after) =
                    rest.split_at(self.random.random_range(1..=rest.len().min(64)));
                bodies.push(serde_json::to_vec(chunk).unwrap_or_default());
                rest = after;
            }
        }
        bodies.shuffle(&mut self.random);
        drop(deliver(cluster, &bodies).await);
    }
}
