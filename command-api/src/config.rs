//! Configuration of command-api.

use std::net::SocketAddr;
use std::path::PathBuf;

use kernel::Namespace;
use shared::auth;
use shared::endpoint::{self, Endpoint};
use shared::http::{Hosts, ListenerOptions, Origins};
use shared::service::config::{Invalid, Settings};

use crate::write::FlowControl;

/// What command-api is told by its environment: see `docs/reference/configuration.md`.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_MONGODB_URL` and its files: the log.
    pub mongodb: Endpoint,
    /// `WAYBILL_RABBITMQ_URL` and its files: where the log is relayed to.
    pub rabbitmq: Endpoint,
    /// `WAYBILL_MAX_LAG` and `WAYBILL_MAX_HOLD`.
    pub flow_control: FlowControl,
    /// `WAYBILL_EVENTS_PER_MESSAGE`: 1 to 64.
    pub events_per_message: usize,
    /// `WAYBILL_COMMAND_LISTEN`.
    pub listen: SocketAddr,
    /// `WAYBILL_TLS_CERT_FILE` and the like: who gets in.
    pub listener: ListenerOptions,
    /// `WAYBILL_ADDRESS_FILE`.
    pub address_file: Option<PathBuf>,
    /// `WAYBILL_NAMESPACE`.
    pub namespace: Namespace,
    /// `WAYBILL_HOSTS`.
    pub hosts: Hosts,
    /// `WAYBILL_CORS_ORIGINS`: pages of these origins may read what the service answers.
    pub cors_origins: Origins,
    /// `WAYBILL_CORS_WRITE_ORIGINS`: pages of these origins may send commands, too.
    pub cors_write_origins: Origins,
    /// `WAYBILL_TOKENS_FILE`: whose tokens are taken.
    pub auth: auth::Config,
}

impl Config {
    /// The configuration, and the filter of `WAYBILL_LOG`.
    pub fn read(mut settings: Settings) -> Result<(Self, String), Invalid> {
        let config = Self {
            mongodb: settings.endpoint(&endpoint::MONGODB),
            rabbitmq: settings.endpoint(&endpoint::RABBITMQ),
            flow_control: FlowControl::read(&mut settings),
            events_per_message: settings.or("WAYBILL_EVENTS_PER_MESSAGE", 64, |value| match value
                .parse()
            {
                Ok(events) if (1..=64).contains(&events) => Ok(events),
                _ => Err(format!("expected an integer from 1 to 64, got {value:?}")),
            }),
            listen: settings.listen("WAYBILL_COMMAND_LISTEN", ([127, 0, 0, 1], 8080).into()),
            listener: settings.listener_options(),
            address_file: settings.address_file(),
            namespace: settings.namespace(),
            hosts: settings.hosts(),
            cors_origins: settings.cors_origins(),
            cors_write_origins: settings.cors_write_origins(),
            auth: settings.auth(),
        };
        let filter = settings.log_filter("info");
        settings.finish((config, filter))
    }
}
