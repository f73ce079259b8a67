//! How events travel: each as a CloudEvent, through RabbitMQ; and what arrived and is no event.

pub mod cloud_event;
pub mod dead_letter;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
