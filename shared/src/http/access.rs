//! Who may call which operation: made from the descriptions of the operations, so what is not described
//! can't be reached where principals are asked for.

use http::Method;

use super::api::operation::Operation;
use super::path;
use crate::auth::{Principal, Role, Roles};

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Principals with one of these roles; every client, where there is none.
    pub(crate) roles: Roles,
    /// Principals that are bound to one owner, too; they are shown what is the owner's alone.
    pub(crate) bound: bool,
}

impl Access {
    /// Every client, whether or not it is known.
    pub const OPEN: Self = Self { roles: Roles::NONE, bound: true };

    /// Principals with one of these roles that are not bound to one owner.
    pub const fn of(roles: &[Role]) -> Self {
        Self { roles: Roles::of(roles), bound: false }
    }

    /// Principals that are bound to one owner, too.
    pub const fn also_bound(self) -> Self {
        Self { bound: true, ..self }
    }

    /// Whether every client may.
    pub fn is_open(self) -> bool {
        self.roles.is_empty()
    }

    /// Whether this principal may; says why not.
    pub(crate) fn admits(self, principal: &Principal) -> Result<(), String> {
        if !principal.roles.meet(self.roles) {
            let (needs, has) = (self.roles, principal.roles);
            return Err(format!(
                "Expected a principal with one of the roles: {needs}; it has: {has}."
            ));
        }
        if principal.owner.is_some() && !self.bound {
            return Err("Expected a principal that is not bound to one owner.".to_owned());
        }
        Ok(())
    }
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Described operations; of several that the path fits, each has to admit the client.
    Known(Vec<Access>),
    /// A path that is described, with none of its methods.
    OtherMethod(Vec<&'static str>),
    /// Nothing that is described.
    Unknown,
}

/// The access of every operation of a service.
#[derive(Debug)]
pub struct AccessTable {
    operations: Vec<(Vec<Segment>, &'static str, Access)>,
}

#[derive(Debug)]
enum Segment {
    Fixed(String),
    Any,
}

impl AccessTable {
    /// Of these operations.
    pub fn new(operations: &[Operation]) -> Self {
        let one = |operation: &Operation| {
            let path = operation.path.trim_matches('/');
            let segments = path.split('/').filter(|segment| !segment.is_empty());
            let segments = segments.map(|segment| match segment.starts_with('{') {
                true => Segment::Any,
                false => Segment::Fixed(segment.to_owned()),
            });
            (segments.collect(), operation.method, operation.access)
        };
        Self { operations: operations.iter().map(one).collect() }
    }

    /// Paths are compared as the routes read them: decoded, whatever slashes they begin with, with or
    /// without one at the end.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Asked {
        let Ok(given) = path::segments(path.trim_start_matches('/')) else { return Asked::Unknown };
        let is_read = [Method::GET, Method::HEAD].contains(method);
        let method = if is_read { "GET" } else { method.as_str() };
        let fits = |segments: &[Segment]| {
            let same = |(segment, given): (&Segment, &String)| match segment {
                Segment::Fixed(fixed) => fixed == given,
                Segment::Any => !given.is_empty(),
            };
            segments.len() == given.len() && segments.iter().zip(&given).all(same)
        };
        let fitting = || self.operations.iter().filter(|(segments, ..)| fits(segments));
        let known: Vec<Access> =
            fitting().filter(|(_, of, _)| *of == method).map(|(.., access)| *access).collect();
        if !known.is_empty() {
            return Asked::Known(known);
        }
        let methods: Vec<_> = fitting()
            .flat_map(|(_, method, _)| match *method {
                "GET" => vec!["GET", "HEAD"],
                other => vec![other],
            })
            .collect();
        if methods.is_empty() { Asked::Unknown } else { Asked::OtherMethod(methods) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_described_is_not_known() {
        let reads = Access::of(&[Role::Query]).also_bound();
        let follows = Access::of(&[Role::Operate]);
        let table = AccessTable::new(&[
            Operation::new("GET", "/", "page").access(Access::OPEN),
            Operation::new("GET", "/assets/{folder}/{file}", "file").access(Access::OPEN),
            Operation::new("GET", "/things/{id}", "read").access(reads),
            Operation::new("DELETE", "/things/{id}", "remove"),
            Operation::new("GET", "/things/all", "all").access(follows),
        ]);
        let find = |method: &str, path: &str| table.find(&method.parse().unwrap(), path);
        assert_eq!(find("GET", "/"), Asked::Known(vec![Access::OPEN]));
        for path in ["/things/7", "//things/7/", "/th%69ngs/7"] {
            assert_eq!(find("HEAD", path), Asked::Known(vec![reads]), "{path}");
        }
        assert_eq!(find("GET", "/things/all"), Asked::Known(vec![reads, follows]));
        assert_eq!(find("DELETE", "/things/7"), Asked::Known(vec![follows]), "by default");
        assert_eq!(find("GET", "/assets/a/b.js"), Asked::Known(vec![Access::OPEN]));
        assert_eq!(find("PUT", "/things/7"), Asked::OtherMethod(vec!["GET", "HEAD", "DELETE"]));
        for path in [
            "/assets",
            "/assets/a/b/c",
            "/things",
            "/things//7",
            "/things/7/8",
            "/things/%ff",
            "/others",
        ] {
            assert_eq!(find("GET", path), Asked::Unknown, "{path}");
        }
        assert_eq!(find("POST", "/assets/a"), Asked::Unknown);
        assert_eq!(find("POST", "/assets/a/b"), Asked::OtherMethod(vec!["GET", "HEAD"]));
    }
}
