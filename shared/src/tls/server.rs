//! The server's side: a certificate that is replaced when its files change.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::pem::{Identity, read_file};
use crate::service::metrics::{Gauge, Metric};
use crate::service::vital::caught;

static READABLE: Gauge = Gauge::new(
    "waybill_tls_certificate_readable",
    "1 while the files of the TLS certificate are in use as they are; 0 while they can't be used and the last good ones are, or without TLS.",
);
static EXPIRES: Gauge = Gauge::new(
    "waybill_tls_certificate_expires_timestamp_seconds",
    "When the TLS certificate that clients are shown ends, or one of a CA that is sent with it if that ends sooner, in seconds since 1970; 0 without TLS.",
);
/// What is told of the certificate of the listeners, which all of a process share.
pub(crate) static METRICS: [&dyn Metric; 2] = [&READABLE, &EXPIRES];

/// Between two looks at the files.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// The files of a certificate and its key, and what was in them when they were last good. Clones share
/// it. Versions 1.2 and 1.3 of TLS; HTTP/1.1 alone.
#[derive(Clone)]
pub struct ServerTls {
    files: Files,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    /// What is in use, until a task watches the files: what changes before that is seen, too.
    unwatched: Arc<Mutex<Option<Contents>>>,
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What was read of both files.
type Contents = Result<(Vec<u8>, Vec<u8>), String>;

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.files).finish()
    }
}

impl ServerTls {
    /// Reads the files, in PEM: the certificate, those of intermediate CAs behind it, and the key.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, String> {
        let files = Files { certificate, key };
        let read = files.contents();
        let current = Arc::new(Current(RwLock::new(made(read.clone())?)));
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A client that comes back is spared the costly part of the handshake.
        config.ticketer = ring::Ticketer::new().map_err(|error| error.to_string())?;
        let unwatched = Arc::new(Mutex::new(Some(read)));
        Ok(Self { files, current, config: Arc::new(config), unwatched })
    }

    /// Looks at the files from now on until `stop`; one task does that for all clones.
    pub(crate) fn start(&self, stop: &CancellationToken) -> TlsAcceptor {
        let read = self.unwatched.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(read) = read {
            READABLE.set_to(true);
            tell_end(&self.current.0.read().unwrap_or_else(PoisonError::into_inner));
            tokio::spawn(self.clone().keep_current(read, stop.clone()));
        }
        TlsAcceptor::from(self.config.clone())
    }

    /// Looks at the files now and then for what is not as it was `seen`. New connections get what is new in
    /// them; what is broken is told once, and the last good ones stay.
    async fn keep_current(self, mut seen: Contents, stop: CancellationToken) {
        let mut doubted = None;
        while stop.run_until_cancelled(tokio::time::sleep(CHECK_INTERVAL)).await.is_some() {
            let found = self.contents().await;
            if found == seen {
                doubted = None;
                continue;
            }
            match caught(|| made(found.clone()).inspect(|new| tell_end(new))) {
                Ok(new) => {
                    READABLE.set_to(true);
                    *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = new;
                    tracing::info!("a new TLS certificate is used from now on");
                    seen = found;
                }
                // One of two files may be written already. It is told when it stays so.
                Err(_) if doubted.as_ref() != Some(&found) => doubted = Some(found),
                Err(why) => {
                    READABLE.set_to(false);
                    tracing::error!(%why, "the new TLS certificate can't be used; the last one stays");
                    seen = found;
                }
            }
        }
    }

    async fn contents(&self) -> Contents {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || files.contents()).await;
        read.unwrap_or_else(|error| Err(error.to_string()))
    }
}

impl Files {
    fn contents(&self) -> Contents {
        Ok((read_file(&self.certificate)?, read_file(&self.key)?))
    }
}

/// The first end of those that are shown: a client that knows no other way to its CA takes none of a chain
/// once one of its certificates has ended.
fn tell_end(shown: &CertifiedKey) {
    let ends = shown.cert.iter().filter_map(|certificate| {
        let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
        Some(read.validity().not_after.timestamp())
    });
    #[expect(clippy::cast_precision_loss, reason = "seconds fit")]
    EXPIRES.set(ends.min().unwrap_or(0) as f64);
}

fn made(contents: Contents) -> Result<Arc<CertifiedKey>, String> {
    let (certificates, key) = contents?;
    let identity = Identity::new(certificates, key);
    let (certificates, key) = (identity.certificates()?, identity.key()?);
    let made = CertifiedKey::from_der(certificates, key, &ring::default_provider());
    made.map(Arc::new).map_err(|error| format!("the certificate and its key: {error}"))
}
