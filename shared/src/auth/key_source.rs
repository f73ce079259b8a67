//! Where the keys of an identity provider are.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;

use crate::endpoint::{self, Endpoint};
use crate::service::config::{Settings, duration};

/// `WAYBILL_JWKS_FILE`.
pub(crate) const FILE: &str = "WAYBILL_JWKS_FILE";
/// `WAYBILL_JWKS_URL`; `WAYBILL_JWKS_URL_FILE` names a file that holds it.
pub(crate) const URL: &str = "WAYBILL_JWKS_URL";
const INTERVAL: &str = "WAYBILL_JWKS_INTERVAL";

/// Between two fetches, unless `WAYBILL_JWKS_INTERVAL` says otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);
/// Between two fetches at least, whatever tokens name.
const EARLY: Duration = Duration::from_secs(30);

/// A file, or the provider's own address.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// `WAYBILL_JWKS_FILE`: a JWK set.
    File(PathBuf),
    /// `WAYBILL_JWKS_URL`: where the provider serves it.
    Url(RemoteKeys),
}

/// Keys that are fetched.
#[derive(Debug, Clone)]
pub struct RemoteKeys {
    /// `WAYBILL_JWKS_URL`, with what TLS needs.
    pub endpoint: Endpoint,
    /// `WAYBILL_JWKS_INTERVAL`: from one fetch to the next.
    pub interval: Duration,
    /// The same at least, when a token names a key that is not known, and after a fetch that failed.
    pub early: Duration,
}

impl KeySource {
    /// Reads the variables; `None` where no keys are named.
    pub(super) fn read(settings: &mut Settings) -> Option<Self> {
        let file = settings.or(FILE, None, super::file);
        let url = settings.endpoint_if_set(&endpoint::JWKS);
        if file.is_some() && url.is_some() {
            settings.wrong(URL, &format!("expected it or {FILE}, not both"));
        }
        let Some(endpoint) = url else { return file.map(Self::File) };
        if let Err(why) = check(endpoint.expose_url()) {
            settings.wrong(URL, why);
        }
        let interval = settings.or(INTERVAL, DEFAULT_INTERVAL, interval);
        Some(Self::Url(RemoteKeys { endpoint, interval, early: EARLY.min(interval) }))
    }

    /// The variable that names it.
    #[cfg(not(feature = "jwt"))]
    pub(super) fn variable(&self) -> &'static str {
        match self {
            Self::File(_) => FILE,
            Self::Url(_) => URL,
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let read = duration(text)?;
    let fits = (10..=86_400).contains(&read.as_secs());
    fits.then_some(read).ok_or_else(|| format!("expected from 10s to 1440m, got {text:?}"))
}

/// Who can change the keys on their way can make tokens. (Another scheme was told already.)
fn check(url: &str) -> Result<(), &'static str> {
    if !endpoint::JWKS.schemes.iter().any(|scheme| url.starts_with(&format!("{scheme}://"))) {
        return Ok(());
    }
    let uri: Uri = url.parse().map_err(|_| "expected a URL")?;
    let authority = uri.authority().ok_or("expected a URL with a host")?;
    if authority.as_str().contains('@') {
        return Err("expected a URL without a user: the keys are public");
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    match uri.scheme() == Some(&Scheme::HTTP) && !is_local {
        true => Err("expected https://; http:// is for loopback addresses alone"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::config::Invalid;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<KeySource>, Vec<String>> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut settings = Settings::from_map(pairs);
        let source = KeySource::read(&mut settings);
        settings.finish(source).map_err(|Invalid(problems)| problems)
    }

    #[test]
    fn a_url_is_of_https_or_of_this_machine() {
        for good in [
            "https://id.example.com/jwks.json",
            "http://127.0.0.1:8000/jwks",
            "http://[::1]/jwks",
            "http://localhost/jwks",
        ] {
            let Ok(Some(KeySource::Url(url))) = read(&[(URL, good)]) else { panic!("{good}") };
            assert_eq!(url.endpoint.expose_url(), good);
            assert_eq!((url.interval, url.early), (DEFAULT_INTERVAL, EARLY));
        }
        for bad in [
            "http://id.example.com/jwks.json",
            "http://localhost.example.com/",
            "http://127.0.0.1@evil.example/",
            "https://user:sesame@id.example.com/",
            "https://",
            "file:///keys",
            "id.example.com",
            "",
        ] {
            let problems = read(&[(URL, bad)]).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(URL), "{bad}: {problems:?}");
            assert!(!problems[0].contains("sesame"), "{problems:?}");
        }
    }

    #[test]
    fn keys_have_one_source_and_are_fetched_now_and_then() {
        let url = (URL, "https://id.example.com/jwks.json");
        assert!(read(&[url, (FILE, "keys.json")]).is_err());
        assert!(matches!(read(&[(FILE, "keys.json")]), Ok(Some(KeySource::File(_)))));
        assert!(matches!(read(&[]), Ok(None)));
        let Ok(Some(KeySource::Url(soon))) = read(&[url, (INTERVAL, "10s")]) else { panic!() };
        assert_eq!((soon.interval, soon.early), (Duration::from_secs(10), Duration::from_secs(10)));
        for bad in ["", "9s", "0s", "1441m", "5", "1h"] {
            assert!(read(&[url, (INTERVAL, bad)]).is_err(), "{bad}");
        }
    }
}
