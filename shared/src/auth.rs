//! Who may do what: principals, and the credentials that they show.
//!
//! A credential is a bearer token (RFC 6750) whose digest a file holds. The file is read again when it
//! changes, so tokens come and go without a restart. Without a file every client is anonymous, and may
//! do everything.

pub mod principal;
pub mod token;
pub mod token_file;
mod watched;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::{Failure, Result};
use tokio_util::sync::CancellationToken;

pub use self::principal::{Caller, Principal, Role, Roles};
use self::token::Token;
use self::token_file::{TokenFile, TokenTable};
use self::watched::Watched;
use crate::service::metrics::{self, Counter, Gauge};

/// `WAYBILL_TOKENS_FILE`.
pub(crate) const TOKENS_FILE: &str = "WAYBILL_TOKENS_FILE";

static CREDENTIALS: Counter = Counter::by(
    "waybill_credentials_total",
    "Credentials of requests that need one, by what came of them.",
    &["outcome"],
    &["accepted", "missing", "invalid", "expired", "revoked", "forbidden"],
);
static TOKENS_READABLE: Gauge = Gauge::new(
    "waybill_tokens_file_readable",
    "1 while the file of tokens is in use as it is; 0 while it can't be used and the last good one is, or without one.",
);
static TOKENS: Gauge =
    Gauge::new("waybill_tokens", "Tokens in the file, whether or not they are valid.");

/// What is configured of it.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `WAYBILL_TOKENS_FILE`.
    pub tokens: Option<PathBuf>,
}

impl Config {
    /// Whether clients are asked who they are.
    pub fn is_configured(&self) -> bool {
        self.tokens.is_some()
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
}

impl Denied {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Finds out whose a credential is.
pub struct Authenticator {
    tokens: Watched<TokenTable>,
}

impl Authenticator {
    /// Reads what is configured, and reads it again whenever it changes, until `stop`. `None` where
    /// nothing is: then every client is anonymous. A file that can't be used is a permanent failure.
    pub fn start(config: &Config, stop: &CancellationToken) -> Result<Option<Arc<Self>>> {
        metrics::tell_of(&[&CREDENTIALS, &TOKENS_READABLE, &TOKENS]);
        let Some(path) = &config.tokens else { return Ok(None) };
        let tokens = Watched::read(path, read_tokens, &TOKENS_READABLE)
            .map_err(|why| Failure::permanent(&format!("reading {TOKENS_FILE}"), why))?;
        let authenticator = Arc::new(Self { tokens });
        tokio::spawn(authenticator.clone().follow(stop.clone()));
        Ok(Some(authenticator))
    }

    async fn follow(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(self.tokens.follow()).await;
    }

    /// Whose credential it is.
    pub(crate) fn principal(
        &self,
        credential: &str,
    ) -> std::result::Result<Arc<Principal>, Denied> {
        let token = Token::parse(credential).ok_or(Denied::Invalid)?;
        self.tokens.current().find(&token)
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
