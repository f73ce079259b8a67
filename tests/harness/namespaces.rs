//! A namespace of one test's own: database, exchange, queues and keys. Nothing of it stays.

use kernel::Namespace;
use shared::event_store::mongodb::MongoDb;
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

    /// Removes everything; proves on the way that all queues are empty.
    pub async fn remove(self) {
        let (redis, rabbitmq) = (self.redis().await, self.rabbitmq());
        for generation in redis.generations().await.expect("Redis is there") {
            let queue = generation.id.queue(&self.namespace);
            let waiting = rabbitmq.waiting(&queue).await.expect("RabbitMQ is there");
            rabbitmq.delete(&queue).await.expect("RabbitMQ is there");
            assert!(matches!(waiting, None | Some(0)), "{queue} still holds {waiting:?} messages");
        }
        rabbitmq.delete(&rabbitmq.dead_letter_queue()).await.expect("RabbitMQ is there");
        rabbitmq.delete_exchange().await.expect("RabbitMQ is there");
        redis.remove_all().await.expect("Redis is there");
        self.mongodb().await.drop_database().await.expect("MongoDB is there");
    }
}
