//! The standard variables
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>), and a file in place
//! of the one that holds the key of a collector.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;

use super::{ENDPOINT, TRACES_ENDPOINT};
use crate::service::config::read_secret;

/// What is sent along with the spans, such as a key.
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"];
/// A file that holds it.
const HEADERS_FILE: &str = "OTEL_EXPORTER_OTLP_HEADERS_FILE";
/// The samplers of the specification.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// What is wrong with the standard variables; `variable` looks one up.
pub(crate) fn problems(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut problems = vec![];
    for name in [ENDPOINT, TRACES_ENDPOINT] {
        if let Some(Err(why)) = variable(name).map(|value| endpoint(name, &value)) {
            problems.push(format!("{name}: {why}"));
        }
    }
    if let Err(why) = headers(variable) {
        problems.push(why);
    }
    for name in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] {
        if let Some(value) = variable(name).filter(|value| value != "http/protobuf") {
            problems.push(format!("{name}: expected http/protobuf, got {value:?}"));
        }
    }
    let sampler = variable("OTEL_TRACES_SAMPLER");
    if let Some(value) = sampler.as_ref().filter(|value| !SAMPLERS.contains(&value.as_str())) {
        let known = SAMPLERS.join(", ");
        problems.push(format!("OTEL_TRACES_SAMPLER: expected one of {known}, got {value:?}"));
    }
    let ratio = variable("OTEL_TRACES_SAMPLER_ARG");
    let is_ratio = |text: &String| text.parse().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio));
    if sampler.is_some_and(|sampler| sampler.ends_with("ratio"))
        && !ratio.as_ref().is_some_and(is_ratio)
    {
        problems.push(format!(
            "OTEL_TRACES_SAMPLER_ARG: expected the part of requests to be traced, from 0 to 1, \
             got {ratio:?}"
        ));
    }
    problems
}

/// Says what is wrong with the URL of a collector, without repeating it: it may hold a key.
fn endpoint(name: &str, url: &str) -> Result<(), String> {
    let uri: Option<Uri> = url.parse().ok().filter(|_| url.starts_with("http://"));
    let Some(authority) = uri.as_ref().and_then(Uri::authority) else {
        return Err("expected a URL that starts with http://, such as http://127.0.0.1:4318; a \
                    collector beside the service can send on with TLS"
            .to_owned());
    };
    if authority.as_str().contains('@') {
        return Err(format!(
            "expected a URL without user and password; what the collector asks for is a header, \
             which {HEADERS_FILE} holds"
        ));
    }
    if name == ENDPOINT && url.contains(['?', '#']) {
        return Err(format!("expected a URL without a query; {TRACES_ENDPOINT} may have one"));
    }
    Ok(())
}

/// The headers of the file that is named; none without. No error repeats any of it.
pub(super) fn headers(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<HashMap<String, String>, String> {
    let Some(file) = variable(HEADERS_FILE) else { return Ok(HashMap::new()) };
    if let Some(other) = HEADERS.into_iter().find(|name| variable(name).is_some()) {
        return Err(format!("{other} and {HEADERS_FILE}: expected one of them, not both"));
    }
    let text = read_secret(&file).map_err(|why| format!("{HEADERS_FILE}: {why}"))?;
    let pairs = text.expose_secret().split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let headers: Option<HashMap<String, String>> = pairs.map(header).collect();
    headers.filter(|headers| !headers.is_empty()).ok_or_else(|| {
        format!("{HEADERS_FILE}: {file}: expected headers such as api-key=…,tenant=7")
    })
}

/// A name and a value, which may be percent-encoded.
fn header(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let decoded = percent_decode_str(value).decode_utf8().ok()?;
    let is_header = name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(&decoded).is_ok();
    (is_header && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(pairs: &[(&str, &str)]) -> Vec<String> {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name);
        problems(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn what_is_wrong_with_the_standard_variables_is_told_by_name() {
        assert_eq!(problems_of(&[(ENDPOINT, ""), ("OTEL_TRACES_SAMPLER", "always_on")]), [""; 0]);
        let wrong = [
            (TRACES_ENDPOINT, "https://collector"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ];
        let told = problems_of(&wrong);
        assert!(told.len() >= 3, "{told:?}");
        for (name, _) in wrong {
            assert!(told.iter().any(|problem| problem.starts_with(name)), "{told:?}");
        }
        for ratio in ["", "2", "half"] {
            let of = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", ratio)];
            assert_eq!(problems_of(&of).len(), 1, "{ratio}");
        }
        let right = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.1")];
        assert_eq!(problems_of(&right), [""; 0]);
    }

    #[test]
    fn the_url_of_a_collector_holds_no_password_and_is_not_repeated() {
        for (name, url) in [
            (ENDPOINT, "http://waybill:sesame@collector:4318"),
            (TRACES_ENDPOINT, "http://sesame@collector:4318/v1/traces"),
            (ENDPOINT, "http://collector:4318?api-key=sesame"),
            (ENDPOINT, "http://collector:4318/#sesame"),
            (ENDPOINT, "sesame"),
            (TRACES_ENDPOINT, "http://sesame open"),
            (TRACES_ENDPOINT, "http://"),
        ] {
            let told = problems_of(&[(name, url)]);
            assert!(told.len() == 1 && told[0].starts_with(&format!("{name}: ")), "{told:?}");
            assert!(!told[0].contains("sesame"), "{told:?}");
        }
        for (name, url) in [
            (ENDPOINT, "http://collector"),
            (ENDPOINT, "http://[::1]:4318/otlp/"),
            (TRACES_ENDPOINT, "http://collector:4318/v1/traces?api-key=sesame"),
        ] {
            assert_eq!(problems_of(&[(name, url)]), [""; 0], "{url}");
        }
    }

    /// A file that is removed with this.
    struct File(std::path::PathBuf);

    impl File {
        fn of(content: &str) -> Self {
            let path = std::env::temp_dir().join(format!("waybill-{}", uuid::Uuid::new_v4()));
            std::fs::write(&path, content).unwrap();
            Self(path)
        }

        fn name(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            drop(std::fs::remove_file(&self.0));
        }
    }

    #[test]
    fn headers_for_a_collector_may_be_in_a_file() {
        let read = |content: &str| {
            let file = File::of(content);
            headers(|name| (name == HEADERS_FILE).then(|| file.name().to_owned()))
        };
        let found = read(" api-key = open%20sesame , tenant=7\n").unwrap();
        let expected = [("api-key", "open%20sesame"), ("tenant", "7")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, HashMap::from(expected));
        for bad in
            ["", "\n", "sesame", "=sesame", "api key=sesame", "a=", "a=sesame%0a", "a=1\nb=2"]
        {
            let told = read(bad).unwrap_err();
            assert!(told.starts_with(HEADERS_FILE) && !told.contains("sesame"), "{bad:?}: {told}");
        }
        assert_eq!(headers(|_| None), Ok(HashMap::new()));
        let file = File::of("api-key=sesame");
        for other in HEADERS {
            let both = [(HEADERS_FILE, file.name()), (other, "a=sesame")];
            let told = problems_of(&both);
            assert_eq!(
                told,
                [format!("{other} and {HEADERS_FILE}: expected one of them, not both")]
            );
        }
        let told = problems_of(&[(HEADERS_FILE, "/nowhere")]);
        assert!(told[0].starts_with("OTEL_EXPORTER_OTLP_HEADERS_FILE: /nowhere: "), "{told:?}");
    }
}
