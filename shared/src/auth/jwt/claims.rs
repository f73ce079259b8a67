//! From claims to a principal.

use std::time::Duration;

use kernel::Timestamp;
use serde_json::{Map, Value};

use crate::auth::principal::{MAX_NAME, encoded, is_owner};
use crate::auth::{Principal, Role, Roles};

/// In front of the name of a principal: no token of the file has such a name.
const PREFIX: &str = "jwt:";
/// The owner of a principal that is bound to none.
const ALL_OWNERS: &str = "*";

/// Which claims say what a principal may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `WAYBILL_JWT_ROLES_CLAIM`: an array of texts, or a text with spaces in between.
    pub roles: String,
    /// `WAYBILL_JWT_ROLES_PREFIX`: stands in front of each role; what has it not is none.
    pub prefix: String,
    /// `WAYBILL_JWT_OWNER_CLAIM`: the owner that the principal is bound to. Without it none is bound;
    /// with it each token has to have the claim, and `*` is bound to none.
    pub owner: Option<String>,
}

impl Claims {
    /// The principal of a token whose signature, beginning, issuer and audience are good. It may have ended.
    pub fn principal(
        &self,
        claims: &Map<String, Value>,
        leeway: Duration,
    ) -> Result<Principal, &'static str> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let subject = text("sub").filter(|subject| !subject.is_empty()).ok_or("no `sub`")?;
        let name = format!("{PREFIX}{}", encoded(subject));
        if name.len() > MAX_NAME {
            return Err("`sub` is too long");
        }
        let roles = self.roles(claims.get(&self.roles));
        if roles.is_empty() {
            return Err("no role");
        }
        let owner = match &self.owner {
            None => None,
            Some(claim) => Some(text(claim).ok_or("no owner")?).filter(|it| *it != ALL_OWNERS),
        };
        if owner.is_some_and(|owner| !is_owner(owner)) {
            return Err("an owner that is none");
        }
        let ends = claims.get("exp").and_then(Value::as_f64).ok_or("no `exp`")?;
        // Years from 1970 to 9999 are within the integers that this holds; others are cut.
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        let ends = (ends * 1_000.0) as i64;
        let leeway = i64::try_from(leeway.as_millis()).unwrap_or_default();
        let expires = Some(Timestamp::from_millis(ends.saturating_add(leeway)));
        Ok(Principal { name, roles, owner: owner.map(str::to_owned), expires })
    }

    fn roles(&self, claim: Option<&Value>) -> Roles {
        let names: Vec<&str> = match claim {
            Some(Value::String(text)) => text.split(' ').collect(),
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        let role = |name: &str| Role::parse(name.strip_prefix(self.prefix.as_str())?);
        names.into_iter().filter_map(role).collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(prefix: &str, owner: Option<&str>) -> Claims {
        let owner = owner.map(str::to_owned);
        Claims { roles: "scope".to_owned(), prefix: prefix.to_owned(), owner }
    }

    fn read(claims: &Claims, given: Value) -> Result<Principal, &'static str> {
        claims.principal(given.as_object().unwrap(), Duration::from_secs(5))
    }

    #[test]
    fn roles_and_owner_are_those_of_the_claims_that_are_configured() {
        let plain = claims("", None);
        let given = |scope: Value| json!({ "sub": "a/b|c", "exp": 10, "scope": scope });
        let found = read(&plain, given(json!("query openid command"))).unwrap();
        assert_eq!((found.name.as_str(), found.owner), ("jwt:a%2Fb%7Cc", None));
        assert_eq!(found.roles.to_string(), "command query");
        assert_eq!(found.expires, Some(Timestamp::from_millis(15_000)));
        let listed = read(&plain, given(json!(["operate", 7]))).unwrap();
        assert_eq!(listed.roles.to_string(), "operate");
        for none in [json!("admin"), json!(7), json!([]), json!("Query"), Value::Null] {
            assert_eq!(read(&plain, given(none.clone())), Err("no role"), "{none}");
        }
        let prefixed = claims("waybill:", None);
        let found = read(&prefixed, given(json!("query waybill:command"))).unwrap();
        assert_eq!(found.roles.to_string(), "command");
        let bound = claims("", Some("customer"));
        let mut of = given(json!("query"));
        assert_eq!(read(&bound, of.clone()), Err("no owner"), "it is not taken to be all");
        for (owner, expected) in [("C-1", Some("C-1")), ("*", None)] {
            of["customer"] = json!(owner);
            assert_eq!(read(&bound, of.clone()).unwrap().owner.as_deref(), expected);
        }
        for bad in [json!(""), json!(7), json!("a\n")] {
            of["customer"] = bad;
            assert!(read(&bound, of.clone()).is_err());
        }
        for sub in ["", &"x".repeat(MAX_NAME)] {
            assert!(read(&plain, json!({ "sub": sub, "exp": 1, "scope": "query" })).is_err());
        }
    }
}
