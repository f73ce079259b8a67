//! What a service says of itself: `/openapi.json` (OpenAPI 3.1), `/docs` (a viewer of it) and the
//! pages of its problems. What is described is also what is checked before a request is handled:
//! its method, the type of its body, and the types that it accepts.

mod docs;
mod gate;
pub mod headers;
mod openapi;
pub mod operation;
mod own;
mod security;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use kernel::contract::{Member, ProblemPage, Rule};
use serde_json::Value;
use uuid::Uuid;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter as _, Reply as _};

use self::gate::Gate;
use self::openapi::Document;
pub use self::operation::{Body, Operation, ServerSentEvent};
pub use self::own::{Object, file, text};
use super::access::AccessTable;
use super::answer::{self, Answer, into_response};
use super::conditional::is_known;
use super::fixed::Fixed;
use super::guard::Guard;
use super::measured;
use super::probes::get_or_head;
use super::problem::{JSON, Pages};
use crate::auth::Authenticator;

/// The description of a service, while it is being made.
pub struct Api {
    document: Document,
    pages: Pages,
    operations: Vec<Operation>,
}

impl Api {
    /// A service with its probes, its description, and the pages of its problems.
    pub fn new(
        title: &'static str,
        about: &'static str,
        problems: Vec<ProblemPage>,
        rules: Vec<Rule>,
    ) -> Self {
        let pages = Pages::new(problems, rules);
        let operations = own::operations(&pages);
        let document = Document::new(title, about);
        Self { document, pages, operations }
    }

    /// Adds what refusals by the domain tell beside their rule.
    pub fn facts(&mut self, facts: Vec<Member>) {
        self.pages.add_members(facts);
    }

    /// Adds an operation.
    pub fn add(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// The whole description. With an authenticator the service asks who its clients are.
    pub fn finish(self, authenticator: Option<&Arc<Authenticator>>) -> Description {
        let Self { mut document, pages, operations } = self;
        for operation in &operations {
            document.add(operation, &pages, authenticator.is_some());
        }
        measured::know(&operations);
        let guard = authenticator.map(|authenticator| {
            let access = AccessTable::new(&operations);
            Guard::new(authenticator.clone(), Arc::new(access))
        });
        let openapi = Served::new(&document.finish(&pages, authenticator.is_some()));
        let gate = Arc::new(Gate::new(&operations));
        Description { openapi, gate, pages: Arc::new(pages), guard }
    }
}

/// What stays the same as long as the service runs.
#[derive(Debug, Clone)]
pub struct Served {
    body: Fixed,
    etag: Arc<str>,
}

impl Served {
    /// JSON, which is taken over as text.
    pub fn new(json: &Value) -> Self {
        Self::file(json.to_string(), JSON)
    }

    /// A file of this type.
    pub fn file(bytes: impl Into<Bytes>, content_type: &'static str) -> Self {
        let bytes = bytes.into();
        let etag = format!("\"{}\"", Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes).simple());
        Self { body: Fixed::new(bytes, content_type), etag: etag.into() }
    }

    /// What is sent, without a coding or in one.
    pub fn body(&self) -> &Fixed {
        &self.body
    }

    /// The answer: 304 where the client has it, and 412 where it expects another one.
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        let mut response = match is_known(headers, &self.etag) {
            Ok(true) => self.body.not_modified(),
            Ok(false) => self.body.answer(),
            Err(problem) => return problem.into_response(),
        };
        answer::set(&mut response, "etag", &self.etag);
        answer::set(&mut response, "cache-control", "no-cache");
        response
    }
}

/// What a service says of itself.
#[derive(Clone)]
pub struct Description {
    openapi: Served,
    gate: Arc<Gate>,
    pages: Arc<Pages>,
    guard: Option<Guard>,
}

impl Description {
    /// What stands in front of the routes: see `Callers`.
    pub fn guard(&self) -> Option<Guard> {
        self.guard.clone()
    }

    /// Refuses requests that do not fit what is described: 405, 406, 415. Everything else is left
    /// to the routes behind it.
    pub fn gate(&self) -> BoxedFilter<(Response,)> {
        let gate = self.gate.clone();
        let check = move |method: Method, path: warp::path::FullPath, headers: HeaderMap| {
            let refused = gate.check(&method, path.as_str(), &headers).err();
            std::future::ready(
                refused.map(|it| it.into_response()).ok_or_else(warp::reject::not_found),
            )
        };
        let headers = warp::header::headers_cloned();
        warp::method().and(warp::path::full()).and(headers).and_then(check).boxed()
    }

    /// The routes of the description itself.
    pub fn routes(&self) -> BoxedFilter<(Response,)> {
        let headers = warp::header::headers_cloned;
        let openapi = self.openapi.clone();
        let document = warp::path!("openapi.json")
            .and(get_or_head())
            .and(headers())
            .map(move |headers| openapi.answer(&headers));
        let pages = self.pages.clone();
        let problems = warp::path!("problems" / String).and(get_or_head()).and(headers()).map(
            move |name: String, headers| -> Response {
                let answer: Answer = pages.answer(&name, &headers);
                into_response(answer)
            },
        );
        document.or(problems).unify().or(docs::routes()).unify().boxed()
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn a_client_that_has_it_is_told_so() {
        let served = Served::new(&serde_json::json!({ "a": 1 }));
        let status = |tags: &[&str]| {
            let one = |tag: &&str| (header::IF_NONE_MATCH, tag.parse().unwrap());
            served.answer(&tags.iter().map(one).collect()).status().as_u16()
        };
        let etag = served.etag.to_string();
        for known in ["*", &etag, &format!("W/{etag}"), &format!("\"x\", {etag}")] {
            assert_eq!(status(&[known]), 304, "{known}");
        }
        assert_eq!(status(&["\"x\"", &etag]), 304);
        for other in [&[][..], &["\"x\""], &[etag.trim_matches('"')]] {
            assert_eq!(status(other), 200, "{other:?}");
        }
    }
}
