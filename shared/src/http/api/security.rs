//! Who may call an operation, described.

use serde_json::{Value, json};

use crate::auth::{Role, Roles};
use crate::http::access::Access;

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
    })
}

/// One alternative for each role that will do, and for principals that are bound to one owner. None
/// where every client may.
pub fn of_operation(access: Access) -> Value {
    let alternative = |role: Role, more: &[&str]| {
        let names = [role.as_str()].into_iter().chain(more.iter().copied());
        json!({ "token": names.collect::<Vec<_>>() })
    };
    let of = |roles: Roles, more: &'static [&'static str]| {
        roles.iter().map(move |role| alternative(role, more))
    };
    let bound: &[&[&str]] = if access.bound { &[&[], &["bound"]] } else { &[&[]] };
    bound.iter().flat_map(|more| of(access.roles, more)).collect()
}
