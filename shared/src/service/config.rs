//! Configuration by environment variables. Everything that is wrong or missing is reported at
//! once, by the variable's name; a malformed value is never replaced by a default.

mod endpoints;
mod listeners;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kernel::Namespace;

pub(crate) use self::endpoints::read_secret;
use crate::auth::{self, ASKS, TOKENS_FILE};
use crate::http::cors::origin;
use crate::http::{Hosts, Origins};
use crate::service::telemetry::{FORMAT, JSON, TEXT};
use crate::service::traces;

/// Exit code of a service whose configuration is wrong.
pub(crate) const EXIT_CODE: u8 = 2;

/// Permits a service without authentication to be reached from other machines.
pub(crate) const PUBLIC: &str = "WAYBILL_LISTEN_PUBLICLY";
const PUBLIC_YES: &str = "without-authentication";

/// Reads variables one by one, and remembers what was wrong with them. (No `Debug`: a variable may
/// hold a password.)
pub struct Settings {
    variables: BTreeMap<String, String>,
    problems: Vec<String>,
}

/// All that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub Vec<String>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Invalid {}

impl Settings {
    /// From the environment of this process.
    pub fn from_environment() -> Self {
        Self::from_map(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        }))
    }

    /// From these variables.
    pub fn from_map(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect(), problems: vec![] }
    }

    /// The value of `name`, or `default` when it is not set. After a mistake the default stands
    /// in until `finish` reports it.
    pub fn or<T>(
        &mut self,
        name: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let Some(value) = self.variables.get(name) else { return default };
        parse(value).unwrap_or_else(|problem| {
            self.problems.push(format!("{name}: {problem}"));
            default
        })
    }

    /// Notes something that is wrong; it begins with the variable's name.
    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// How clients show who they are.
    pub fn auth(&mut self) -> auth::Config {
        auth::Config::read(self)
    }

    /// Notes that a variable is wrong.
    pub(crate) fn wrong(&mut self, name: &str, why: &str) {
        self.problems.push(format!("{name}: {why}"));
    }

    /// A text that has to be there.
    #[cfg(feature = "jwt")]
    pub(crate) fn needed(&mut self, name: &str, example: &str) -> String {
        match self.variables.get(name).filter(|value| !value.is_empty()) {
            Some(value) => value.clone(),
            None => {
                self.problems.push(format!("{name} is missing: set it, such as {example}"));
                String::new()
            }
        }
    }

    /// Where to listen: a loopback address, unless clients are asked who they are, or
    /// `WAYBILL_LISTEN_PUBLICLY` permits others.
    pub fn listen(&mut self, name: &str, default: SocketAddr) -> SocketAddr {
        let public = self.or(PUBLIC, false, |value| match value {
            PUBLIC_YES => Ok(true),
            _ => Err(format!("expected {PUBLIC_YES}, or nothing, got {value:?}")),
        });
        let address = self.or(name, default, |value| {
            value.parse().map_err(|_| {
                format!("expected an address and a port, such as {default}, got {value:?}")
            })
        });
        let asks = ASKS.iter().any(|name| self.variables.contains_key(*name));
        if !asks && !public && !address.ip().is_loopback() {
            self.problems.push(format!(
                "{name}: {address} can be reached from elsewhere, and clients are not asked who they \
                 are; use a loopback address, set {TOKENS_FILE}, or set {PUBLIC}={PUBLIC_YES} where \
                 the network keeps strangers out"
            ));
        }
        address
    }

    /// Where to write the addresses that are listened on; nowhere, without it.
    pub fn address_file(&mut self) -> Option<PathBuf> {
        self.or("WAYBILL_ADDRESS_FILE", None, |value| match value {
            "" => Err("expected the name of a file".to_owned()),
            _ => Ok(Some(PathBuf::from(value))),
        })
    }

    /// `WAYBILL_NAMESPACE`, by default `waybill`.
    pub fn namespace(&mut self) -> Namespace {
        self.or("WAYBILL_NAMESPACE", Namespace::default(), Namespace::parse)
    }

    /// The names by which the service may be called, besides `localhost` and addresses.
    pub fn hosts(&mut self) -> Hosts {
        self.or("WAYBILL_HOSTS", Hosts::default(), Hosts::parse)
    }

    /// Origins whose pages may ask the service: those of the dashboard.
    pub fn cors_origins(&mut self) -> Origins {
        self.or("WAYBILL_CORS_ORIGINS", Origins::default(), Origins::parse)
    }

    /// Origins whose pages may send commands.
    pub fn cors_write_origins(&mut self) -> Origins {
        self.or("WAYBILL_CORS_WRITE_ORIGINS", Origins::default(), Origins::parse)
    }

    /// Where browsers reach another service.
    pub fn public_url(&mut self, name: &str) -> Option<String> {
        self.or(name, None, |value| match origin(value) {
            Some(url) => Ok(Some(url)),
            None => Err(format!(
                "expected a URL without path, such as https://shop.example.com, got {value:?}"
            )),
        })
    }

    /// `WAYBILL_LOG`: levels by target, such as `info,command_api=debug`.
    pub fn log_filter(&mut self, default: &str) -> String {
        self.or("WAYBILL_LOG", default.to_owned(), |value| {
            match value.parse::<tracing_subscriber::filter::targets::Targets>() {
                Ok(_) => Ok(value.to_owned()),
                Err(error) => {
                    Err(format!("expected levels such as info,command_api=debug: {error}"))
                }
            }
        })
    }

    /// Hands out what was read, or everything that was wrong; of what every service reads, too.
    pub fn finish<T>(mut self, config: T) -> Result<T, Invalid> {
        self.or(FORMAT, (), |value| match value {
            TEXT | JSON => Ok(()),
            _ => Err(format!("expected {TEXT} or {JSON}, got {value:?}")),
        });
        let mut problems = self.problems;
        problems.extend(traces::problems(|name| self.variables.get(name).cloned()));
        problems.dedup();
        if problems.is_empty() { Ok(config) } else { Err(Invalid(problems)) }
    }
}

