//! JSON Web Tokens of an identity provider (RFC 7519, RFC 9068): signed by a key of a set (RFC 7517) that
//! a file or the provider's own URL holds, with an algorithm that is configured and that fits the key.
//! What is read of the token's own header is which of the keys it names, and nothing else that decides
//! (RFC 8725).

mod claims;
mod config;
mod fetch;
mod keys;
mod remote;
mod verifier;

use std::path::Path;
use std::sync::Arc;

use kernel::{Failure, Result};

pub use self::claims::Claims;
pub use self::config::Config;
use self::remote::Remote;
pub use self::verifier::Verifier;
use super::watched::Watched;
use super::{Denied, Found, JWKS_FILE, KEYS, KEYS_READABLE, KeySource};
use crate::service::health::Health;

/// Tells how many keys are in use from now on.
fn count(verifier: &Verifier) {
    KEYS.set(f64::from(u32::try_from(verifier.number_of_keys()).unwrap_or(u32::MAX)));
}

/// Finds out whose a token is, by the keys that the provider has at the moment.
pub enum Keyring {
    /// Of a file, which is read again when it changes.
    File(Watched<Verifier>),
    /// Of a URL, which is asked again now and then.
    Url(Box<Remote>),
}

impl Keyring {
    /// Reads the file, which has to be there. A URL is asked later: `health` says that its keys are
    /// waited for.
    pub fn new(config: &Config, health: &Health) -> Result<Self> {
        match &config.keys {
            KeySource::File(path) => {
                let config = config.clone();
                let read = move |path: &Path| Verifier::read(&config, path).inspect(count);
                let file = Watched::read(path, Arc::new(read), &KEYS_READABLE);
                let what = format!("reading {JWKS_FILE}");
                Ok(Self::File(file.map_err(|why| Failure::permanent(&what, why))?))
            }
            KeySource::Url(url) => Ok(Self::Url(Remote::new(config, url, health)?.into())),
        }
    }

    /// Keeps the keys as the provider has them.
    pub async fn follow(&self) {
        match self {
            Self::File(file) => file.follow().await,
            Self::Url(url) => url.follow().await,
        }
    }

    fn verifier(&self) -> std::result::Result<Arc<Verifier>, Denied> {
        match self {
            Self::File(file) => Ok(file.current()),
            Self::Url(url) => url.verifier().ok_or(Denied::Unavailable),
        }
    }

    /// Whose token it is, where that takes no check of its signature; else none. One that names a key that
    /// is not known is refused, and makes the next fetch of a URL come early.
    pub fn look(&self, token: &str) -> Option<Found> {
        let verifier = match self.verifier() {
            Ok(verifier) => verifier,
            Err(denied) => return Some(Err(denied)),
        };
        let looked = verifier.look(token);
        if let Self::Url(url) = self
            && looked == Some(Err(Denied::Invalid))
            && verifier.lacks_key_of(token)
        {
            url.want_other_keys();
        }
        looked
    }

    /// Whose token it is. The signature of one that is not known is checked at once.
    pub fn find(&self, token: &str) -> Found {
        self.verifier()?.find(token)
    }
}
