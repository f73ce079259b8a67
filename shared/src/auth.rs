//! Who may do what: principals, and the credentials that they show.
//!
//! A credential is a bearer token (RFC 6750): one whose digest a file holds, or a JWT of an identity
//! provider, whose keys a file or a URL holds. Files are read again when they change and the URL is asked
//! now and then, so tokens and keys come and go without a restart. Without either every client is
//! anonymous, and may do everything.

#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(not(feature = "jwt"))]
#[path = "auth/no_jwt.rs"]
pub mod jwt;
mod key_source;
pub mod principal;
pub mod token;
pub mod token_file;
mod token_table;
mod watched;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::{OptionFuture, join};
use kernel::{Failure, Result};
use tokio_util::sync::CancellationToken;

pub use self::key_source::{KeySource, RemoteKeys};
pub use self::principal::{Caller, Principal, Role, Roles};
use self::token::Token;
use self::token_file::TokenFile;
use self::token_table::TokenTable;
use self::watched::Watched;
use crate::http::rate::Rate;
use crate::service::config::Settings;
use crate::service::health::Health;
use crate::service::metrics::{self, Counter, Gauge};
use crate::service::vital::restarting;

/// `WAYBILL_TOKENS_FILE`.
pub(crate) const TOKENS_FILE: &str = "WAYBILL_TOKENS_FILE";
pub(crate) use self::key_source::FILE as JWKS_FILE;
/// With any of these clients are asked who they are.
pub(crate) const ASKS: [&str; 4] =
    [TOKENS_FILE, key_source::FILE, key_source::URL, "WAYBILL_JWKS_URL_FILE"];
/// `WAYBILL_RATE_PER_PRINCIPAL`.
const RATE: &str = "WAYBILL_RATE_PER_PRINCIPAL";
/// The name under which it is told that reading them again ended by a fault.
const HEALTH_PART: &str = "credentials";
const SIGN_IN_FAILURES: &str = "WAYBILL_SIGN_IN_FAILURES";
/// Credentials of one address that may fail in a minute, unless `WAYBILL_SIGN_IN_FAILURES` says otherwise.
const FAILURES: NonZeroU32 = match NonZeroU32::new(10) {
    Some(ten) => ten,
    None => NonZeroU32::MIN,
};

static CREDENTIALS: Counter = Counter::by(
    "waybill_credentials_total",
    "Credentials of requests that need one, and of sign-ins, by what came of them.",
    &["outcome"],
    &["accepted", "missing", "invalid", "expired", "revoked", "forbidden", "unavailable"],
);
static TOKENS_CONFIGURED: Gauge =
    Gauge::new("waybill_tokens_file_configured", "1 where a file of tokens is configured, else 0.");
static TOKENS_READABLE: Gauge = Gauge::new(
    "waybill_tokens_file_readable",
    "1 while the file of tokens is in use as it is; 0 while it can't be used and the last good one is, or without one.",
);
static TOKENS: Gauge =
    Gauge::new("waybill_tokens", "Tokens in the file, whether or not they are valid.");

static KEYS_READABLE: Gauge = Gauge::new(
    "waybill_jwks_readable",
    "The same of the keys of an identity provider, in their file or at their URL.",
);
static KEYS: Gauge = Gauge::new(
    "waybill_jwks_keys",
    "Keys of an identity provider that are in use, of a file or of a URL; 0 without them, and until the first were fetched.",
);
static KEYS_FETCHED: Gauge = Gauge::new(
    "waybill_jwks_fetched_timestamp_seconds",
    "When the keys of an identity provider were last fetched from their URL, in seconds since 1970; 0 without one.",
);

