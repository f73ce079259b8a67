//! The cookie itself.

use http::{HeaderMap, header};

/// Holds the token.
pub const NAME: &str = "waybill_session";
/// The same where the page came over TLS: browsers take a cookie with this prefix from a secure page
/// alone, and for this very host (RFC 6265bis, section 4.1.3.2).
pub const SECURE_NAME: &str = "__Host-waybill_session";

/// The token of the cookie. None when there are several: another service of the same host may have set
/// one; and none for a page of another site.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return None;
    }
    let of = |wanted: &str| {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
        let pairs =
            cookies.flat_map(|cookie| cookie.split(';')).filter_map(|it| it.split_once('='));
        let mut values = pairs.filter(|(name, _)| name.trim() == wanted);
        let value = values.next().filter(|_| values.next().is_none());
        value.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    of(SECURE_NAME).or_else(|| of(NAME))
}

/// `Set-Cookie` for this token; the browser forgets it when it ends.
pub fn set(token: &str, is_secure: bool) -> String {
    cookie(token, is_secure, "")
}

/// `Set-Cookie` that ends the session.
pub fn clear(is_secure: bool) -> String {
    cookie("", is_secure, "; Max-Age=0")
}

fn cookie(value: &str, is_secure: bool, more: &str) -> String {
    let (name, secure) = if is_secure { (SECURE_NAME, "; Secure") } else { (NAME, "") };
    format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/{secure}{more}")
}

/// Whether the page came over TLS: its browser says so.
pub fn is_secure(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|origin| origin.starts_with("https://"))
}
