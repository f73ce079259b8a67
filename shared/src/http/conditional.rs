//! Conditional reads (RFC 9110, section 13): what a client has is not sent again, and what it does not expect
//! not at all.

use headers::{ETag, HeaderMapExt as _, IfMatch, IfNoneMatch};
use http::HeaderMap;

use super::problem::Problem;

/// Whether `If-None-Match` names this tag, or is `*`; tags are compared weakly (RFC 9110, section
/// 13.1.2). A text that is no entity tag is known to no client.
///
/// `If-Match` counts first, and compares strongly (sections 13.1.1 and 13.2.2): a problem where it is there
/// and does not name this tag.
pub fn is_known(headers: &HeaderMap, etag: &str) -> Result<bool, Problem> {
    let Ok(etag) = etag.parse::<ETag>() else { return Ok(false) };
    let expected = headers.typed_get::<IfMatch>();
    if expected.is_some_and(|expected| !expected.precondition_passes(&etag)) {
        let detail = "`If-Match` does not name the `ETag` that this has now.";
        return Err(Problem::version_mismatch(detail));
    }
    let known = headers.typed_get::<IfNoneMatch>();
    Ok(known.is_some_and(|known| !known.precondition_passes(&etag)))
}

#[cfg(test)]
mod tests {
    use http::header::{IF_MATCH, IF_NONE_MATCH};

    use super::*;

    #[test]
    fn a_tag_is_known_by_any_of_those_that_the_client_names() {
        let known = |values: &[&'static str]| {
            let value = |text: &&'static str| (IF_NONE_MATCH, text.parse().unwrap());
            is_known(&values.iter().map(value).collect(), "\"4-a1-v2-0f0f0f0f\"").unwrap()
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
        let any = HeaderMap::from_iter([(IF_NONE_MATCH, "*".parse().unwrap())]);
        assert_eq!(is_known(&any, "4"), Ok(false));
    }

    #[test]
    fn a_tag_that_the_client_does_not_expect_is_refused_before_it_is_known() {
        let read = |expected: &[&'static str], known: &'static str| {
            let expected = expected.iter().map(|text| (IF_MATCH, text.parse().unwrap()));
            let known = (IF_NONE_MATCH, known.parse().unwrap());
            is_known(&expected.chain([known]).collect(), "\"4\"").map_err(|problem| problem.status)
        };
        for expected in [&[][..], &["*"], &["\"4\""], &["\"3\", \"4\""], &["\"3\"", "\"4\""]] {
            assert_eq!(read(expected, "\"4\""), Ok(true), "{expected:?}");
            assert_eq!(read(expected, "\"3\""), Ok(false), "{expected:?}");
        }
        for other in ["", "4", "\"3\"", "W/\"4\"", "\"*\"", "\"a b\""] {
            assert_eq!(read(&[other], "\"4\""), Err(412), "{other}");
            assert_eq!(read(&[other], "\"3\""), Err(412), "{other}");
        }
    }
}