/// Reads a time: digits and a unit, `ms`, `s` or `m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a time such as 500ms, 2s or 1m, got {text:?}");
    let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().map_err(|_| expected())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{MONGODB, REDIS};

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::from_map(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())))
    }

    #[test]
    fn everything_wrong_is_reported_at_once_and_by_name() {
        let mut read = settings(&[
            ("WAYBILL_REDIS_URL", "http://:secret@localhost"),
            ("WAYBILL_NAMESPACE", "Ünfit"),
            ("LISTEN", "8080"),
        ]);
        read.endpoint(&MONGODB);
        read.endpoint(&REDIS);
        read.namespace();
        read.listen("LISTEN", SocketAddr::from(([127, 0, 0, 1], 8080)));
        let Invalid(problems) = read.finish(()).expect_err("all four are wrong");
        assert_eq!(problems.len(), 4, "{problems:#?}");
        for (problem, name) in problems.iter().zip([
            "WAYBILL_MONGODB_URL",
            "WAYBILL_REDIS_URL",
            "WAYBILL_NAMESPACE",
            "LISTEN",
        ]) {
            assert!(problem.starts_with(name), "{problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn a_url_is_not_printed() {
        let mut read = settings(&[("WAYBILL_REDIS_URL", "redis://:secret@localhost")]);
        let redis = read.endpoint(&REDIS);
        assert_eq!(redis.expose_url(), "redis://:secret@localhost");
        assert!(!format!("{redis:?}").contains("secret@"), "{redis:?}");
    }

    #[test]
    fn a_public_address_needs_plain_words() {
        let anywhere = ("LISTEN", "0.0.0.0:80");
        let loopback = SocketAddr::from(([127, 0, 0, 1], 80));
        let mut refused = settings(&[anywhere]);
        refused.listen("LISTEN", loopback);
        assert!(refused.finish(()).is_err());
        let mut told = settings(&[anywhere, (PUBLIC, PUBLIC_YES)]);
        assert_eq!(told.listen("LISTEN", loopback).to_string(), "0.0.0.0:80");
        assert!(told.finish(()).is_ok());
        let mut asks = settings(&[anywhere, (TOKENS_FILE, "tokens.json")]);
        asks.listen("LISTEN", loopback);
        assert!(asks.finish(()).is_ok());
    }

    #[test]
    fn times_have_a_unit() {
        let read = [duration("500ms"), duration("2s"), duration("1m"), duration("0s")];
        assert_eq!(read.map(|it| it.unwrap().as_millis()), [500, 2_000, 60_000, 0]);
        for bad in ["", "5", "s", "-1s", "1.5s", "1h", "1 s", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
