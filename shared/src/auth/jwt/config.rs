//! What is configured of the tokens of an identity provider.

use std::time::Duration;

use jsonwebtoken::Algorithm;

use super::Claims;
use crate::auth::KeySource;
use crate::service::config::{Settings, duration};

/// What is configured of it.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_JWKS_FILE` or `WAYBILL_JWKS_URL`: the keys of the provider.
    pub keys: KeySource,
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
    /// Reads the variables, those of the keys aside.
    pub(crate) fn read(settings: &mut Settings, keys: KeySource) -> Option<Self> {
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
