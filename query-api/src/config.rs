//! Configuration of query-api.

use std::net::SocketAddr;
use std::path::PathBuf;

use kernel::Namespace;
use secrecy::SecretString;
use shared::auth;
use shared::http::Hosts;
use shared::service::config::{Invalid, Settings};

use crate::dashboard::Links;

/// What query-api is told by its environment: see `docs/reference/configuration.md`.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_REDIS_URL`: the views.
    pub redis_url: SecretString,
    /// `WAYBILL_QUERY_LISTEN`.
    pub listen: SocketAddr,
    /// `WAYBILL_ADDRESS_FILE`.
    pub address_file: Option<PathBuf>,
    /// `WAYBILL_NAMESPACE`.
    pub namespace: Namespace,
    /// `WAYBILL_HOSTS`.
    pub hosts: Hosts,
    /// `WAYBILL_COMMAND_URL` and `WAYBILL_PROJECTOR_URL`: what the dashboard asks besides this service.
    pub links: Links,
    /// `WAYBILL_TOKENS_FILE`: whose tokens are taken.
    pub auth: auth::Config,
}

impl Config {
    /// The configuration, and the filter of `WAYBILL_LOG`.
    pub fn read(mut settings: Settings) -> Result<(Self, String), Invalid> {
        let config = Self {
            redis_url: settings.url("WAYBILL_REDIS_URL", &["redis"], "redis://127.0.0.1:6379/"),
            listen: settings.listen("WAYBILL_QUERY_LISTEN", ([127, 0, 0, 1], 8081).into()),
            address_file: settings.address_file(),
            namespace: settings.namespace(),
            hosts: settings.hosts(),
            links: Links::read(&mut settings),
            auth: settings.auth(),
        };
        let filter = settings.log_filter("info");
        settings.finish((config, filter))
    }
}
