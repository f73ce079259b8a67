//! Whose a token is, by one set of keys.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use lru::LruCache;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Config;
use super::keys::{self, Keys};
use crate::auth::{Denied, Principal};

/// Bytes of the longest token that is looked at.
const MAX_TOKEN: usize = 8 << 10;
/// Tokens whose signatures were found to be good: a signature takes some 100 µs, which clients that
/// show the same token again need not wait for.
const CACHED: usize = 1_000;

/// Finds out whose a token is, by one set of keys.
pub struct Verifier {
    /// Tells it from all others.
    number: u64,
    config: Config,
    keys: Keys,
    cache: Mutex<LruCache<[u8; 32], Arc<Principal>>>,
}

impl Verifier {
    /// With the keys of a set in JSON; says why they can't be used.
    pub fn new(config: &Config, set: &[u8]) -> Result<Self, String> {
        let keys = Keys::parse(set, &config.algorithms)?;
        let size = std::num::NonZeroUsize::new(CACHED).unwrap_or(std::num::NonZeroUsize::MIN);
        let (number, cache) = (next_number(), Mutex::new(LruCache::new(size)));
        Ok(Self { number, config: config.clone(), keys, cache })
    }

    /// With the keys of a file.
    pub fn read(config: &Config, path: &Path) -> Result<Self, String> {
        let set = keys::read(path)?;
        Self::new(config, &set).map_err(|why| format!("{}: {why}", path.display()))
    }

    /// Another one has another number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many keys the set has that can be used.
    pub fn number_of_keys(&self) -> usize {
        self.keys.len()
    }

    /// Whether the token names a key that is not in the set: another one may have it.
    pub fn lacks_key_of(&self, token: &str) -> bool {
        let header = (token.len() <= MAX_TOKEN).then(|| decode_header(token).ok()).flatten();
        header.and_then(|header| header.kid).is_some_and(|id| !self.keys.has(&id))
    }

    /// Whose token it is, where that takes no check of its signature: it was found to be good before, or
    /// there is nothing to check it with. Else none.
    pub fn look(&self, token: &str) -> Option<Result<Arc<Principal>, Denied>> {
        if token.len() > MAX_TOKEN {
            return Some(Err(Denied::Invalid));
        }
        let known = self.cache().get(&digest(token)).cloned();
        match known {
            Some(known) => Some(known.in_time()),
            None => self.key_of(token).is_none().then_some(Err(Denied::Invalid)),
        }
    }

    /// Whose token it is.
    pub fn find(&self, token: &str) -> Result<Arc<Principal>, Denied> {
        if let Some(known) = self.look(token) {
            return known;
        }
        let principal = Arc::new(self.verify(token)?);
        self.cache().put(digest(token), principal.clone());
        principal.in_time()
    }

    /// Knows no token any more.
    #[cfg(test)]
    pub fn forget(&self) {
        self.cache().clear();
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, LruCache<[u8; 32], Arc<Principal>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the token says of itself, and the key for it with its algorithms; none where there is none.
    fn key_of(&self, token: &str) -> Option<(Header, &DecodingKey, &[Algorithm])> {
        let header = decode_header(token).ok()?;
        // An extension that has to be understood is none that is known here (RFC 7515, section 4.1.11);
        // and a token of another kind, such as one of a logout, is no access token.
        let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        let is_access = ["jwt", "at+jwt", "application/at+jwt"].contains(&kind.as_str());
        if header.crit.is_some() || !is_access {
            return None;
        }
        let (key, algorithms) = self.keys.find(header.kid.as_deref(), header.alg)?;
        Some((header, key, algorithms))
    }

    fn verify(&self, token: &str) -> Result<Principal, Denied> {
        let (header, key, algorithms) = self.key_of(token).ok_or(Denied::Invalid)?;
        let mut validation = Validation::new(header.alg);
        validation.algorithms = algorithms.to_vec();
        validation.leeway = self.config.leeway.as_secs();
        validation.validate_nbf = true;
        // Whether it has ended is looked at with each use. So one that has is known by its hash, too: a
        // client may show it again and again.
        validation.validate_exp = false;
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded =
            decode::<Map<String, Value>>(token, key, &validation).map_err(|_| Denied::Invalid)?;
        let principal = self.config.claims.principal(&decoded.claims, self.config.leeway);
        principal.map_err(|why| {
            tracing::debug!(why, "a signed token is refused");
            Denied::Invalid
        })
    }
}

fn next_number() -> u64 {
    static LATEST: AtomicU64 = AtomicU64::new(0);
    LATEST.fetch_add(1, Ordering::Relaxed)
}

/// Of the whole token, its signature included.
fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
