//! Connecting, and checking the server's settings.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::{Failure, Namespace, Result};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, ClientTlsConfig, IntoConnectionInfo as _, RedisResult, TlsCertificates};

use super::keys::Keys;
use super::scripts::Scripts;
use super::{Redis, failure};
use crate::endpoint::{Endpoint, REDIS};
use crate::tls::ClientTls;

/// How long Redis may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that the network lost silently is given up, not waited for.
fn client(url: &str, tls: Option<&ClientTls>) -> RedisResult<Client> {
    let lively = TcpSettings::default();
    #[cfg(target_os = "linux")]
    let lively = lively.set_user_timeout(ANSWER_TIMEOUT);
    let info = url.into_connection_info()?.set_tcp_settings(lively);
    match tls {
        Some(tls) => Client::build_with_tls(info, certificates(tls)),
        None => Client::open(info),
    }
}

fn certificates(tls: &ClientTls) -> TlsCertificates {
    let client_tls = tls.identity().map(|identity| ClientTlsConfig {
        client_cert: identity.certificates_pem().to_vec(),
        client_key: identity.key_pem().to_vec(),
    });
    TlsCertificates { client_tls, root_cert: tls.ca().map(<[u8]>::to_vec) }
}

impl Redis {
    /// Connects, and checks that the server will not evict what it is told to keep.
    pub async fn connect(endpoint: impl Into<Endpoint>, namespace: &Namespace) -> Result<Self> {
        let store = Self::connect_to_any(&endpoint.into(), namespace).await?;
        store.check().await?;
        Ok(store)
    }

    /// Connects to a server with any settings.
    pub(super) async fn connect_to_any(endpoint: &Endpoint, namespace: &Namespace) -> Result<Self> {
        let what = "connecting to Redis";
        let tls = endpoint.tls(&REDIS);
        let client = client(endpoint.expose_url(), tls.as_ref()).map_err(failure(what))?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(500))
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let connection = ConnectionManager::new_with_config(client.clone(), config)
            .await
            .map_err(failure(what))
            .map_err(|failure| endpoint.explained(&REDIS, failure))?;
        let (keys, scripts) = (Keys::new(namespace), Scripts::new().into());
        Ok(Self { client, connection, keys, scripts })
    }

    async fn check(&self) -> Result<()> {
        let what = "checking the settings of Redis";
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg("maxmemory-policy");
        let settings: BTreeMap<String, String> = match ask
            .query_async(&mut self.connection.clone())
            .await
        {
            Ok(settings) => settings,
            Err(error) if error.is_io_error() => return Err(failure(what)(error)),
            Err(error) => {
                tracing::warn!(%error, "Redis does not tell its settings; make sure that its maxmemory-policy is noeviction");
                return Ok(());
            }
        };
        match settings.get("maxmemory-policy").map(String::as_str) {
            None | Some("noeviction") => Ok(()),
            Some(policy) => Err(Failure::permanent(
                what,
                format!(
                    "its maxmemory-policy is {policy}, so it may drop parts of the views; run \
                 `CONFIG SET maxmemory-policy noeviction` and set it in redis.conf too"
                ),
            )),
        }
    }
}
