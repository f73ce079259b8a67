//! Faults, one after another, each healed before long.

mod network;

use std::collections::BTreeMap;
use std::time::Duration;

use mongodb::bson::doc;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::{Cluster, NAMESPACE};
use crate::services::Service;

pub struct Faults {
    random: StdRng,
    pub counts: BTreeMap<&'static str, usize>,
}

const KINDS: [&str; 14] = [
    "kill -9 command-api",
    "kill -9 projector",
    "kill -9 query-api",
    "kill -9 MongoDB",
    "kill -9 RabbitMQ",
    "kill -9 Redis",
    "SIGSTOP command-api",
    "SIGSTOP projector",
    "SIGSTOP MongoDB",
    "Redis FLUSHALL",
    "Redis SCRIPT FLUSH",
    "queue deleted",
    "counter set back",
    "rebuild",
];

impl Faults {
    pub fn new(random: StdRng) -> Self {
        Self { random, counts: BTreeMap::new() }
    }

    async fn pause(&mut self, millis: std::ops::Range<u64>) {
        let pause = Duration::from_millis(self.random.random_range(millis));
        tokio::time::sleep(pause).await;
    }

    fn any<'a>(&mut self, services: &'a mut [Service]) -> &'a mut Service {
        let index = self.random.random_range(0..services.len());
        &mut services[index]
    }

    /// Lets the system run, then does one thing to it and mends that.
    pub async fn one(&mut self, cluster: &mut Cluster) {
        self.pause(300..2_000).await;
        let kinds = [&KINDS[..], &network::KINDS].concat();
        let kind = kinds[self.random.random_range(0..kinds.len())];
        *self.counts.entry(kind).or_default() += 1;
        match kind {
            "kill -9 command-api" => {
                let service = self.any(&mut cluster.commands);
                service.process.kill();
                service.restart();
            }
            "kill -9 projector" => {
                let service = self.any(&mut cluster.projectors);
                service.process.kill();
                service.restart();
            }
            "kill -9 query-api" => {
                cluster.queries.process.kill();
                cluster.queries.restart();
            }
            "kill -9 MongoDB" => {
                cluster.servers.mongodb.process.kill();
                self.pause(0..1_500).await;
                cluster.servers.mongodb.restart().expect("MongoDB starts again");
            }
            "kill -9 RabbitMQ" => {
                cluster.servers.rabbitmq.process.kill();
                self.pause(0..1_500).await;
                cluster.servers.rabbitmq.restart().expect("RabbitMQ starts again");
            }
            "kill -9 Redis" => {
                cluster.servers.redis.process.kill();
                self.pause(0..1_500).await;
                cluster.servers.redis.restart().expect("Redis starts again");
            }
            "SIGSTOP command-api" => self.freeze(cluster, |c| &c.commands[0].process).await,
            "SIGSTOP projector" => self.freeze(cluster, |c| &c.projectors[0].process).await,
            "SIGSTOP MongoDB" => self.freeze(cluster, |c| &c.servers.mongodb.process).await,
            "Redis FLUSHALL" => redis(cluster, &["FLUSHALL"]).await,
            "Redis SCRIPT FLUSH" => redis(cluster, &["SCRIPT", "FLUSH"]).await,
            "queue deleted" => delete_queues(cluster).await,
            "counter set back" => set_counter_back(cluster).await,
            kind if network::KINDS.contains(&kind) => self.network(&cluster.proxies, kind).await,
            _ => {
                let asked = cluster.projectors[0].client.post("/rebuild", &[], "").await;
                drop(asked); // It may be away, or making one already.
            }
        }
    }

    async fn freeze(
        &mut self,
        cluster: &Cluster,
        of: impl Fn(&Cluster) -> &xtask::servers::Process,
    ) {
        of(cluster).signal("STOP");
        self.pause(500..3_500).await;
        of(cluster).signal("CONT");
    }
}

async fn redis(cluster: &Cluster, command: &[&str]) {
    let client = redis::Client::open(cluster.servers.redis.url()).expect("a valid URL");
    if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
        let mut call = redis::cmd(command[0]);
        command[1..].iter().for_each(|argument| drop(call.arg(*argument).clone()));
        call.query_async::<()>(&mut connection).await.expect("Redis is there");
    }
}

/// Every view queue that a generation names; a worker makes it again, the healer fills the gap.
async fn delete_queues(cluster: &Cluster) {
    let Ok(all) = cluster.projectors[0].client.get("/generations").await else { return };
    let namespace = shared::Namespace::parse(NAMESPACE).expect("a valid name");
    let broker = shared::rabbitmq::RabbitMq::new(&cluster.servers.rabbitmq.url(), &namespace);
    for generation in all["items"].as_array().into_iter().flatten() {
        let queue = format!("{NAMESPACE}.views.{}", generation["id"].as_str().unwrap_or_default());
        drop(broker.delete(&queue).await);
    }
}

async fn set_counter_back(cluster: &Cluster) {
    let client =
        mongodb::Client::with_uri_str(cluster.servers.mongodb.url()).await.expect("a valid URL");
    let control = client.database(NAMESPACE).collection::<mongodb::bson::Document>("control");
    let back = doc! { "$inc": { "last": -50_i64 } };
    drop(control.update_one(doc! { "_id": "position" }, back).await);
}
