//! Conditional requests (RFC 9110, section 13): what a client has is not sent again.

use headers::{ETag, HeaderMapExt as _, IfNoneMatch};
use http::HeaderMap;

/// Whether `If-None-Match` names this tag, or is `*`; tags are compared weakly (RFC 9110, section
/// 13.1.2). A text that is no entity tag is known to no client.
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let Ok(etag) = etag.parse::<ETag>() else { return false };
    headers.typed_get::<IfNoneMatch>().is_some_and(|known| !known.precondition_passes(&etag))
}

#[cfg(test)]
mod tests {
    use http::header::IF_NONE_MATCH;

    use super::*;

    #[test]
    fn a_tag_is_known_by_any_of_those_that_the_client_names() {
        let known = |values: &[&'static str]| {
            let value = |text: &&'static str| (IF_NONE_MATCH, text.parse().unwrap());
            is_known(&values.iter().map(value).collect(), "\"4-a1-v2-0f0f0f0f\"")
        };
        for values in [
            &["*"][..],
            &["\"4-a1-v2-0f0f0f0f\""],
            &["W/\"4-a1-v2-0f0f0f0f\""],
            &["\"3\" , W/\"4-a1-v2-0f0f0f0f\""],
            &["\"a b\",\"4-a1-v2-0f0f0f0f\""],
            &["\"3\"", "\"4-a1-v2-0f0f0f0f\""],
        ] {
            assert!(known(values), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["\"4\""],
            &["4-a1-v2-0f0f0f0f"],
            &["\"4-a1-v2-0f0f0f0f"],
            &["\"3,*,5\""],
        ] {
            assert!(!known(values), "{values:?}");
        }
        assert!(!is_known(&HeaderMap::from_iter([(IF_NONE_MATCH, "*".parse().unwrap())]), "4"));
    }
}
