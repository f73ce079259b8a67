//! Private servers: each on a port of 127.0.0.1 that is reserved for it, with its data under one temporary folder.
//! They end with the program that started them; the next run clears away what a killed one left.

mod certificates;
mod folder;
mod mongodb;
mod port;
mod postgresql;
mod process;
mod rabbitmq;
mod redis;
mod wire;

use std::thread;

pub use self::certificates::{Certificates, Pair};
pub use self::folder::Folder;
pub use self::mongodb::MongoDb;
pub use self::port::Port;
pub use self::postgresql::PostgreSql;
pub use self::process::Process;
pub use self::rabbitmq::RabbitMq;
pub use self::redis::Redis;
use crate::Result;

/// One of each.
pub struct Servers {
    pub mongodb: MongoDb,
    pub rabbitmq: RabbitMq,
    pub redis: Redis,
    _folder: Folder,
}

impl Servers {
    /// Starts all three side by side.
    pub fn start() -> Result<Self> {
        Self::start_with(None)
    }

    /// The same, where they speak TLS alone and ask their clients for a certificate of this CA.
    pub fn start_with_tls(certificates: &Certificates) -> Result<Self> {
        Self::start_with(Some(certificates))
    }

    fn start_with(tls: Option<&Certificates>) -> Result<Self> {
        let folder = Folder::new()?;
        thread::scope(|scope| {
            let rabbitmq = scope.spawn(|| RabbitMq::start_with(&folder.path("rabbitmq")?, tls));
            let mongodb = scope.spawn(|| MongoDb::start_with(&folder.path("mongodb")?, tls));
            let redis = scope.spawn(|| Redis::start_with(&folder.path("redis")?, tls));
            Ok((joined(mongodb)?, joined(rabbitmq)?, joined(redis)?))
        })
        .map(|(mongodb, rabbitmq, redis)| Self {
            mongodb,
            rabbitmq,
            redis,
            _folder: folder,
        })
    }

    /// The variables that tell services where the servers are.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("WAYBILL_MONGODB_URL", self.mongodb.url()),
            ("WAYBILL_RABBITMQ_URL", self.rabbitmq.url()),
            ("WAYBILL_REDIS_URL", self.redis.url()),
        ]
    }
}

fn joined<T>(handle: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    handle.join().map_err(|_| "starting a server panicked".to_owned())?
}
