//! JSON Web Tokens of an identity provider (RFC 7519, RFC 9068): signed by a key of a set that a file
//! holds (RFC 7517), with an algorithm that is configured and that fits the key. What is read of the
//! token's own header is which of the keys it names, and nothing else that decides (RFC 8725).

mod claims;
mod keys;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use lru::LruCache;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub use self::claims::Claims;
use self::keys::Keys;
use super::{Denied, Principal};
use crate::service::config::{Settings, duration};

/// Bytes of the longest token that is looked at.
const MAX_TOKEN: usize = 8 << 10;
/// Tokens whose signatures were found to be good: a signature takes some 100 µs, which clients that
/// show the same token again need not wait for.
const CACHED: usize = 1_000;

/// What is configured of it.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_JWKS_FILE`: the keys of the provider.
    pub keys: PathBuf,
    /// `WAYBILL_JWT_ISSUER`: the claim `iss`.
    pub issuer: String,
    /// `WAYBILL_JWT_AUDIENCE`: one of the claim `aud`.
    pub audience: String,
    /// `WAYBILL_JWT_ALGORITHMS`.
    pub algorithms: Vec<Algorithm>,
    /// `WAYBILL_JWT_LEEWAY`: how far the clocks may differ.
    pub leeway: Duration,
    /// Which claims say what a principal may do.
    pub claims: Claims,
}

impl Config {
    /// Reads the variables, those of the file of keys aside.
    pub(crate) fn read(settings: &mut Settings, keys: PathBuf) -> Option<Self> {
        use Algorithm::{ES256, EdDSA, RS256};
        let text = |value: &str| match value {
            "" => Err("expected the name of a claim".to_owned()),
            _ => Ok(value.to_owned()),
        };
        Some(Self {
            keys,
            issuer: settings.needed("WAYBILL_JWT_ISSUER", "https://id.example.com"),
            audience: settings.needed("WAYBILL_JWT_AUDIENCE", "waybill"),
            algorithms: settings.or(
                "WAYBILL_JWT_ALGORITHMS",
                vec![RS256, ES256, EdDSA],
                algorithms,
            ),
            leeway: settings.or("WAYBILL_JWT_LEEWAY", Duration::from_secs(30), leeway),
            claims: Claims {
                roles: settings.or("WAYBILL_JWT_ROLES_CLAIM", "roles".to_owned(), text),
                prefix: settings
                    .or("WAYBILL_JWT_ROLES_PREFIX", String::new(), |prefix| Ok(prefix.to_owned())),
                owner: settings.or("WAYBILL_JWT_OWNER_CLAIM", None, |name| text(name).map(Some)),
            },
        })
    }

    /// The file of keys.
    pub fn keys(&self) -> &Path {
        &self.keys
    }
}

fn leeway(text: &str) -> Result<Duration, String> {
    let most = Duration::from_secs(300);
    let read = duration(text)?;
    if read <= most { Ok(read) } else { Err(format!("expected up to 5m, got {text:?}")) }
}

/// The algorithms that may be configured: those with a public key.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Reads the names of algorithms, separated by commas.
fn algorithms(text: &str) -> Result<Vec<Algorithm>, String> {
    let one = |name: &str| {
        let read = name.trim().parse().ok().filter(|algorithm| ALGORITHMS.contains(algorithm));
        let known = || {
            let names: Vec<String> = ALGORITHMS.iter().map(|it| format!("{it:?}")).collect();
            names.join(", ")
        };
        read.ok_or_else(|| format!("expected some of {}, got {text:?}", known()))
    };
    text.split(',').map(one).collect()
}

/// Finds out whose a token is, by one set of keys.
pub struct Verifier {
    config: Config,
    keys: Keys,
    cache: Mutex<LruCache<[u8; 32], Arc<Principal>>>,
}

impl Verifier {
    /// Reads the keys; says why they can't be used.
    pub fn read(config: &Config, path: &Path) -> Result<Self, String> {
        let keys = Keys::read(path, &config.algorithms)?;
        let size = std::num::NonZeroUsize::new(CACHED).unwrap_or(std::num::NonZeroUsize::MIN);
        Ok(Self { config: config.clone(), keys, cache: Mutex::new(LruCache::new(size)) })
    }

    /// Whose token it is.
    pub fn find(&self, token: &str) -> Result<Arc<Principal>, Denied> {
        if token.len() > MAX_TOKEN {
            return Err(Denied::Invalid);
        }
        // Of the whole token, its signature included.
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.cache().get(&digest).cloned();
        let principal = match known {
            Some(known) => known,
            None => {
                let principal = Arc::new(self.verify(token)?);
                self.cache().put(digest, principal.clone());
                principal
            }
        };
        match principal.expires {
            Some(expires) if expires <= kernel::Timestamp::now() => Err(Denied::Expired),
            _ => Ok(principal),
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, LruCache<[u8; 32], Arc<Principal>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verify(&self, token: &str) -> Result<Principal, Denied> {
        let header = decode_header(token).map_err(|_| Denied::Invalid)?;
        // An extension that has to be understood is none that is known here (RFC 7515, section 4.1.11);
        // and a token of another kind, such as one of a logout, is no access token.
        let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        let is_access = ["jwt", "at+jwt", "application/at+jwt"].contains(&kind.as_str());
        if header.crit.is_some() || !is_access {
            return Err(Denied::Invalid);
        }
        let (key, algorithms) =
            self.keys.find(header.kid.as_deref(), header.alg).ok_or(Denied::Invalid)?;
        let mut validation = Validation::new(header.alg);
        validation.algorithms = algorithms.to_vec();
        validation.leeway = self.config.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded = decode::<Map<String, Value>>(token, key, &validation);
        let decoded = decoded.map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Denied::Expired,
            _ => Denied::Invalid,
        })?;
        let principal = self.config.claims.principal(&decoded.claims, self.config.leeway);
        principal.map_err(|why| {
            tracing::debug!(why, "a signed token is refused");
            Denied::Invalid
        })
    }
}
