//! Finds out whose a request is, and whether its principal may ask for that (RFC 6750).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method, header};

use super::access::{AccessTable, Asked};
use super::origin::same_origin;
use super::rate::RateLimit;
use super::serve::Peer;
use super::session::cookie;
use super::{REFUSED, refused};
use crate::auth::jwt::Keyring;
use crate::auth::{Authenticator, Caller, Denied, Found, Principal};
use crate::http::problem::Problem;

/// In front of the routes of a service that asks who its clients are.
#[derive(Clone)]
pub struct Guard {
    authenticator: Arc<Authenticator>,
    access: Arc<AccessTable>,
    /// By the names of principals.
    rate: Option<Arc<RateLimit<String>>>,
    /// Of credentials that fail, by addresses.
    failures: Option<Arc<RateLimit<IpAddr>>>,
}

/// What a request shows. (`Debug` prints no credential.)
#[derive(PartialEq, Eq)]
enum Shown<'a> {
    Nothing,
    /// In the header `Authorization`.
    Token(&'a str),
    /// In a cookie, which a browser sends whichever page asks for the request.
    Cookie(&'a str),
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Token(_) => "Token",
            Self::Cookie(_) => "Cookie",
        })
    }
}

impl Guard {
    /// By these credentials, and by what is described.
    pub fn new(authenticator: Arc<Authenticator>, access: Arc<AccessTable>) -> Self {
        let rate = authenticator.rate().map(|rate| Arc::new(RateLimit::new(rate)));
        let failures = authenticator.sign_in_failures();
        let failures = failures.map(|rate| Arc::new(RateLimit::new(rate)));
        Self { authenticator, access, rate, failures }
    }

    /// Whose token a page signs in with.
    pub(crate) async fn sign_in(
        &self,
        address: IpAddr,
        token: &str,
    ) -> Result<Arc<Principal>, Problem> {
        let principal = self.find(Some(address), token, true).await?;
        self.count(&principal)?;
        Authenticator::count("accepted");
        Ok(principal)
    }

    /// Whose credential it is. Sign-ins that fail, and signatures that were checked in vain, count for the
    /// address. Once there were too many, further ones that fail are told so, and no signature is checked.
    /// What needs no such check is looked at in any case: others of an address keep none from signing in.
    async fn find(
        &self,
        address: Option<IpAddr>,
        credential: &str,
        is_sign_in: bool,
    ) -> Result<Arc<Principal>, Problem> {
        let (found, is_new) = match self.authenticator.look(credential) {
            Ok(found) => (found, false),
            Err(keys) => (self.check(address, credential, keys).await?, true),
        };
        let denied = match found {
            Ok(principal) => return Ok(principal),
            Err(denied) => denied,
        };
        Authenticator::count(denied.as_str());
        match denied {
            // That is not the client's failure.
            Denied::Unavailable => {}
            Denied::Busy => REFUSED.add_to(refused::SIGNATURES, 1),
            Denied::Invalid if is_new => {} // `check` has counted it.
            _ if is_sign_in => self.fails(address, RateLimit::take)?,
            _ => {}
        }
        Err(unauthenticated(denied))
    }

    /// Whose token it is, by its signature, once it has its turn. One that is in vain counts also where the
    /// client does not wait for that.
    async fn check(
        &self,
        address: Option<IpAddr>,
        token: &str,
        keys: &Keyring,
    ) -> Result<Found, Problem> {
        self.fails(address, RateLimit::look)?;
        let turn = match keys.turn().await {
            Ok(turn) => turn,
            Err(denied) => return Ok(Err(denied)),
        };
        self.fails(address, RateLimit::look)?; // Others of the address may have failed meanwhile.
        let failures = self.failures.clone();
        let in_vain = move || {
            if let (Some(limit), Some(address)) = (failures, address) {
                let _is_counted = limit.take(&address).is_ok();
            }
        };
        Ok(keys.check(token, turn, in_vain).await)
    }

    /// A problem, when too many credentials of this address have failed.
    fn fails(
        &self,
        address: Option<IpAddr>,
        ask: impl FnOnce(&RateLimit<IpAddr>, &IpAddr) -> Result<(), Duration>,
    ) -> Result<(), Problem> {
        let (Some(limit), Some(address)) = (&self.failures, address) else { return Ok(()) };
        ask(limit, &address).map_err(|wait| {
            REFUSED.add_to(refused::SIGN_INS, 1);
            let rate = limit.rate();
            let detail = format!("One address may send {rate} with a credential that fails.");
            Problem::too_many_requests(detail).after(wait)
        })
    }

