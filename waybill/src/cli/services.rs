//! The options that name the services.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use shared::auth::token_file::check_mode;

use super::trust;
use crate::client::{BearerToken, Client};

/// The token itself.
const TOKEN: &str = "WAYBILL_TOKEN";
/// The variable in place of `--token-file`.
const TOKEN_FILE: &str = "WAYBILL_TOKEN_FILE";
/// Bytes of a file with a token.
const MAX_TOKEN: u64 = 16 << 10;

fn url(text: &str) -> Result<String, String> {
    let uri = text.parse::<http::Uri>().ok();
    let is_http = |uri: &http::Uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    };
    match uri.filter(is_http) {
        Some(uri) if uri.query().is_none() => Ok(text.to_owned()),
        _ => {
            Err("expected a URL such as http://127.0.0.1:8080 or https://orders.example.com"
                .to_owned())
        }
    }
}

fn client(
    given: Option<&String>,
    (variable, default): (&str, &str),
    token: &BearerToken,
) -> Client {
    let from_environment = || {
        let listens = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
        let scheme = if trust::expects_tls() { "https" } else { "http" };
        format!("{scheme}://{listens}")
    };
    trust::client(&given.cloned().unwrap_or_else(from_environment)).with_token(token)
}

/// One client for each address that was given, or one for the default address.
fn clients(given: &[String], default: (&str, &str), token: &BearerToken) -> Vec<Client> {
    match given {
        [] => vec![client(None, default, token)],
        all => all.iter().map(|url| trust::client(url).with_token(token)).collect(),
    }
}

const COMMAND_API: (&str, &str) = ("WAYBILL_COMMAND_LISTEN", "127.0.0.1:8080");
const QUERY_API: (&str, &str) = ("WAYBILL_QUERY_LISTEN", "127.0.0.1:8081");
const PROJECTOR: (&str, &str) = ("WAYBILL_PROJECTOR_LISTEN", "127.0.0.1:8082");

/// `--token-file`.
#[derive(Debug, Args)]
pub struct Credential {
    /// A file that holds the token to show to the services [default: the token in WAYBILL_TOKEN, or in the
    /// file that WAYBILL_TOKEN_FILE names]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Services")]
    token_file: Option<PathBuf>,
}

impl Credential {
    /// The token; says why it can't be used. It is no argument, as other users see those of a process.
    pub fn read(&self) -> Result<BearerToken, String> {
        if let Some(file) = &self.token_file {
            return in_file(file);
        }
        match (given(TOKEN), given(TOKEN_FILE)) {
            (None, None) => Ok(BearerToken::default()),
            (Some(_), Some(_)) => {
                Err(format!("{TOKEN} and {TOKEN_FILE}: expected one of them, not both"))
            }
            (Some(token), None) => BearerToken::parse(token.to_string_lossy().trim())
                .map_err(|why| format!("{TOKEN}: {why}")),
            (None, Some(file)) => {
                in_file(Path::new(&file)).map_err(|why| format!("{TOKEN_FILE}: {why}"))
            }
        }
    }
}

/// What a variable says; an empty one says nothing, as what starts a process may pass on what is not set.
fn given(variable: &str) -> Option<OsString> {
    std::env::var_os(variable).filter(|value| !value.is_empty())
}

fn in_file(file: &Path) -> Result<BearerToken, String> {
    let broken = |why: String| format!("{}: {why}", file.display());
    let opened = File::open(file).map_err(|error| broken(error.to_string()))?;
    check_mode(&opened).map_err(broken)?;
    let mut text = String::new();
    let read = opened.take(MAX_TOKEN).read_to_string(&mut text);
    read.map_err(|error| broken(error.to_string()))?;
    match text.trim() {
        "" => Err(broken("expected a token".to_owned())),
        text => BearerToken::parse(text).map_err(broken),
    }
}

/// `--command-api`.
#[derive(Debug, Args)]
pub struct CommandApi {
    /// Where command-api is [default: http:// or https://, and WAYBILL_COMMAND_LISTEN or 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL", value_parser = url, help_heading = "Services")]
    command_api: Option<String>,
}

impl CommandApi {
    pub fn client(&self, token: &BearerToken) -> Client {
        client(self.command_api.as_ref(), COMMAND_API, token)
    }
}

/// `--query-api`.
#[derive(Debug, Args)]
pub struct QueryApi {
    /// Where query-api is [default: http:// or https://, and WAYBILL_QUERY_LISTEN or 127.0.0.1:8081]
    #[arg(long, global = true, value_name = "URL", value_parser = url, help_heading = "Services")]
    query_api: Option<String>,
}

impl QueryApi {
    pub fn client(&self, token: &BearerToken) -> Client {
        client(self.query_api.as_ref(), QUERY_API, token)
    }
}

/// `--projector`.
#[derive(Debug, Args)]
pub struct Projector {
    /// Where any projector is [default: http:// or https://, and WAYBILL_PROJECTOR_LISTEN or 127.0.0.1:8082]
    #[arg(long, global = true, value_name = "URL", value_parser = url, help_heading = "Services")]
    projector: Option<String>,
}

impl Projector {
    pub fn client(&self, token: &BearerToken) -> Client {
        client(self.projector.as_ref(), PROJECTOR, token)
    }
}

/// All services, each of which may have several processes.
#[derive(Debug, Args)]
pub struct All {
    /// Where a command-api is [default: http:// or https://, and WAYBILL_COMMAND_LISTEN or 127.0.0.1:8080];
    /// may be given several times
    #[arg(long, value_name = "URL", value_parser = url, help_heading = "Services")]
    command_api: Vec<String>,
    /// Where a query-api is [default: http:// or https://, and WAYBILL_QUERY_LISTEN or 127.0.0.1:8081]
    #[arg(long, value_name = "URL", value_parser = url, help_heading = "Services")]
    query_api: Vec<String>,
    /// Where a projector is [default: http:// or https://, and WAYBILL_PROJECTOR_LISTEN or 127.0.0.1:8082]
    #[arg(long, value_name = "URL", value_parser = url, help_heading = "Services")]
    projector: Vec<String>,
}

impl All {
    pub fn command_apis(&self, token: &BearerToken) -> Vec<Client> {
        clients(&self.command_api, COMMAND_API, token)
    }

    pub fn query_apis(&self, token: &BearerToken) -> Vec<Client> {
        clients(&self.query_api, QUERY_API, token)
    }

    pub fn projectors(&self, token: &BearerToken) -> Vec<Client> {
        clients(&self.projector, PROJECTOR, token)
    }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn a_service_is_named_by_a_url_of_http() {
        for good in ["http://127.0.0.1:8080", "https://orders.example.com/", "http://[::1]:1"] {
            assert_eq!(url(good).as_deref(), Ok(good));
        }
        for bad in ["", "localhost:8080", "ftp://a", "http://", "http://a?b", "/x", "http://a b"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
