//! `Accept`: which types of answers a client takes (RFC 9110, section 12.5.1).

use http::{HeaderMap, header};

/// How much the client wants an answer of this type, from 0 (not at all) to 1000. Without `Accept`,
/// or with one that can't be read, every type is taken.
pub fn accepts(headers: &HeaderMap, media_type: &str) -> u16 {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut ranges = ranges.flat_map(|value| value.split(',')).filter_map(range).peekable();
    if ranges.peek().is_none() {
        return 1_000;
    }
    let offered = essence(media_type);
    // Of several ranges that fit, the most specific counts.
    let fitting = ranges.filter_map(|(range, quality)| Some((fits(&range, &offered)?, quality)));
    fitting.max_by_key(|(specific, _)| *specific).map_or(0, |(_, quality)| quality)
}

/// Type and subtype, in small letters, without parameters.
pub fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A range, and its quality in thousandths.
fn range(text: &str) -> Option<(String, u16)> {
    let range = essence(text);
    let quality = text.split(';').skip(1).find_map(|it| it.trim().strip_prefix("q="));
    let quality: f32 = quality.map_or(Some(1.0), |text| text.trim().parse().ok())?;
    let thousandths = (quality.clamp(0.0, 1.0) * 1_000.0).round();
    // Within 0 to 1000 by the line above; not a number becomes 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    range.contains('/').then_some((range, thousandths as u16))
}

/// How specific a range is that fits: 0 for `*/*`, 1 for `text/*`, 2 for the type itself.
fn fits(range: &str, offered: &str) -> Option<u8> {
    if range == offered {
        return Some(2);
    }
    if range == "*/*" {
        return Some(0);
    }
    let kind = range.strip_suffix("/*")?;
    (offered.split('/').next() == Some(kind)).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(accept: &[&str], media_type: &str) -> u16 {
        let headers = accept.iter().map(|text| (header::ACCEPT, text.parse().unwrap())).collect();
        accepts(&headers, media_type)
    }

    #[test]
    fn the_most_specific_range_counts() {
        let json = "application/json";
        for (accept, expected) in [
            (&[][..], 1_000),
            (&["*/*"], 1_000),
            (&["application/*;q=0.5"], 500),
            (&["text/html, */*;q=0.8"], 800),
            (&["text/html", "Application/JSON; q=0.3"], 300),
            (&["*/*, application/json;q=0"], 0),
            (&["text/html"], 0),
            (&["text/*, image/png"], 0),
            (&["nonsense"], 1_000),
            (&[""], 1_000),
        ] {
            assert_eq!(wants(accept, json), expected, "{accept:?}");
        }
        assert_eq!(wants(&["application/json;charset=utf-8"], "application/json"), 1_000);
        assert_eq!(wants(&["text/html"], "text/html; charset=utf-8"), 1_000);
    }
}