    /// Lets a request through, with its `Caller`, or says why not. `from_page` is whether it comes from
    /// a page of another origin that may change something.
    pub(crate) async fn admit(&self, request: &mut Parts, from_page: bool) -> Result<(), Problem> {
        let asked = self.access.find(&request.method, request.uri.path());
        if let Asked::Known(all) = &asked
            && all.iter().all(|access| access.is_open())
        {
            return Ok(());
        }
        let (principal, credential) = self.principal(request, from_page).await?;
        self.count(&principal)?;
        let needs = match asked {
            Asked::Known(needs) => needs,
            Asked::OtherMethod(methods) => {
                return Err(Problem::method_not_allowed(&methods.join(", ")));
            }
            Asked::Unknown => return Err(Problem::not_found("Nothing has this path.")),
        };
        for access in needs {
            access.admits(&principal).map_err(|why| {
                Authenticator::count("forbidden");
                tracing::debug!(principal = principal.name, why, "a request is refused");
                Problem::not_permitted(why, access.roles)
            })?;
        }
        Authenticator::count("accepted");
        let caller = Caller::known(principal, credential.into(), &self.authenticator);
        request.extensions.insert(caller);
        Ok(())
    }

    /// A problem, when this principal has asked too often. Only its own requests count: those that show
    /// no credential of it were refused before.
    fn count(&self, principal: &Principal) -> Result<(), Problem> {
        let Some(limit) = &self.rate else { return Ok(()) };
        limit.take(&principal.name).map_err(|wait| {
            REFUSED.add_to(refused::RATE_PER_PRINCIPAL, 1);
            let detail = format!("One principal may send {}.", limit.rate());
            Problem::too_many_requests(detail).after(wait)
        })
    }

    async fn principal(
        &self,
        request: &Parts,
        from_page: bool,
    ) -> Result<(Arc<Principal>, String), Problem> {
        let credential = match shown(&request.headers) {
            Shown::Token(token) => token,
            Shown::Cookie(token) => {
                let changes = ![Method::GET, Method::HEAD].contains(&request.method);
                if changes && !from_page {
                    of_own_page(&request.headers)?;
                }
                token
            }
            Shown::Nothing => {
                Authenticator::count("missing");
                let expected = "Expected `Authorization: Bearer`, with a token.";
                return Err(Problem::unauthenticated(expected, None));
            }
        };
        let address = request.extensions.get::<Peer>().map(|peer| peer.0);
        Ok((self.find(address, credential, false).await?, credential.to_owned()))
    }
}

/// A browser adds the cookie to whatever any page asks for, and says which page it was.
fn of_own_page(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.contains_key(header::ORIGIN) {
        true => same_origin(headers),
        false => Err(Problem::cross_origin("Expected the Origin of a page with a cookie.")),
    }
}

/// The answer to a credential that is none.
fn unauthenticated(denied: Denied) -> Problem {
    let why = match denied {
        Denied::Unavailable => {
            let detail = "The keys of the identity provider are not there yet; /readyz tells why.";
            return Problem::unavailable(detail);
        }
        Denied::Busy => {
            let detail = "The signatures of too many tokens are being checked; try again.";
            return Problem::unavailable(detail);
        }
        Denied::Invalid => "The token is none that is known here.",
        Denied::Expired => "The token is expired.",
        Denied::Revoked => "The token was revoked.",
    };
    Problem::unauthenticated(why, Some(why))
}

/// The header counts more than a cookie. Of several headers none counts.
fn shown(headers: &HeaderMap) -> Shown<'_> {
    let mut given = headers.get_all(header::AUTHORIZATION).into_iter();
    if let Some(one) = given.next() {
        let bearer = one.to_str().ok().filter(|_| given.next().is_none()).and_then(bearer);
        return bearer.map_or(Shown::Nothing, Shown::Token);
    }
    cookie::token(headers).map_or(Shown::Nothing, Shown::Cookie)
}

/// The token that `Authorization` holds. The name of the scheme is of any case (RFC 9110, section 11.1).
pub fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_credential_is_one_bearer_token_or_the_cookie_of_a_page_of_this_site() {
        let cookie = ("cookie", "a=b; waybill_session=c; d=e");
        for (pairs, expected) in [
            (&[][..], Shown::Nothing),
            (&[("authorization", "Bearer a")], Shown::Token("a")),
            (&[("authorization", "bearer  a ")], Shown::Token("a")),
            (&[("authorization", "Bearer a"), cookie], Shown::Token("a")),
            (&[("authorization", "Bearer a"), ("authorization", "Bearer b")], Shown::Nothing),
            (&[("authorization", "Basic a"), cookie], Shown::Nothing),
            (&[("authorization", "Bearer")], Shown::Nothing),
            (&[cookie], Shown::Cookie("c")),
            (&[cookie, ("sec-fetch-site", "same-origin")], Shown::Cookie("c")),
            (&[cookie, ("sec-fetch-site", "same-site")], Shown::Cookie("c")),
            (&[cookie, ("sec-fetch-site", "cross-site")], Shown::Nothing),
            (&[cookie, ("cookie", "waybill_session=f")], Shown::Nothing),
            (&[("cookie", "waybill_session=")], Shown::Nothing),
            (&[("cookie", "xwaybill_session=a")], Shown::Nothing),
        ] {
            assert_eq!(shown(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_credential_is_not_printed() {
        for pair in [("authorization", "Bearer sesame"), ("cookie", "waybill_session=sesame")] {
            let headers = headers(&[pair]);
            let shown = shown(&headers);
            assert_ne!(shown, Shown::Nothing);
            assert!(!format!("{shown:?}").contains("sesame"), "{shown:?}");
        }
    }
}
