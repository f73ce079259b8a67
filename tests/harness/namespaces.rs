//! A namespace of one test's own: database, exchange, queues and keys. Nothing of it stays.

use kernel::Namespace;
use shared::event_store::mongodb::MongoDb;
use shared::messaging::cloud_event::{Decoded, decode};
use shared::messaging::rabbitmq::RabbitMq;
use shared::view_store::ViewStore as _;
use shared::view_store::redis::Redis;
use uuid::Uuid;

use crate::servers;

pub struct Own {
    pub namespace: Namespace,
}

impl Default for Own {
    fn default() -> Self {
        let unique = Uuid::new_v4().simple().to_string();
        let namespace = Namespace::parse(&format!("t{}", &unique[..16])).expect("a valid name");
        Self { namespace }
    }
}

impl Own {
    pub async fn mongodb(&self) -> MongoDb {
        MongoDb::connect(&servers::mongodb(), &self.namespace).await.expect("MongoDB is there")
    }

    pub async fn redis(&self) -> Redis {
        Redis::connect(&servers::redis(), &self.namespace).await.expect("Redis is there")
    }

    pub fn rabbitmq(&self) -> RabbitMq {
        RabbitMq::new(&servers::rabbitmq(), &self.namespace)
    }

    /// Removes everything; proves on the way that nothing waits in the queues but what is in the views. (A worker
    /// that stops gives back the messages that it has not looked at: they may have come again, or the healer was
    /// faster.)
    pub async fn remove(self) {
        let (redis, rabbitmq) = (self.redis().await, self.rabbitmq());
        for generation in redis.generations().await.expect("Redis is there") {
            let queue = generation.id.queue(&self.namespace);
            let waiting = rabbitmq.waiting(&queue).await.expect("RabbitMQ is there");
            if waiting.is_some_and(|waiting| waiting > 0) {
                for message in servers::messages(&queue).await {
                    let Decoded { events, rejected } = decode(&message, &generation.log);
                    assert_eq!(rejected.len(), 0, "{queue} still holds what is no event");
                    for event in events {
                        let view = redis.load(&generation.id, &[&event.stream]).await;
                        let view = view.expect("Redis is there").remove(0);
                        let applied = view.is_some_and(|view| view.version >= event.version);
                        assert!(applied, "{queue} still holds what no view has: {event:?}");
                    }
                }
            }
            rabbitmq.delete(&queue).await.expect("RabbitMQ is there");
        }
        rabbitmq.delete(&rabbitmq.dead_letter_queue()).await.expect("RabbitMQ is there");
        rabbitmq.delete_exchange().await.expect("RabbitMQ is there");
        redis.remove_all().await.expect("Redis is there");
        self.mongodb().await.drop_database().await.expect("MongoDB is there");
    }
}
