//! The names under which clients may call a service.
//!
//! A page may have its own name resolved to 127.0.0.1 while it is open in a browser. Its requests
//! then are of the same origin, and only the name in `Host` tells them from those of this machine.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::Authority;
use http::{HeaderMap, Uri, header};

use crate::http::problem::Problem;

/// `localhost`, any IP address, and the names that were configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hosts(BTreeSet<String>);

impl Hosts {
    /// Reads `WAYBILL_HOSTS`: names, separated by commas.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = |name: &str| {
            let name = name.trim().to_ascii_lowercase();
            let valid = name.len() <= 253 && name.split('.').all(is_label);
            valid.then_some(name).ok_or_else(|| {
                format!(
                    "expected names without port, such as shop.example.com,waybill, got {text:?}"
                )
            })
        };
        Ok(Self(text.split(',').map(name).collect::<Result<_, _>>()?))
    }

    /// Refuses a request that calls the service by another name (RFC 9110, section 15.5.20).
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let mut given = headers.get_all(header::HOST).into_iter();
        let host = given.next().filter(|_| given.next().is_none());
        let host: Option<Authority> = host.and_then(|host| host.to_str().ok()?.parse().ok());
        let allowed = |authority: &Authority| self.allow(authority);
        if host.as_ref().is_some_and(allowed) && uri.authority().is_none_or(allowed) {
            return Ok(());
        }
        Err(Problem::misdirected(
            "Expected localhost, an IP address, or a name of WAYBILL_HOSTS as the Host.",
        ))
    }

    fn allow(&self, authority: &Authority) -> bool {
        let host = authority.host().to_ascii_lowercase();
        let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_address = match v6 {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
            None => host.parse::<Ipv4Addr>().is_ok(),
        };
        let named = host == "localhost" || self.0.contains(&host);
        !authority.as_str().contains('@') && (is_address || named)
    }
}

/// A part of a name. (Names of containers may have underscores.)
fn is_label(label: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &Hosts, uri: &str, given: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for host in given {
            headers.append(header::HOST, host.parse().unwrap());
        }
        hosts.check(&uri.parse().unwrap(), &headers).map_or_else(|problem| problem.status, |()| 200)
    }

    #[test]
    fn a_service_is_called_by_its_names_alone() {
        let hosts = Hosts::parse("orders.example.com, Command-API,a_b").unwrap();
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "10.0.0.7",
            "[::1]:8080",
            "[fe80::1]",
            "orders.example.com",
            "Orders.Example.com:443",
            "command-api:8080",
            "a_b",
        ] {
            assert_eq!(status(&hosts, "/orders", &[host]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "example.com",
            "x.orders.example.com",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "",
            "evil.example@localhost",
            "1.2.3",
            "127.0.0.1:x:y",
            "[::1",
            "localhost/",
            "localhost.",
        ] {
            assert_eq!(status(&hosts, "/orders", &[host]), 421, "{host}");
        }
        assert_eq!(status(&hosts, "/orders", &[]), 421);
        assert_eq!(status(&hosts, "/orders", &["localhost", "localhost"]), 421);
        assert_eq!(status(&hosts, "http://evil.example/orders", &["localhost"]), 421);
        assert_eq!(status(&hosts, "http://localhost/orders", &["localhost"]), 200);
        assert_eq!(status(&Hosts::default(), "/", &["orders.example.com"]), 421);
    }

    #[test]
    fn names_are_validated() {
        for bad in ["", ",", "a,", "a:80", "http://a", "a b", "ä", "*", "a..b", ".a", "a.", "[::1]"]
        {
            assert!(Hosts::parse(bad).is_err(), "{bad}");
        }
        assert!(Hosts::parse(&"a".repeat(64)).is_err());
        assert_eq!(Hosts::parse(" A ,b").unwrap(), Hosts::parse("a,b").unwrap());
    }
}
