//! What is checked of every request by what is described: the method, the type of the body, and the
//! types that the client accepts.

use http::{HeaderMap, Method, header};

use super::operation::Operation;
use crate::http::accept::{accepts, essence};
use crate::http::problem::Problem;

#[derive(Debug)]
pub struct Gate(Vec<Path>);

#[derive(Debug)]
struct Path {
    /// `None` takes any segment.
    segments: Vec<Option<String>>,
    methods: Vec<Taken>,
}

#[derive(Debug)]
struct Taken {
    method: &'static str,
    /// Types of bodies that it takes; none, where it takes none.
    takes: Vec<&'static str>,
    /// Types of answers; none, where an answer has no body.
    answers: Vec<&'static str>,
}

impl Gate {
    pub fn new(operations: &[Operation]) -> Self {
        let mut paths: Vec<Path> = vec![];
        for operation in operations {
            let segments = segments(&operation.path).map(|segment| {
                let is_parameter = segment.starts_with('{');
                (!is_parameter).then(|| segment.to_owned())
            });
            let segments: Vec<_> = segments.collect();
            let bodies = operation.answers.iter().flat_map(|answer| &answer.bodies);
            let taken = Taken {
                method: operation.method,
                takes: operation.body.iter().map(|(media, _)| *media).collect(),
                answers: bodies.map(|(media, _)| *media).collect(),
            };
            match paths.iter_mut().find(|path| path.segments == segments) {
                Some(path) => path.methods.push(taken),
                None => paths.push(Path { segments, methods: vec![taken] }),
            }
        }
        Self(paths)
    }

    /// What is not described is left to the routes.
    pub fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
        let fitting = || self.0.iter().filter(|known| known.fits(path));
        let mut methods = fitting().flat_map(|path| &path.methods);
        let asked = if method == Method::HEAD { Method::GET } else { method.clone() };
        if let Some(taken) = methods.find(|taken| taken.method == asked.as_str()) {
            taken.check_body(headers)?;
            return taken.check_accept(headers);
        }
        let allowed: Vec<&str> = fitting()
            .flat_map(|path| &path.methods)
            .flat_map(|taken| match taken.method {
                "GET" => vec!["GET", "HEAD"],
                other => vec![other],
            })
            .collect();
        match allowed.is_empty() {
            true => Ok(()),
            false => Err(Problem::method_not_allowed(&allowed.join(", "))),
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path).split('/')
}

impl Path {
    fn fits(&self, path: &str) -> bool {
        let mut known = self.segments.iter();
        let fits = segments(path).all(|segment| match known.next() {
            Some(Some(fixed)) => fixed == segment,
            Some(None) => !segment.is_empty(),
            None => false,
        });
        fits && known.next().is_none()
    }
}

impl Taken {
    fn check_body(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let kind =
            headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        if self.takes.is_empty() || (kind.is_none() && !has_body(headers)) {
            return Ok(());
        }
        let given = kind.map(essence);
        if given.as_ref().is_some_and(|given| self.takes.contains(&given.as_str())) {
            return Ok(());
        }
        let expected = self.takes.join(" or ");
        let given =
            given.map_or_else(|| "no Content-Type".to_owned(), |given| format!("{given:?}"));
        Err(Problem::unsupported_media_type(format!("Expected {expected}, got {given}.")))
    }

    fn check_accept(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut answers = self.answers.iter();
        if self.answers.is_empty() || answers.any(|media| accepts(headers, media) > 0) {
            return Ok(());
        }
        let expected = self.answers.join(" or ");
        Err(Problem::not_acceptable(format!("The answer is {expected}; `Accept` excludes it.")))
    }
}

/// Whether a body follows, empty bodies of known length aside (RFC 9112, section 6.3).
fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::operation::Body;
    use super::*;

    fn gate() -> Gate {
        let body = || Body::Written { schema: json!(true), example: json!({}) };
        let json = "application/json";
        Gate::new(&[
            Operation::new("GET", "/things", "list").answers(200, "", json, body()),
            Operation::new("POST", "/things", "add").takes(json, body(), true).answers(
                201,
                "",
                json,
                body(),
            ),
            Operation::new("DELETE", "/things/{id}", "remove").answers_nothing(204, ""),
        ])
    }

    fn check(method: &str, path: &str, headers: &[(&'static str, &str)]) -> Result<(), Problem> {
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        gate().check(&method.parse().unwrap(), path, &headers.collect())
    }

    #[test]
    fn what_is_not_described_passes() {
        for (method, path) in [
            ("GET", "/things"),
            ("HEAD", "/things/"),
            ("DELETE", "/things/7"),
            ("GET", "/"),
            ("PUT", "/others"),
            ("PUT", "/things/7/8"),
        ] {
            assert_eq!(check(method, path, &[]), Ok(()), "{method} {path}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_those_of_the_very_path() {
        let detail = |method, path| check(method, path, &[]).unwrap_err().detail;
        assert!(detail("PUT", "/things").contains("GET, HEAD, POST"));
        assert!(detail("GET", "/things/7").contains("allows DELETE."));
    }

    #[test]
    fn a_body_is_json_or_nothing() {
        let post = |headers: &[(&'static str, &str)]| {
            check("POST", "/things", headers).map_err(|problem| problem.status)
        };
        let json = ("content-type", "application/json");
        for fine in [&[][..], &[("content-length", "0")], &[json, ("content-length", "2")]] {
            assert_eq!(post(fine), Ok(()), "{fine:?}");
        }
        assert_eq!(post(&[("content-type", "Application/JSON; charset=utf-8")]), Ok(()));
        for bad in [
            &[("content-length", "2")][..],
            &[("transfer-encoding", "chunked")],
            &[("content-type", "text/plain")],
            &[("content-type", "application/jsonx")],
        ] {
            assert_eq!(post(bad), Err(415), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_is_of_a_type_that_the_client_accepts() {
        let get = |path: &str, accept: &str| {
            check("GET", path, &[("accept", accept)]).map_err(|problem| problem.status)
        };
        assert_eq!(get("/things", "application/json"), Ok(()));
        assert_eq!(get("/things", "text/html"), Err(406));
        assert_eq!(get("/others", "text/html"), Ok(()));
    }
}
