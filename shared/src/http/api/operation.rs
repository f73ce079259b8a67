//! One operation: a method of a path, with what it takes and what it answers.

use kernel::contract::{Parameter, Shape};
use serde_json::Value;

use super::headers;
use crate::auth::Role;
use crate::http::access::Access;
use crate::http::probes::is_probe;

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path, in braces.
    Path,
    /// In the query string.
    Query,
    /// A header.
    Header,
}

impl Place {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

/// A body, of a request or an answer.
#[derive(Debug, Clone)]
pub enum Body {
    /// Of a type.
    Shape(Shape),
    /// Of a schema that is made of those of several types.
    Written {
        /// JSON Schema without references.
        schema: Value,
        /// Valid for the schema.
        example: Value,
    },
    /// Server-sent events, each of one of these.
    Events(Vec<ServerSentEvent>),
}

/// An event of a stream. Its data is JSON.
#[derive(Debug, Clone)]
pub struct ServerSentEvent {
    /// Its `event`.
    pub name: &'static str,
    /// Its `id`, in the example; none where it has none.
    pub id: Option<&'static str>,
    /// Its `data`.
    pub data: Shape,
    /// A member of the data whose type is not known to that of the data.
    pub member: Option<(&'static str, Shape)>,
}

impl From<Shape> for Body {
    fn from(shape: Shape) -> Self {
        Self::Shape(shape)
    }
}

/// An answer that is no problem.
#[derive(Debug, Clone)]
pub(super) struct Success {
    pub status: u16,
    pub about: &'static str,
    pub bodies: Vec<(&'static str, Body)>,
    /// Each with whether it is always there.
    pub headers: Vec<(&'static str, bool)>,
}

/// A value of an answer, that another operation takes.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub status: u16,
    pub to: String,
    pub parameter: String,
    pub value: String,
}

/// An operation, while it is described.
#[derive(Debug, Clone)]
pub struct Operation {
    pub(in crate::http) method: &'static str,
    pub(in crate::http) path: String,
    pub(in crate::http) access: Access,
    pub(super) id: String,
    pub(super) about: String,
    pub(super) tag: &'static str,
    pub(super) parameters: Vec<(Place, Parameter)>,
    /// Of the path, with schema and example.
    pub(super) written: Vec<(&'static str, Value, Value)>,
    pub(super) body: Vec<(&'static str, Body)>,
    pub(super) needs_body: bool,
    pub(super) answers: Vec<Success>,
    pub(super) problems: Vec<String>,
    pub(super) links: Vec<Link>,
}

impl Operation {
    /// `id` names it in generated clients. Problems that any such request may get are added.
    pub fn new(method: &'static str, path: impl Into<String>, id: impl Into<String>) -> Self {
        let path = path.into();
        let mut problems = vec!["malformed", "not-acceptable", "misdirected", "internal"];
        problems.extend(["method-not-allowed", "unavailable"]);
        if method != "GET" {
            problems.push("cross-origin");
        }
        if !is_probe(&path) {
            problems.push("too-many-requests"); // Of one address.
        }
        Self {
            method,
            path,
            access: Access::of(&[Role::Operate]),
            id: id.into(),
            about: String::new(),
            tag: "service",
            parameters: vec![],
            written: vec![],
            body: vec![],
            needs_body: false,
            answers: vec![],
            problems: problems.into_iter().map(str::to_owned).collect(),
            links: vec![],
        }
    }

    /// What it does: sentences, of which the first is its summary.
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    /// Who may call it; without that, principals with the role `operate`.
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The group that it is shown in; without one, that of what every service has.
    pub fn tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// Takes parameters of the path, and all others in the query string.
    pub fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        for parameter in parameters {
            let is_of_path = self.path.contains(&format!("{{{}}}", parameter.name));
            let place = if is_of_path { Place::Path } else { Place::Query };
            self.parameters.push((place, parameter));
        }
        self
    }

    /// Takes a parameter of the path whose schema is that of a field of the body of another route.
    pub fn path_parameter(mut self, name: &'static str, schema: Value, example: Value) -> Self {
        self.written.push((name, schema, example));
        self
    }

    /// Takes headers.
    pub fn headers(mut self, headers: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(headers.into_iter().map(|header| (Place::Header, header)));
        self
    }

    /// Reads what has an `ETag`: a client may name those that it has, and those that it expects.
    pub fn conditional(self) -> Self {
        self.headers(headers::of_reads()).fails(["version-mismatch"])
    }

    /// Whether it says itself what this header is for.
    pub(super) fn says_of_header(&self, name: &str) -> bool {
        self.parameters.iter().any(|(place, it)| *place == Place::Header && it.name == name)
    }

    /// Takes a body of this type; an empty one too, unless it is needed.
    pub fn takes(mut self, media: &'static str, body: impl Into<Body>, needed: bool) -> Self {
        self.body.push((media, body.into()));
        self.needs_body = needed;
        self.fails(["timeout", "too-large", "unsupported-media-type"])
    }

    /// Answers without a body.
    pub fn answers_nothing(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Success { status, about, bodies: vec![], headers: vec![] });
        self
    }

    /// Answers with a body of this type; a status that is there already gets another type.
    pub fn answers(
        mut self,
        status: u16,
        about: &'static str,
        media: &'static str,
        body: impl Into<Body>,
    ) -> Self {
        let body = (media, body.into());
        match self.answers.iter_mut().find(|answer| answer.status == status) {
            Some(answer) => answer.bodies.push(body),
            None => {
                self.answers.push(Success { status, about, bodies: vec![body], headers: vec![] });
            }
        }
        self
    }

    /// The latest answer always has these headers: see `headers::OF_ANSWERS`.
    pub fn with(mut self, headers: impl IntoIterator<Item = &'static str>) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.extend(headers.into_iter().map(|name| (name, true)));
        }
        self
    }

    /// The latest answer has these headers in some cases.
    pub fn may_have(mut self, headers: impl IntoIterator<Item = &'static str>) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.extend(headers.into_iter().map(|name| (name, false)));
        }
        self
    }

    /// Fails with problems of these types.
    pub fn fails(mut self, problems: impl IntoIterator<Item = impl Into<String>>) -> Self {
        for problem in problems.into_iter().map(Into::into) {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        self
    }

    /// A value of the answer (a runtime expression of OpenAPI) is a parameter of another operation.
    pub fn link(
        mut self,
        status: u16,
        to: impl Into<String>,
        parameter: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let (to, parameter, value) = (to.into(), parameter.into(), value.into());
        self.links.push(Link { status, to, parameter, value });
        self
    }
}
