//! Configuration of the projector.

use std::net::SocketAddr;
use std::path::PathBuf;

use kernel::Namespace;
use secrecy::SecretString;
use shared::auth;
use shared::http::{Hosts, Origins};
use shared::service::config::{Invalid, Settings};

/// What the service reads from its environment, each from the variable that is named with it.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_MONGODB_URL`: the log, for gaps and for making views.
    pub mongodb_url: SecretString,
    /// `WAYBILL_RABBITMQ_URL`: where events come from.
    pub rabbitmq_url: SecretString,
    /// `WAYBILL_REDIS_URL`: the views.
    pub redis_url: SecretString,
    /// `WAYBILL_PROJECTOR_LISTEN`: where operators ask, and probes.
    pub listen: SocketAddr,
    /// `WAYBILL_ADDRESS_FILE`: where the address is written that it listens on.
    pub address_file: Option<PathBuf>,
    /// `WAYBILL_NAMESPACE`: the prefix of all that the system keeps in its servers.
    pub namespace: Namespace,
    /// `WAYBILL_HOSTS`: names under which the service answers.
    pub hosts: Hosts,
    /// `WAYBILL_CORS_ORIGINS`: pages of these origins may ask for whatever operators may.
    pub cors_origins: Origins,
    /// `WAYBILL_TOKENS_FILE`: whose tokens are taken.
    pub auth: auth::Config,
}

impl Config {
    /// The configuration, and the filter of `WAYBILL_LOG`; or everything that is wrong, by variable.
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
            cors_origins: settings.cors_origins(),
            auth: settings.auth(),
        };
        let filter = settings.log_filter("info");
        settings.finish((config, filter))
    }
}
