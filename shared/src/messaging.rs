//! How events travel: each as a CloudEvent, through RabbitMQ; and what arrived and is no event.

pub mod asyncapi;
pub mod cloud_event;
pub mod dead_letter;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;

/// The fanout exchange that carries every event of a system.
pub fn exchange(namespace: &kernel::Namespace) -> String {
    format!("{namespace}.events")
}
