//! Entity tags of answers in a coding: its name is written behind the tag of the answer itself.

use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Coding;

/// The tags of what the client has, as it sent them.
pub struct Tags(String);

impl Tags {
    /// Takes the codings out of the tags that the client gives back. In `If-None-Match` only those that the
    /// request accepts: the answer could be sent in no other, so that a tag of another is known to no such
    /// client (RFC 9110, section 13.1.2).
    pub fn of_request(headers: &mut HeaderMap, accepted: &[Coding]) -> Self {
        untag(headers, &IF_MATCH, &Coding::ALL);
        Self(untag(headers, &IF_NONE_MATCH, accepted))
    }

    /// The first of these codings in which the client has the answer with this tag; none where it has it
    /// without one.
    pub fn known(&self, etag: &str, accepted: &[Coding]) -> Option<Coding> {
        let is_given = |tag: String| self.0.contains(&tag);
        accepted.iter().copied().find(|coding| tagged(etag, *coding).is_some_and(is_given))
    }
}

/// A strong tag with the coding behind it.
fn tagged(etag: &str, coding: Coding) -> Option<String> {
    let tag = etag.strip_suffix('"').filter(|tag| tag.starts_with('"'))?;
    Some(format!("{tag}-{}\"", coding.name()))
}

/// Writes the coding behind the strong tag of an answer.
pub fn tag(headers: &mut HeaderMap, coding: Coding) {
    let tagged = headers.get(ETAG).and_then(|etag| tagged(etag.to_str().ok()?, coding));
    if let Some(Ok(tag)) = tagged.map(HeaderValue::try_from) {
        headers.insert(ETAG, tag);
    }
}

/// Takes these codings out of the tags in all lines of this header; returns the lines as they were.
fn untag(headers: &mut HeaderMap, name: &HeaderName, codings: &[Coding]) -> String {
    if !headers.contains_key(name) {
        return String::new();
    }
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let given = lines.collect::<Vec<_>>().join(", ");
    let mut plain = given.clone();
    for coding in codings {
        plain = plain.replace(&format!("-{}\"", coding.name()), "\"");
    }
    if plain != given
        && let Ok(plain) = HeaderValue::try_from(plain)
    {
        headers.insert(name, plain);
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::conditional::is_known;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_tag_that_comes_back_is_that_of_the_answer() {
        let mut given =
            headers(&[(IF_MATCH, "\"5-a-b-gzip\""), (IF_NONE_MATCH, "W/\"x\", \"5-zstd\", \"6\"")]);
        let tags = Tags::of_request(&mut given, &[Coding::Zstd]);
        let known = ["\"5\"", "\"6\"", "\"x\"", "5"].map(|etag| tags.known(etag, &[Coding::Zstd]));
        assert_eq!(known, [Some(Coding::Zstd), None, None, None]);
        assert_eq!(
            (&given[IF_MATCH], &given[IF_NONE_MATCH]),
            (
                &HeaderValue::from_static("\"5-a-b\""),
                &HeaderValue::from_static("W/\"x\", \"5\", \"6\""),
            )
        );
        for (etag, expected) in [("\"5\"", "\"5-gzip\""), ("W/\"5\"", "W/\"5\"")] {
            let mut answer = headers(&[(ETAG, etag)]);
            tag(&mut answer, Coding::Gzip);
            assert_eq!(answer[ETAG], expected);
        }
    }

    #[test]
    fn a_client_is_told_which_form_of_the_answer_it_has() {
        let etag = "\"5\"";
        for (lines, expected) in [
            (&["\"5\""][..], None),
            (&["*"], None),
            (&["\"4-gzip\", \"5\""], None),
            (&["\"4\"", "W/\"5-gzip\""], Some(Coding::Gzip)),
            (&["\"4-zstd\"", "\"5-gzip\", \"6\""], Some(Coding::Gzip)),
        ] {
            let named: Vec<_> = lines.iter().map(|line| (IF_NONE_MATCH, *line)).collect();
            let mut given = headers(&named);
            let tags = Tags::of_request(&mut given, &Coding::ALL);
            assert_eq!(is_known(&given, etag), Ok(true), "{lines:?}");
            assert_eq!(tags.known(etag, &Coding::ALL), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_form_that_the_client_does_not_take_is_not_known_to_it() {
        const BOTH: &str = "\"5-zstd\", \"5-gzip\"";
        let (zstd, gzip) = (Coding::Zstd, Coding::Gzip);
        for (line, accepted, expected) in [
            (BOTH, &[gzip][..], Some(Some(gzip))),
            (BOTH, &[gzip, zstd], Some(Some(gzip))),
            (BOTH, &[zstd, gzip], Some(Some(zstd))),
            (BOTH, &[], None),
            ("\"5-gzip\"", &[], None),
            ("\"5-gzip\"", &[zstd], None),
            ("\"5-gzip\", \"5\"", &[], Some(None)),
            ("*", &[], Some(None)),
        ] {
            let mut given = headers(&[(IF_NONE_MATCH, line)]);
            let tags = Tags::of_request(&mut given, accepted);
            let is_known = is_known(&given, "\"5\"").unwrap();
            let known = is_known.then(|| tags.known("\"5\"", accepted));
            assert_eq!(known, expected, "{line} {accepted:?}");
        }
    }
}
