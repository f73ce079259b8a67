//! Configuration of command-api.

use std::net::SocketAddr;
use std::path::PathBuf;

use kernel::Namespace;
use secrecy::SecretString;
use shared::auth;
use shared::http::{Hosts, Origins};
use shared::service::config::{Invalid, Settings};

use crate::write::FlowControl;

/// What command-api is told by its environment: see `docs/reference/configuration.md`.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_MONGODB_URL`: the log.
    pub mongodb_url: SecretString,
    /// `WAYBILL_RABBITMQ_URL`: where the log is relayed to.
    pub rabbitmq_url: SecretString,
    /// `WAYBILL_MAX_LAG` and `WAYBILL_MAX_HOLD`.
    pub flow_control: FlowControl,
    /// `WAYBILL_EVENTS_PER_MESSAGE`: 1 to 64.
    pub events_per_message: usize,
    /// `WAYBILL_COMMAND_LISTEN`.
    pub listen: SocketAddr,
    /// `WAYBILL_ADDRESS_FILE`.
    pub address_file: Option<PathBuf>,
    /// `WAYBILL_NAMESPACE`.
    pub namespace: Namespace,
    /// `WAYBILL_HOSTS`.
    pub hosts: Hosts,
    /// `WAYBILL_CORS_ORIGINS`: pages of these origins may read what the service answers.
    pub cors_origins: Origins,
    /// `WAYBILL_TOKENS_FILE`: whose tokens are taken.
    pub auth: auth::Config,
}

impl Config {
    /// The configuration, and the filter of `WAYBILL_LOG`.
    pub fn read(mut settings: Settings) -> Result<(Self, String), Invalid> {
        let config = Self {
            mongodb_url: settings.url(
                "WAYBILL_MONGODB_URL",
                &["mongodb"],
                "mongodb://127.0.0.1:27017/?replicaSet=rs0",
            ),
            rabbitmq_url: settings.url(
                "WAYBILL_RABBITMQ_URL",
                &["amqp"],
                "amqp://guest:guest@127.0.0.1:5672/%2f",
            ),
            flow_control: FlowControl::read(&mut settings),
            events_per_message: settings.or("WAYBILL_EVENTS_PER_MESSAGE", 64, |value| match value
                .parse()
            {
                Ok(events) if (1..=64).contains(&events) => Ok(events),
                _ => Err(format!("expected an integer from 1 to 64, got {value:?}")),
            }),
            listen: settings.listen("WAYBILL_COMMAND_LISTEN", ([127, 0, 0, 1], 8080).into()),
            address_file: settings.address_file(),
            namespace: settings.namespace(),
            hosts: settings.hosts(),
            cors_origins: settings.cors_origins(),
            auth: settings.auth(),
        };
        let filter = settings.log_filter("info");
        settings.finish((config, filter))
    }
}
