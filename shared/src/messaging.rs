//! How events travel: each as a CloudEvent, through RabbitMQ; and what arrived and is no event.

pub mod asyncapi;
pub mod cloud_event;
pub mod dead_letter;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;

#[cfg(feature = "rabbitmq")]
pub(crate) use self::rabbitmq::LOG_FILTER;
/// Without a broker's library there is nothing that it could log.
#[cfg(not(feature = "rabbitmq"))]
pub(crate) const LOG_FILTER: &str = "";

/// The fanout exchange that carries every event of a system.
pub fn exchange(namespace: &kernel::Namespace) -> String {
    format!("{namespace}.events")
}
