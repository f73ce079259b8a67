//! Connecting, with TLS where the URL asks for it.

use kernel::{Failure, Result};
use lapin::runtime::default_runtime;
use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};

use super::{RabbitMq, in_time};
use crate::endpoint::RABBITMQ;

/// A connection that is silent for twice as long is given up, in seconds; the URL may say otherwise.
const HEARTBEAT: u16 = 10;
const WHAT: &str = "connecting to RabbitMQ";

impl RabbitMq {
    /// A connection, on which nothing is declared.
    pub(super) async fn connect_alone(&self, role: &str) -> Result<(Connection, Channel)> {
        let opened = self.open(role).await;
        opened.map_err(|failure| self.endpoint.explained(&RABBITMQ, failure))
    }

    async fn open(&self, role: &str) -> Result<(Connection, Channel)> {
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("{} {role}", self.namespace).into());
        let mut uri = self.uri()?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let connection = match self.connector() {
            None => in_time(WHAT, Connection::connect_uri(uri, properties)).await?,
            Some(connector) => in_time(WHAT, over_tls(uri, properties, connector)).await?,
        };
        let channel = in_time(WHAT, connection.create_channel()).await?;
        Ok((connection, channel))
    }

    pub(super) fn uri(&self) -> Result<AMQPUri> {
        self.endpoint.expose_url().parse().map_err(|error| Failure::permanent(WHAT, error))
    }

    /// `None` where the URL does not ask for TLS.
    fn connector(&self) -> Option<RustlsConnector> {
        let tls = self.endpoint.tls(&RABBITMQ)?;
        Some(RustlsConnector::from(tls.config()))
    }
}

async fn over_tls(
    uri: AMQPUri,
    properties: ConnectionProperties,
    connector: RustlsConnector,
) -> lapin::Result<Connection> {
    Connection::connector(
        uri,
        default_runtime()?,
        async move |uri: AMQPUri, runtime| {
            let (host, port) = (uri.authority.host.clone(), uri.authority.port);
            let address = runtime.to_socket_addrs((host, port));
            let stream = AsyncTcpStream::connect(&runtime, address).await?;
            Ok(stream.into_rustls(&connector, &uri.authority.host).await?)
        },
        properties,
    )
    .await
}
