//! Principals: who a client is, and what it may do.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use warp::Filter;

use super::{Authenticator, Denied, Found};

/// Longest name of a principal, in bytes.
pub const MAX_NAME: usize = 128;
/// Longest name of an owner, in characters.
pub const MAX_OWNER: usize = 128;
/// How often what goes on for long tries to get a turn for the check of its signature, 2 s each.
const TURNS: u32 = 5;
/// The principal of every request, as long as none is asked for.
pub const ANONYMOUS: &str = "anonymous";

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Send commands.
    Command,
    /// Read the views, and what the log says of one thing.
    Query,
    /// Follow the whole log, read metrics, and ask a projector for whatever operators may.
    Operate,
}

impl Role {
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::Command, Self::Query, Self::Operate];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Query => "query",
            Self::Operate => "operate",
        }
    }

    /// Reads what `as_str` writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Role>", into = "Vec<Role>")]
pub struct Roles(u8);

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);

    /// These roles.
    pub const fn of(roles: &[Role]) -> Self {
        let (mut set, mut index) = (0, 0);
        while index < roles.len() {
            set |= 1 << roles[index] as u8;
            index += 1;
        }
        Self(set)
    }

    /// Whether there is a role in both.
    pub fn meet(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The roles in it.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.meet(Self::of(&[*role])))
    }
}

impl From<Vec<Role>> for Roles {
    fn from(roles: Vec<Role>) -> Self {
        Self::of(&roles)
    }
}

impl From<Roles> for Vec<Role> {
    fn from(roles: Roles) -> Self {
        roles.iter().collect()
    }
}

/// `command query`.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Role::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Stands in the metadata of its events; without `/`.
    pub name: String,
    /// What it may do.
    pub roles: Roles,
    /// It sees and changes what belongs to this owner alone.
    pub owner: Option<String>,
    /// Its credential is valid before this time.
    pub expires: Option<Timestamp>,
}

impl Principal {
    /// It, unless its credential has expired.
    pub(super) fn in_time(self: Arc<Self>) -> Found {
        match self.expires {
            Some(expires) if expires <= Timestamp::now() => Err(Denied::Expired),
            _ => Ok(self),
        }
    }

    /// In front of its idempotency keys: neither another principal's key nor one of the same principal
    /// that is bound to another owner is the same. (Names and keys have no control characters.)
    pub fn key_prefix(&self) -> String {
        match &self.owner {
            None => self.name.clone(),
            Some(owner) => format!("{}\u{1f}{}", self.name, encoded(owner)),
        }
    }
}

/// Without `/` and without control characters.
pub(super) fn encoded(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}

/// Whether it can be the name of a principal in a file of tokens.
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._@+".contains(&byte);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(fits) && text != ANONYMOUS
}

/// Whether it can be the name of an owner.
pub fn is_owner(text: &str) -> bool {
    (1..=MAX_OWNER).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Who sent a request.
#[derive(Clone, Default)]
pub struct Caller(Option<Known>);

#[derive(Clone)]
struct Known {
    principal: Arc<Principal>,
    credential: Arc<str>,
    authenticator: Arc<Authenticator>,
    /// Those that its signature was checked with last, as far as that was noted.
    keys: Option<u64>,
}

impl Caller {
    pub(crate) fn known(
        principal: Arc<Principal>,
        credential: Arc<str>,
        authenticator: &Arc<Authenticator>,
    ) -> Self {
        let authenticator = authenticator.clone();
        Self(Some(Known { principal, credential, authenticator, keys: None }))
    }

    /// The principal; none where all clients are anonymous.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.as_ref().map(|known| &*known.principal)
    }

    /// Who acts, for records of what was done.
    pub fn name(&self) -> &str {
        self.actor().unwrap_or(ANONYMOUS)
    }

    /// Who acts, for the metadata of events.
    pub fn actor(&self) -> Option<&str> {
        self.principal().map(|principal| principal.name.as_str())
    }

    /// The only owner whose things the client may see and change; without one, it is all of them.
    pub fn owner(&self) -> Option<&str> {
        self.principal().and_then(|principal| principal.owner.as_deref())
    }

    /// In front of its idempotency keys.
    pub fn key_prefix(&self) -> String {
        self.principal().map_or_else(|| ANONYMOUS.to_owned(), Principal::key_prefix)
    }

    /// Whether its credential would still be accepted: for what goes on for long. None where only the check
    /// of a signature tells: `again` does that. With the same keys it is not checked once more.
    pub fn is_still_known(&self) -> Option<bool> {
        let Some(known) = &self.0 else { return Some(true) };
        let found = match known.keys.is_some() && known.keys == known.authenticator.keys() {
            true => known.principal.clone().in_time(),
            false => known.authenticator.look(&known.credential).ok()?,
        };
        Some(found.is_ok_and(|now| now == known.principal))
    }

    /// The client of a JWT, whose signature is checked in its turn; none where it is no longer accepted, or
    /// the turn does not come in 10 s: after a change of keys all open streams wait for one.
    pub async fn again(self) -> Option<Self> {
        let Some(known) = self.0 else { return Some(Self(None)) };
        let keys = known.authenticator.keys(); // Should others come meanwhile, it is checked once more.
        let mut found = known.authenticator.find(&known.credential).await;
        for _ in 1..TURNS {
            if found != Err(Denied::Busy) {
                break;
            }
            found = known.authenticator.find(&known.credential).await;
        }
        let is_same = found.is_ok_and(|now| now == known.principal);
        is_same.then(|| Self(Some(Known { keys, ..known })))
    }
}

/// The caller of the request.
pub fn caller() -> impl Filter<Extract = (Caller,), Error = Infallible> + Clone {
    warp::ext::optional::<Caller>().map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_a_set() {
        let roles = Roles::of(&[Role::Operate, Role::Command, Role::Command]);
        assert_eq!(roles.to_string(), "command operate");
        assert!(roles.meet(Roles::of(&[Role::Query, Role::Command])));
        assert!(!roles.meet(Roles::of(&[Role::Query])));
        let text = serde_json::to_string(&roles).unwrap();
        assert_eq!(text, r#"["command","operate"]"#);
        assert_eq!(serde_json::from_str::<Roles>(&text).unwrap(), roles);
        assert!(serde_json::from_str::<Roles>(r#"["admin"]"#).is_err());
    }

    #[test]
    fn keys_of_other_principals_and_owners_begin_otherwise() {
        let prefix = |name: &str, owner: Option<&str>| {
            let principal = Principal {
                name: name.to_owned(),
                roles: Roles::default(),
                owner: owner.map(str::to_owned),
                expires: None,
            };
            principal.key_prefix()
        };
        assert_eq!(prefix("shop", None), "shop");
        assert_eq!(prefix("shop", Some("C/1\u{1f}")), "shop\u{1f}C%2F1%1F");
        assert_ne!(prefix("shop", Some("a")), prefix("shop", Some("b")));
        assert!(!is_name("a/b") && !is_name("") && !is_name(ANONYMOUS) && !is_name("jwt:a"));
        assert!(is_name("shop-7@example.com"));
    }
}
