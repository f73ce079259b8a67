//! A build without the feature `jwt`, which takes tokens of the file alone.

use kernel::Result;

use super::{Denied, Found, KeySource, Turn};
use crate::service::config::Settings;
use crate::service::health::Health;

/// There is none.
#[derive(Debug, Clone)]
pub enum Config {}

impl Config {
    /// Says that there is none.
    pub fn read(settings: &mut Settings, keys: KeySource) -> Option<Self> {
        let why = "this build takes no JWTs; one with the features `servers` does";
        settings.wrong(keys.variable(), why);
        None
    }
}

/// There is none.
pub enum Keyring {}

impl Keyring {
    /// Of a configuration that there can't be.
    pub fn new(config: &Config, _health: &Health) -> Result<Self> {
        match *config {}
    }

    /// Of a keyring that there can't be.
    pub async fn follow(&self) {
        match *self {}
    }

    /// Of a keyring that there can't be.
    pub fn look(&self, _token: &str) -> Option<Found> {
        match *self {}
    }

    /// Of a keyring that there can't be.
    pub async fn turn(&self) -> std::result::Result<Turn, Denied> {
        match *self {}
    }

    /// Of a keyring that there can't be.
    pub async fn check(
        &self,
        _token: &str,
        _turn: Turn,
        _in_vain: impl FnOnce() + Send + 'static,
    ) -> Found {
        match *self {}
    }

    /// Of a keyring that there can't be.
    pub fn number(&self) -> Option<u64> {
        match *self {}
    }
}
