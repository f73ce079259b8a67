//! Where the servers are: their URLs, and files for TLS.

use crate::endpoint::{Endpoint, Kind};
use crate::tls::{ClientTls, Identity, read_file};

use super::Settings;

impl Settings {
    /// A server, which has to be named. No message repeats its URL, which may hold a password, and
    /// `Debug` does not print it.
    pub fn endpoint(&mut self, kind: &Kind) -> Endpoint {
        self.endpoint_if_set(kind).unwrap_or_else(|| {
            let (prefix, example) = (kind.prefix, kind.example);
            self.problem(format!("{prefix}_URL is missing: set it, such as {example}"));
            Endpoint::from("")
        })
    }

    /// A server that need not be named.
    pub fn endpoint_if_set(&mut self, kind: &Kind) -> Option<Endpoint> {
        let name = format!("{}_URL", kind.prefix);
        let url = self.variables.get(&name)?.clone();
        let tls = self.client_tls(kind);
        if !kind.schemes.iter().any(|scheme| url.starts_with(&format!("{scheme}://"))) {
            let (schemes, example) = (kind.schemes.join(":// or "), kind.example);
            self.problem(format!(
                "{name}: expected a URL that starts with {schemes}://, such as {example}"
            ));
        } else if tls.is_some() && !kind.asks_for_tls(&url) {
            let (prefix, expected) = (kind.prefix, kind.tls);
            self.problem(format!(
                "{name} does not ask for TLS, which {prefix}_CA_FILE and {prefix}_CERT_FILE are \
                 for: expected {expected}"
            ));
        }
        Some(Endpoint::new(url.into(), tls))
    }

    /// From `…_CA_FILE`, `…_CERT_FILE` and `…_KEY_FILE`, where any of them is set.
    fn client_tls(&mut self, kind: &Kind) -> Option<ClientTls> {
        let [ca, certificate, key] =
            ["CA", "CERT", "KEY"].map(|what| format!("{}_{what}_FILE", kind.prefix));
        let content = self.content(&ca);
        let identity = self.identity(&certificate, &key);
        if content.is_none() && identity.is_none() {
            return None;
        }
        // First without the identity: so it is known what an error is about.
        let trusted = ClientTls::new(content.clone(), None);
        if let Err(why) = trusted {
            self.problem(format!("{ca}: {why}"));
            return None;
        }
        let made = ClientTls::new(content, identity);
        made.map_err(|why| self.problem(format!("{certificate} and {key}: {why}"))).ok()
    }

    /// A certificate and its key, in files that come together.
    pub(super) fn identity(&mut self, certificate: &str, key: &str) -> Option<Identity> {
        let is_set = |name| self.variables.contains_key(name);
        if is_set(certificate) != is_set(key) {
            self.problem(format!("{certificate} and {key}: expected both of them, or none"));
            return None;
        }
        let (certificates, key) = (self.content(certificate), self.content(key));
        Some(Identity::new(certificates?, key?))
    }

    /// What is in the file that a variable names.
    fn content(&mut self, name: &str) -> Option<Vec<u8>> {
        let read = read_file(self.variables.get(name)?.as_ref());
        read.map_err(|why| self.problem(format!("{name}: {why}"))).ok()
    }
}
