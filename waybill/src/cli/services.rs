//! The options that name the services.

use clap::Args;

use super::trust;
use crate::client::Client;

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

fn client(given: Option<&String>, variable: &str, default: &str) -> Client {
    let from_environment = || {
        let listens = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
        let scheme = if trust::expects_tls() { "https" } else { "http" };
        format!("{scheme}://{listens}")
    };
    trust::client(&given.cloned().unwrap_or_else(from_environment))
}

/// One client for each address that was given, or one for the default address.
fn clients(given: &[String], variable: &str, default: &str) -> Vec<Client> {
    match given {
        [] => vec![client(None, variable, default)],
        all => all.iter().map(|url| trust::client(url)).collect(),
    }
}

const COMMAND_API: (&str, &str) = ("WAYBILL_COMMAND_LISTEN", "127.0.0.1:8080");
const QUERY_API: (&str, &str) = ("WAYBILL_QUERY_LISTEN", "127.0.0.1:8081");
const PROJECTOR: (&str, &str) = ("WAYBILL_PROJECTOR_LISTEN", "127.0.0.1:8082");

/// `--command-api`.
#[derive(Debug, Args)]
pub struct CommandApi {
    /// Where command-api is [default: http:// or https://, and WAYBILL_COMMAND_LISTEN or 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL", value_parser = url, help_heading = "Services")]
    command_api: Option<String>,
}

impl CommandApi {
    pub fn client(&self) -> Client {
        client(self.command_api.as_ref(), COMMAND_API.0, COMMAND_API.1)
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
    pub fn client(&self) -> Client {
        client(self.query_api.as_ref(), QUERY_API.0, QUERY_API.1)
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
    pub fn client(&self) -> Client {
        client(self.projector.as_ref(), PROJECTOR.0, PROJECTOR.1)
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
    pub fn command_apis(&self) -> Vec<Client> {
        clients(&self.command_api, COMMAND_API.0, COMMAND_API.1)
    }

    pub fn query_apis(&self) -> Vec<Client> {
        clients(&self.query_api, QUERY_API.0, QUERY_API.1)
    }

    pub fn projectors(&self) -> Vec<Client> {
        clients(&self.projector, PROJECTOR.0, PROJECTOR.1)
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
