//! Configuration of query-api.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kernel::Namespace;
use shared::auth;
use shared::endpoint::{self, Endpoint};
use shared::http::{Hosts, ListenerOptions, Origins};
use shared::service::config::{Invalid, Settings};

use crate::dashboard::Links;
use crate::freshness::Freshness;

/// What query-api is told by its environment: see `docs/reference/configuration.md`.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_REDIS_URL` and its files: the views.
    pub redis: Endpoint,
    /// `WAYBILL_QUERY_LISTEN`.
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
    /// `WAYBILL_READY_MAX_LAG`: beyond it the service is not ready.
    pub ready_max_lag: Option<Duration>,
    /// `WAYBILL_COMMAND_URL` and `WAYBILL_PROJECTOR_URL`: what the dashboard asks besides this service.
    pub links: Links,
    /// `WAYBILL_TOKENS_FILE`: whose tokens are taken.
    pub auth: auth::Config,
}

impl Config {
    /// The configuration, and the filter of `WAYBILL_LOG`.
    pub fn read(mut settings: Settings) -> Result<(Self, String), Invalid> {
        let config = Self {
            redis: settings.endpoint(&endpoint::REDIS),
            listen: settings.listen("WAYBILL_QUERY_LISTEN", ([127, 0, 0, 1], 8081).into()),
            listener: settings.listener_options(),
            address_file: settings.address_file(),
            namespace: settings.namespace(),
            hosts: settings.hosts(),
            cors_origins: settings.cors_origins(),
            ready_max_lag: Freshness::read(&mut settings),
            links: Links::read(&mut settings),
            auth: settings.auth(),
        };
        let filter = settings.log_filter("info");
        settings.finish((config, filter))
    }
}
