//! Where a server is, and how it is reached.

use std::fmt;

use kernel::Failure;
use secrecy::{ExposeSecret as _, SecretString};

use crate::tls::ClientTls;

/// A kind of server, with the variables that say where it is.
#[derive(Debug)]
pub struct Kind {
    /// Its name in messages.
    pub name: &'static str,
    /// What the names of its variables begin with.
    pub prefix: &'static str,
    /// A URL of it.
    pub example: &'static str,
    /// How its URL begins.
    pub schemes: &'static [&'static str],
    /// How its URL asks for TLS.
    pub tls: &'static str,
}

/// The log.
pub const MONGODB: Kind = Kind {
    name: "MongoDB",
    prefix: "WAYBILL_MONGODB",
    example: "mongodb://127.0.0.1:27017/?replicaSet=rs0",
    schemes: &["mongodb"],
    tls: "mongodb://…?tls=true",
};

/// The exchange and its queues.
pub const RABBITMQ: Kind = Kind {
    name: "RabbitMQ",
    prefix: "WAYBILL_RABBITMQ",
    example: "amqp://guest:guest@127.0.0.1:5672/%2f",
    schemes: &["amqp", "amqps"],
    tls: "amqps://…",
};

/// The views.
pub const REDIS: Kind = Kind {
    name: "Redis",
    prefix: "WAYBILL_REDIS",
    example: "redis://127.0.0.1:6379/",
    schemes: &["redis", "rediss"],
    tls: "rediss://…",
};

/// The keys of an identity provider.
pub const JWKS: Kind = Kind {
    name: "the identity provider",
    prefix: "WAYBILL_JWKS",
    example: "https://id.example.com/.well-known/jwks.json",
    schemes: &["https", "http"],
    tls: "https://…",
};

/// What an error of a connection says, and what it comes of; `{}` is the prefix of the variables.
const CAUSES: [(&str, &str); 11] = [
    ("UnknownIssuer", "its certificate is of no CA that is trusted; see {}_CA_FILE"),
    ("CaUsedAsEndEntity", "its certificate is that of a CA, which is for signing alone"),
    ("NotValidForName", "its certificate is for other names than the host in {}_URL"),
    ("not valid for name", "its certificate is for other names than the host in {}_URL"),
    ("CertificateRequired", "it asks for a client certificate; see {}_CERT_FILE and {}_KEY_FILE"),
    ("HandshakeFailure", "it may ask for a client certificate; see {}_CERT_FILE and {}_KEY_FILE"),
    ("UnknownCA", "it does not trust the CA of the certificate in {}_CERT_FILE"),
    ("BadCertificate", "it does not accept the certificate in {}_CERT_FILE"),
    ("close_notify", "it may ask for a client certificate; see {}_CERT_FILE and {}_KEY_FILE"),
    ("Connection reset", "it may ask for a client certificate; see {}_CERT_FILE and {}_KEY_FILE"),
    ("InvalidContentType", "what answers there does not speak TLS"),
];

/// What a connection without TLS says when it is cut off at its start.
const CUT_OFF: [&str; 3] = ["unexpected end of file", "Parsing Error", "Connection reset"];

impl Kind {
    /// Whether this URL asks for TLS.
    pub fn asks_for_tls(&self, url: &str) -> bool {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        let mut options = query.split('&');
        match scheme {
            "mongodb" => options.any(|option| matches!(option, "tls=true" | "ssl=true")),
            scheme => matches!(scheme, "amqps" | "rediss" | "https"),
        }
    }
}

/// A server's URL, which may hold a password, and what TLS needs. `Debug` prints no secret.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: SecretString,
    tls: Option<ClientTls>,
}

impl Endpoint {
    /// Without `tls` a URL that asks for TLS gets what `ClientTls` has by default.
    pub fn new(url: SecretString, tls: Option<ClientTls>) -> Self {
        Self { url, tls }
    }

    /// The URL, password and all: for the client library alone.
    pub fn expose_url(&self) -> &str {
        self.url.expose_secret()
    }

    /// What TLS needs, where the URL asks for it.
    pub fn tls(&self, kind: &Kind) -> Option<ClientTls> {
        if !kind.asks_for_tls(self.expose_url()) {
            return None;
        }
        Some(self.tls.clone().unwrap_or_default())
    }

    /// A failure to connect, with what it comes of where TLS is the reason.
    pub fn explained(&self, kind: &Kind, failure: Failure) -> Failure {
        let text = failure.to_string();
        let is_told = |(says, cause): &(&str, &'static str)| text.contains(says).then_some(*cause);
        let cause = match kind.asks_for_tls(self.expose_url()) {
            true => CAUSES.iter().find_map(is_told).map(|cause| cause.replace("{}", kind.prefix)),
            false => CUT_OFF.iter().any(|says| text.contains(says)).then(|| {
                let (prefix, tls) = (kind.prefix, kind.tls);
                format!("the server may expect TLS: {prefix}_URL asks for it as {tls}")
            }),
        };
        match cause {
            Some(cause) => failure.because(cause),
            None => failure,
        }
    }
}

impl<T: AsRef<str> + ?Sized> From<&T> for Endpoint {
    fn from(url: &T) -> Self {
        Self::new(url.as_ref().into(), None)
    }
}

impl From<&Endpoint> for Endpoint {
    fn from(endpoint: &Endpoint) -> Self {
        endpoint.clone()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
