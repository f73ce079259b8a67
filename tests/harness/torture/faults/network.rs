//! Faults of the network between the services and their servers.

use rand::RngExt as _;

use super::Faults;
use crate::proxy::Proxies;

pub const KINDS: [&str; 8] = [
    "connections cut (MongoDB)",
    "connections cut (RabbitMQ)",
    "connections cut (Redis)",
    "connections stalled (MongoDB)",
    "connections stalled (RabbitMQ)",
    "connections stalled (Redis)",
    "answers withheld (MongoDB)",
    "confirms withheld (RabbitMQ)",
];

impl Faults {
    /// What was held back arrives late, or never.
    pub(super) async fn network(&mut self, proxies: &Proxies, kind: &str) {
        let proxy = match kind {
            kind if kind.ends_with("(MongoDB)") => &proxies.mongodb,
            kind if kind.ends_with("(RabbitMQ)") => &proxies.rabbitmq,
            _ => &proxies.redis,
        };
        match kind {
            kind if kind.starts_with("connections cut") => return proxy.cut(),
            kind if kind.starts_with("connections stalled") => proxy.stall(),
            _ => proxy.withhold(),
        }
        self.pause(500..4_000).await;
        if self.random.random_bool(0.5) {
            proxy.cut();
        }
        proxy.resume();
    }
}
