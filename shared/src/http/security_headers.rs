//! What every answer tells a browser, whatever it is an answer to, and what no log shows of a request. After
//! <https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers>.

use http::header::{self, Entry};
use http::{HeaderMap, HeaderName, HeaderValue};

/// An answer is of the type that it says; the pages that it leads to do not learn its address; and where it
/// is shown as a page, it loads nothing and is part of no other page.
const DEFAULTS: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// Adds those that an answer does not set itself, as pages do.
pub(super) fn add(answer: &mut HeaderMap) {
    answer.reserve(DEFAULTS.len());
    for (name, value) in DEFAULTS {
        answer.entry(name).or_insert(value);
    }
}

/// `Debug` prints no credential of a request from now on.
pub(super) fn hide_credentials(request: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::COOKIE] {
        if request.contains_key(&name)
            && let Entry::Occupied(mut values) = request.entry(name)
        {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says_itself_stays() {
        let mut answer = HeaderMap::new();
        let own = HeaderValue::from_static("default-src 'self'");
        answer.insert(header::CONTENT_SECURITY_POLICY, own.clone());
        add(&mut answer);
        assert_eq!(answer.len(), 3);
        assert_eq!(answer[header::CONTENT_SECURITY_POLICY], own);
        assert_eq!(answer[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }

    #[test]
    fn credentials_of_a_request_are_not_printed() {
        let mut request = HeaderMap::new();
        for (name, value) in [
            (header::AUTHORIZATION, "Bearer sesame"),
            (header::AUTHORIZATION, "Basic sesame"),
            (header::COOKIE, "waybill_session=sesame"),
            (header::COOKIE, "sesame"),
            (header::HOST, "localhost"),
        ] {
            request.append(name, HeaderValue::from_static(value));
        }
        hide_credentials(&mut request);
        let printed = format!("{request:?}");
        assert!(printed.contains("localhost") && !printed.contains("sesame"), "{printed}");
        assert_eq!(request.get_all(header::COOKIE).iter().count(), 2, "they are there");
    }
}
