//! Where the servers are: their URLs, and files for TLS.

use secrecy::{ExposeSecret as _, SecretString};

use crate::endpoint::{Endpoint, Kind};
use crate::tls::{ClientTls, Identity, read_file};

use super::Settings;

/// The longest secret that is read from a file, in bytes.
const MAX_SECRET: usize = 16 << 10;

/// What is in a file, without the line's end that editors add. No error repeats any of it.
pub(crate) fn read_secret(file: &str) -> Result<SecretString, String> {
    let content = read_file(file.as_ref())?;
    if content.len() > MAX_SECRET {
        return Err(format!("{file}: it has more than {MAX_SECRET} bytes"));
    }
    let text = String::from_utf8(content).map_err(|_| format!("{file}: expected text in UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}

impl Settings {
    /// A server, which has to be named. No message repeats its URL, which may hold a password, and
    /// `Debug` does not print it.
    pub fn endpoint(&mut self, kind: &Kind) -> Endpoint {
        self.endpoint_if_set(kind).unwrap_or_else(|| {
            let (prefix, example) = (kind.prefix, kind.example);
            self.problem(format!(
                "{prefix}_URL is missing: set it, such as {example}, or name a file that holds it in \
                 {prefix}_URL_FILE"
            ));
            Endpoint::from("")
        })
    }

    /// A server that need not be named.
    pub fn endpoint_if_set(&mut self, kind: &Kind) -> Option<Endpoint> {
        let name = format!("{}_URL", kind.prefix);
        let secret = match self.secret(&name)? {
            Ok(secret) => secret,
            Err(problem) => {
                self.problem(problem);
                return Some(Endpoint::from(""));
            }
        };
        let (url, tls) = (secret.expose_secret(), self.client_tls(kind));
        if !kind.schemes.iter().any(|scheme| url.starts_with(&format!("{scheme}://"))) {
            let (schemes, example) = (kind.schemes.join(":// or "), kind.example);
            self.problem(format!(
                "{name}: expected a URL that starts with {schemes}://, such as {example}"
            ));
        } else if tls.is_some() && !kind.asks_for_tls(url) {
            let (prefix, expected) = (kind.prefix, kind.tls);
            self.problem(format!(
                "{name} does not ask for TLS, which {prefix}_CA_FILE and {prefix}_CERT_FILE are \
                 for: expected {expected}"
            ));
        }
        Some(Endpoint::new(secret, tls))
    }

    /// The value of a variable, or what is in the file that `…_FILE` names. No error repeats any of it.
    fn secret(&self, name: &str) -> Option<Result<SecretString, String>> {
        let in_file = format!("{name}_FILE");
        match (self.variables.get(name), self.variables.get(&in_file)) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                Some(Err(format!("{name} and {in_file}: expected one of them, not both")))
            }
            (Some(value), None) => Some(Ok(value.as_str().into())),
            (None, Some(file)) => {
                Some(read_secret(file).map_err(|why| format!("{in_file}: {why}")))
            }
        }
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::endpoint::REDIS;
    use crate::service::config::Invalid;

    /// A file that is removed with this.
    struct File(PathBuf);

    impl File {
        fn of(content: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("waybill-{}", uuid::Uuid::new_v4()));
            std::fs::write(&path, content).unwrap();
            Self(path)
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            drop(std::fs::remove_file(&self.0));
        }
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Option<String>, Vec<String>> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut settings = Settings::from_map(pairs);
        let endpoint = settings.endpoint_if_set(&REDIS);
        let url = endpoint.map(|endpoint| endpoint.expose_url().to_owned());
        settings.finish(url).map_err(|Invalid(problems)| problems)
    }

    #[test]
    fn a_url_may_be_in_a_file() {
        let read_file = |content: &[u8]| {
            let file = File::of(content);
            read(&[("WAYBILL_REDIS_URL_FILE", file.0.to_str().unwrap())])
        };
        let url = "redis://:sesame@host/";
        for end in ["", "\n", "\r\n", "\n\n"] {
            assert_eq!(read_file(format!("{url}{end}").as_bytes()), Ok(Some(url.to_owned())));
        }
        let long = format!("{url}{}", "x".repeat(MAX_SECRET));
        for (content, expected) in [
            (b"".as_slice(), "expected a URL"),
            (b"http://:sesame@host/", "expected a URL"),
            (b"redis://:sesame@host/\xff", "UTF-8"),
            (long.as_bytes(), "more than 16384 bytes"),
        ] {
            let problems = read_file(content).unwrap_err();
            assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:?}");
            assert!(problems[0].starts_with("WAYBILL_REDIS_URL"), "{problems:?}");
            assert!(!problems[0].contains("sesame"), "{problems:?}");
        }
    }

    #[test]
    fn one_of_two_places_holds_a_url() {
        let both =
            [("WAYBILL_REDIS_URL", "redis://:sesame@a/"), ("WAYBILL_REDIS_URL_FILE", "/nowhere")];
        let problems = read(&both).unwrap_err();
        assert_eq!(
            problems,
            ["WAYBILL_REDIS_URL and WAYBILL_REDIS_URL_FILE: expected one of them, not both"]
        );
        let problems = read(&both[1..]).unwrap_err();
        assert!(problems[0].starts_with("WAYBILL_REDIS_URL_FILE: /nowhere: "), "{problems:?}");
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn files_for_tls_need_a_url_that_asks_for_it_and_have_to_be_what_they_are_for() {
        let garbage = File::of(b"no PEM");
        let garbage = garbage.0.to_str().unwrap();
        for (url, name, value, expected) in [
            ("redis://a/", "WAYBILL_REDIS_CA_FILE", garbage, "expected certificates as PEM"),
            ("rediss://a/", "WAYBILL_REDIS_CA_FILE", "/nowhere", "/nowhere"),
            ("rediss://a/", "WAYBILL_REDIS_CERT_FILE", garbage, "expected both of them"),
            ("rediss://a/", "WAYBILL_REDIS_KEY_FILE", garbage, "expected both of them"),
        ] {
            let problems = read(&[("WAYBILL_REDIS_URL", url), (name, value)]).unwrap_err();
            assert!(problems[0].contains(expected), "{problems:?}");
            assert!(problems[0].contains(name), "{problems:?}");
        }
    }
}
