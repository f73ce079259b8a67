//! Who may call an operation, described.

use serde_json::{Value, json};

use crate::auth::{Role, Roles};
use crate::http::access::Access;
use crate::http::session::cookie;

/// How clients show who they are.
pub fn schemes() -> Value {
    json!({
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token that the operator has made. Where a requirement names a role, the \
                            principal of the token has it. `bound` is the principal that is bound to \
                            one owner: it is shown what is the owner's alone.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie::NAME,
            "description": format!(
                "The token in a cookie, which `POST /session` sets for a page; over TLS it is called \
                 `{}`. What is no GET needs an `Origin` beside it.",
                cookie::SECURE_NAME,
            ),
        },
    })
}

/// One alternative for each role that will do, and for principals that are bound to one owner. None
/// where every client may.
pub fn of_operation(access: Access) -> Value {
    let alternative = |scheme: &str, role: Role, more: &[&str]| {
        let names = [role.as_str()].into_iter().chain(more.iter().copied());
        json!({ scheme: names.collect::<Vec<_>>() })
    };
    let of = |scheme: &'static str, roles: Roles, more: &'static [&'static str]| {
        roles.iter().map(move |role| alternative(scheme, role, more))
    };
    let bound: &[&[&str]] = if access.bound { &[&[], &["bound"]] } else { &[&[]] };
    let by = |scheme| bound.iter().flat_map(move |more| of(scheme, access.roles, more));
    by("token").chain(by("session")).collect()
}
