//! A build without the feature `jwt`, which takes tokens of the file alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Denied, JWKS_FILE, Principal};
use crate::service::config::Settings;

/// There is none.
#[derive(Debug, Clone)]
pub enum Config {}

impl Config {
    /// Says that there is none.
    pub fn read(settings: &mut Settings, _keys: PathBuf) -> Option<Self> {
        let why = "this build takes no JWTs; one with the features `servers` does";
        settings.wrong(JWKS_FILE, why);
        None
    }

    /// The file of keys.
    pub fn keys(&self) -> &Path {
        match *self {}
    }
}

/// There is none.
pub enum Verifier {}

impl Verifier {
    /// Of a configuration that there can't be.
    pub fn read(config: &Config, _path: &Path) -> Result<Self, String> {
        match *config {}
    }

    /// Of a verifier that there can't be.
    pub fn find(&self, _token: &str) -> Result<Arc<Principal>, Denied> {
        match *self {}
    }
}