/// What is configured of it.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_TOKENS_FILE`.
    pub tokens: Option<PathBuf>,
    /// `WAYBILL_JWKS_FILE` or `WAYBILL_JWKS_URL`, and what goes with it.
    pub jwt: Option<jwt::Config>,
    /// `WAYBILL_RATE_PER_PRINCIPAL`: requests of one principal to a listener; further ones are answered
    /// 429. Without it there is no limit.
    pub rate: Option<Rate>,
    /// `WAYBILL_SIGN_IN_FAILURES`: sign-ins and unknown JWTs of one address that fail; further ones that
    /// fail are answered 429, and further unknown JWTs are not checked. `None` is no limit.
    pub sign_in_failures: Option<Rate>,
}

/// No client is asked who it is.
impl Default for Config {
    fn default() -> Self {
        let sign_in_failures = Some(Rate::per_minute(FAILURES));
        Self { tokens: None, jwt: None, rate: None, sign_in_failures }
    }
}

impl Config {
    /// Reads the variables.
    pub(crate) fn read(settings: &mut Settings) -> Self {
        let tokens = settings.or(TOKENS_FILE, None, file);
        let keys = KeySource::read(settings);
        let rate = settings.or(RATE, None, |value| Rate::parse(value).map(Some));
        if rate.is_some() && tokens.is_none() && keys.is_none() {
            settings.wrong(
                RATE,
                &format!("expected {TOKENS_FILE} or {JWKS_FILE} too: without, all are anonymous"),
            );
        }
        let failures = |value: &str| match value {
            "off" => Ok(None),
            rate => Rate::parse(rate).map(Some),
        };
        let default = Self::default().sign_in_failures;
        let sign_in_failures = settings.or(SIGN_IN_FAILURES, default, failures);
        let jwt = keys.and_then(|keys| jwt::Config::read(settings, keys));
        Self { tokens, jwt, rate, sign_in_failures }
    }
}

fn file(value: &str) -> std::result::Result<Option<PathBuf>, String> {
    match value {
        "" => Err("expected the name of a file".to_owned()),
        _ => Ok(Some(PathBuf::from(value))),
    }
}

/// Why a credential is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It is none, or of no token that there is.
    Invalid,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
    /// It may be one: the keys of the identity provider were not fetched yet.
    Unavailable,
    /// It may be one: too many others are being checked.
    Busy,
}

impl Denied {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Unavailable | Self::Busy => "unavailable",
        }
    }
}

/// Whose a credential is.
pub(crate) type Found = std::result::Result<Arc<Principal>, Denied>;
/// For the check of a signature; it is over when this is dropped.
type Turn = tokio::sync::OwnedSemaphorePermit;

/// Finds out whose a credential is.
pub struct Authenticator {
    tokens: Option<Watched<TokenTable>>,
    jwt: Option<jwt::Keyring>,
    rate: Option<Rate>,
    sign_in_failures: Option<Rate>,
}

impl Authenticator {
    /// Reads what is configured, and reads it again whenever it changes, until `stop`. `None` where
    /// nothing is: then every client is anonymous. A file that can't be used is a permanent failure; keys
    /// of a URL are waited for, as `health` says.
    pub fn start(
        config: &Config,
        health: &Health,
        stop: &CancellationToken,
    ) -> Result<Option<Arc<Self>>> {
        metrics::tell_of(&[&CREDENTIALS, &TOKENS_CONFIGURED, &TOKENS_READABLE, &TOKENS]);
        metrics::tell_of(&[&KEYS_READABLE, &KEYS, &KEYS_FETCHED]);
        if config.tokens.is_none() && config.jwt.is_none() {
            return Ok(None);
        }
        let tokens = config.tokens.as_ref().map(|path| {
            TOKENS_CONFIGURED.set_to(true);
            let file = Watched::read(path, Arc::new(read_tokens), &TOKENS_READABLE);
            file.map_err(|why| Failure::permanent(&format!("reading {TOKENS_FILE}"), why))
        });
        let jwt = config.jwt.as_ref().map(|config| jwt::Keyring::new(config, health));
        let authenticator = Arc::new(Self {
            tokens: tokens.transpose()?,
            jwt: jwt.transpose()?,
            rate: config.rate,
            sign_in_failures: config.sign_in_failures,
        });
        tokio::spawn(authenticator.clone().follow(health.clone(), stop.clone()));
        Ok(Some(authenticator))
    }

