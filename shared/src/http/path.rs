//! Paths.

use percent_encoding::percent_decode_str;

use crate::http::problem::Problem;

/// The segments of a path, decoded (RFC 3986, section 2.1); a slash at the end adds none.
pub fn segments(path: &str) -> Result<Vec<String>, Problem> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(vec![]);
    }
    let decode = |segment| percent_decode_str(segment).decode_utf8().map(|text| text.into_owned());
    let bad = |_| Problem::malformed("The path is not valid UTF-8 behind its percent signs.");
    path.split('/').map(|segment| decode(segment).map_err(bad)).collect()
}
