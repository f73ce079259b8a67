//! Paths.

use percent_encoding::percent_decode_str;

/// The segments of a path, decoded (RFC 3986, section 2.1); a slash at the end adds none.
pub fn segments(path: &str) -> Result<Vec<String>, ()> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(vec![]);
    }
    let decode = |segment| percent_decode_str(segment).decode_utf8().map(|text| text.into_owned());
    path.split('/').map(|segment| decode(segment).map_err(|_| ())).collect()
}
