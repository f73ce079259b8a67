//! Configuration of the projector.

use std::net::SocketAddr;
use std::path::PathBuf;

use kernel::Namespace;
use secrecy::SecretString;
use shared::http::Hosts;
use shared::service::config::{Invalid, Settings};

#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_MONGODB_URL`: the log, for gaps and for making views.
    pub mongodb_url: SecretString,
    /// `WAYBILL_RABBITMQ_URL`: where events come from.
    pub rabbitmq_url: SecretString,
    /// `WAYBILL_REDIS_URL`: the views.
    pub redis_url: SecretString,
    /// `WAYBILL_PROJECTOR_LISTEN`.
    pub listen: SocketAddr,
    /// `WAYBILL_ADDRESS_FILE`.
    pub address_file: Option<PathBuf>,
    /// `WAYBILL_NAMESPACE`.
    pub namespace: Namespace,
    /// `WAYBILL_HOSTS`.
    pub hosts: Hosts,
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
            redis_url: settings.url("WAYBILL_REDIS_URL", &["redis"], "redis://127.0.0.1:6379/"),
            listen: settings.listen("WAYBILL_PROJECTOR_LISTEN", ([127, 0, 0, 1], 8082).into()),
            address_file: settings.address_file(),
            namespace: settings.namespace(),
            hosts: settings.hosts(),
        };
        let filter = settings.log_filter("info");
        settings.finish((config, filter))
    }
}
