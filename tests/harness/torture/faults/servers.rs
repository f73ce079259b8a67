//! Faults of the servers.

use std::time::Duration;

use futures::FutureExt as _;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use rand::RngExt as _;
use redis::AsyncConnectionConfig;

use super::{Cluster, Do, Faults};
use crate::stores::TempDir;
use crate::torture::NAMESPACE;

pub const FAULTS: &[(&str, Do)] = &[
    ("kill -9 MongoDB", |faults, cluster| faults.kill_mongodb(cluster).boxed()),
    ("kill -9 RabbitMQ", |faults, cluster| faults.kill_rabbitmq(cluster).boxed()),
    ("kill -9 Redis", |faults, cluster| faults.kill_redis(cluster).boxed()),
    ("SIGSTOP MongoDB", |faults, cluster| faults.freeze(&cluster.servers.mongodb.process).boxed()),
    ("MongoDB away for a minute", |faults, cluster| faults.without_mongodb(cluster).boxed()),
    ("MongoDB: the counter set back", |_, cluster| set_counter_back(cluster).boxed()),
    ("RabbitMQ: memory alarm", |faults, cluster| faults.alarm(cluster).boxed()),
    ("Redis: FLUSHALL", |_, cluster| redis(cluster, &["FLUSHALL"]).boxed()),
    ("Redis: SCRIPT FLUSH", |_, cluster| redis(cluster, &["SCRIPT", "FLUSH"]).boxed()),
    ("Redis: restart from an older AOF", |faults, cluster| faults.older_redis(cluster).boxed()),
];

const MINUTE: Duration = Duration::from_secs(60);

impl Faults {
    async fn kill_mongodb(&mut self, cluster: &mut Cluster) {
        cluster.servers.mongodb.process.kill();
        self.pause(0..1_500).await;
        cluster.servers.mongodb.restart().expect("MongoDB starts again");
    }

    /// Every kind comes once before any comes again, so this is less than one in fifty.
    async fn without_mongodb(&mut self, cluster: &mut Cluster) {
        let frozen = self.random.random_bool(0.5);
        let process = &cluster.servers.mongodb.process;
        if frozen {
            process.signal("STOP")
        } else {
            process.stop()
        }
        crate::let_pass(MINUTE).await;
        match frozen {
            true => process.signal("CONT"),
            false => cluster.servers.mongodb.restart().expect("MongoDB starts again"),
        }
        let acknowledged = || cluster.shared.known.lock().unwrap().acknowledged();
        let before = acknowledged();
        let more = || async { (acknowledged() > before).then_some(()) };
        if crate::comes(MINUTE, more).await.is_none() {
            self.violations.push("no command is taken a minute after MongoDB was back".to_owned());
        }
    }

    async fn kill_rabbitmq(&mut self, cluster: &mut Cluster) {
        cluster.servers.rabbitmq.process.kill();
        self.pause(0..1_500).await;
        cluster.servers.rabbitmq.restart().expect("RabbitMQ starts again");
    }

    async fn kill_redis(&mut self, cluster: &mut Cluster) {
        cluster.servers.redis.process.kill();
        self.pause(0..1_500).await;
        cluster.servers.redis.restart().expect("Redis starts again");
    }

    async fn older_redis(&mut self, cluster: &mut Cluster) {
        let aside = TempDir::default();
        cluster.servers.redis.copy(&aside.0).expect("a copy");
        self.pause(1_000..5_000).await;
        cluster.servers.redis.restart_from(&aside.0).expect("Redis starts again");
    }

    async fn alarm(&mut self, cluster: &mut Cluster) {
        cluster.servers.rabbitmq.alarm(true).expect("the alarm is raised");
        self.pause(1_000..4_000).await;
        cluster.servers.rabbitmq.alarm(false).expect("the alarm is cleared");
    }
}

/// Redis answers late where the campaign has much to do, or shares its machine with tests.
const REDIS_TIMEOUT: Duration = Duration::from_secs(30);

async fn redis(cluster: &Cluster, command: &[&str]) {
    let client = redis::Client::open(cluster.servers.redis.url()).expect("a valid URL");
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(REDIS_TIMEOUT))
        .set_response_timeout(Some(REDIS_TIMEOUT));
    if let Ok(mut connection) = client.get_multiplexed_async_connection_with_config(&config).await {
        let mut call = redis::cmd(command[0]);
        command[1..].iter().for_each(|argument| drop(call.arg(*argument).clone()));
        call.query_async::<()>(&mut connection).await.expect("Redis is there");
    }
}

/// Where the next position is kept.
pub(super) async fn control(cluster: &Cluster) -> Collection<Document> {
    let client = mongodb::Client::with_uri_str(cluster.servers.mongodb.url()).await;
    client.expect("a valid URL").database(NAMESPACE).collection("control")
}

async fn set_counter_back(cluster: &Cluster) {
    let back = doc! { "$inc": { "last": -50_i64 } };
    drop(control(cluster).await.update_one(doc! { "_id": "position" }, back).await);
}