    async fn follow(self: Arc<Self>, health: Health, stop: CancellationToken) {
        let follow = || async {
            let tokens = OptionFuture::from(self.tokens.as_ref().map(Watched::follow));
            let keys = OptionFuture::from(self.jwt.as_ref().map(jwt::Keyring::follow));
            stop.run_until_cancelled(join(tokens, keys)).await;
        };
        restarting(&health, HEALTH_PART, follow).await;
    }

    /// How often a principal may ask.
    pub(crate) fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// How often credentials of an address may fail.
    pub(crate) fn sign_in_failures(&self) -> Option<Rate> {
        self.sign_in_failures
    }

    /// Whose credential it is, where that takes no check of a signature; else the keyring that can check it.
    pub(crate) fn look(&self, credential: &str) -> std::result::Result<Found, &jwt::Keyring> {
        if let Some(token) = Token::parse(credential) {
            let tokens = self.tokens.as_ref();
            return Ok(tokens.ok_or(Denied::Invalid).and_then(|it| it.current().find(&token)));
        }
        match &self.jwt {
            Some(keys) => keys.look(credential).ok_or(keys),
            None => Ok(Err(Denied::Invalid)),
        }
    }

    /// Whose credential it is; a signature is checked in its turn.
    pub(crate) async fn find(&self, credential: &str) -> Found {
        match self.look(credential) {
            Ok(found) => found,
            Err(keys) => keys.check(credential, keys.turn().await?, || {}).await,
        }
    }

    /// Which keys are in use for JWTs: others have another number. None where there are none.
    pub(crate) fn keys(&self) -> Option<u64> {
        self.jwt.as_ref().and_then(jwt::Keyring::number)
    }

    /// Counts what came of a credential.
    pub(crate) fn count(outcome: &str) {
        CREDENTIALS.add_to(outcome, 1);
    }
}

fn read_tokens(path: &Path) -> std::result::Result<TokenTable, String> {
    let file = TokenFile::read(path)?;
    TOKENS.set(f64::from(u32::try_from(file.tokens.len()).unwrap_or(u32::MAX)));
    Ok(TokenTable::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::config::Invalid;

    fn read(pairs: &[(&str, &str)]) -> std::result::Result<Config, Vec<String>> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut settings = Settings::from_map(pairs);
        let config = settings.auth();
        settings.finish(config).map_err(|Invalid(problems)| problems)
    }

    #[test]
    fn a_rate_of_principals_needs_principals() {
        let (rate, tokens) = ((RATE, "100/s"), (TOKENS_FILE, "tokens.json"));
        let told = read(&[rate, tokens]).unwrap().rate.unwrap().to_string();
        assert_eq!(told, "100 requests per second");
        for wrong in [&[rate][..], &[tokens, (RATE, "fast")]] {
            let problems = read(wrong).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(RATE), "{problems:?}");
        }
    }

    #[test]
    fn failed_sign_ins_are_limited_unless_told_otherwise() {
        let told = |pairs: &[(&str, &str)]| {
            let rate = read(pairs).unwrap().sign_in_failures;
            rate.map(|rate| rate.to_string())
        };
        assert_eq!(told(&[]).as_deref(), Some("10 requests per minute"));
        assert_eq!(told(&[(SIGN_IN_FAILURES, "1/s")]).as_deref(), Some("1 request per second"));
        assert_eq!(told(&[(SIGN_IN_FAILURES, "off")]), None);
        let problems = read(&[(SIGN_IN_FAILURES, "few")]).unwrap_err();
        assert!(problems.len() == 1 && problems[0].starts_with(SIGN_IN_FAILURES), "{problems:?}");
    }
}
