//! Configuration of the projector.

use std::net::SocketAddr;
use std::path::PathBuf;

use kernel::Namespace;
use shared::auth;
use shared::endpoint::{self, Endpoint};
use shared::http::{Hosts, ListenerOptions, Origins};
use shared::service::config::{Invalid, Settings};

/// What the service reads from its environment, each from the variable that is named with it.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_MONGODB_URL` and its files: the log, for gaps and for making views.
    pub mongodb: Endpoint,
    /// `WAYBILL_RABBITMQ_URL` and its files: where events come from.
    pub rabbitmq: Endpoint,
    /// `WAYBILL_REDIS_URL` and its files: the views.
    pub redis: Endpoint,
    /// `WAYBILL_PROJECTOR_LISTEN`: where operators ask, and probes.
    pub listen: SocketAddr,
    /// `WAYBILL_TLS_CERT_FILE` and the like: who gets in.
    pub listener: ListenerOptions,
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
            mongodb: settings.endpoint(&endpoint::MONGODB),
            rabbitmq: settings.endpoint(&endpoint::RABBITMQ),
            redis: settings.endpoint(&endpoint::REDIS),
            listen: settings.listen("WAYBILL_PROJECTOR_LISTEN", ([127, 0, 0, 1], 8082).into()),
            listener: settings.listener_options(),
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
