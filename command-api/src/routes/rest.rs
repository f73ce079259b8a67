//! The REST face of the aggregate, made from its `RESOURCE`.

use bytes::Bytes;
use http::{HeaderMap, Method};
use kernel::aggregate::{Action, Aggregate, Resource};
use serde_json::{Map, Value};
use shared::http::consistency_token;
use shared::http::origin::same_origin;
use shared::http::problem::Problem;
use shared::http::{Answer, answer, body, json};
use shared::service::slot::ServiceSlot;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::bodies::{self, COMMAND};
use super::submit::{self, RequestOptions};
use super::{headers, into_response};
use crate::Service;

pub fn routes<A: Aggregate>(slot: ServiceSlot<Service<A>>) -> BoxedFilter<(Response,)> {
    warp::path(A::RESOURCE.path)
        .and(warp::path::tail())
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(body(COMMAND))
        .then(move |tail: warp::path::Tail, method, headers, body| {
            let slot = slot.clone();
            async move { into_response(handle(&slot, tail.as_str(), &method, &headers, body).await) }
        })
        .boxed()
}

async fn handle<A: Aggregate>(
    slot: &ServiceSlot<Service<A>>,
    path: &str,
    method: &Method,
    headers: &HeaderMap,
    body: Result<Bytes, Problem>,
) -> Answer {
    same_origin(headers)?;
    let mut command = route(&A::RESOURCE, method, path)?;
    merge(&mut command, &body?, &A::RESOURCE)?;
    let service = slot.service()?;
    let options = RequestOptions {
        key: headers::idempotency_key(headers)?,
        expected: headers::if_match(headers, &service.log)?,
        meta: headers::meta(headers),
    };
    let outcome = submit::submit(&service, Value::Object(command), options)?;
    let accepted = submit::outcome::<A>(outcome, submit::outcome_deadline()).await?;
    let mut response = json(submit::status(&accepted), &submit::body::<A>(&accepted))?;
    answer::set(&mut response, "etag", &headers::etag(accepted.version, &service.log));
    answer::set(&mut response, consistency_token::HEADER, &submit::token(&service, &accepted));
    if accepted.from == 1 {
        let location = format!("/{}/{}", A::RESOURCE.path, accepted.stream.id());
        answer::set(&mut response, "location", &location);
    }
    Ok(response)
}

/// The command that the path stands for, with what the path says of it.
fn route(resource: &Resource, method: &Method, path: &str) -> Result<Map<String, Value>, Problem> {
    let segments = shared::http::path::segments(path)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let fields = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect()
    };
    match segments[..] {
        [] if method == Method::POST => Ok(fields(&[("type", resource.create)])),
        [] => Err(Problem::method_not_allowed("POST")),
        [id, segment, ref rest @ ..] => {
            let fits = |action: &&Action| {
                action.segment == segment
                    && action.parameter.is_some() == (rest.len() == 1)
                    && rest.len() < 2
            };
            let there: Vec<&Action> = resource.actions.iter().filter(fits).collect();
            let action = there.iter().find(|action| action.method == method.as_str());
            match (action, rest) {
                (Some(action), []) => Ok(fields(&[("type", action.command), (resource.id, id)])),
                (Some(action), [value, ..]) => {
                    let parameter = action.parameter.unwrap_or_default();
                    Ok(fields(&[("type", action.command), (resource.id, id), (parameter, value)]))
                }
                (None, _) if there.is_empty() => Err(no_route()),
                (None, _) => {
                    let methods: Vec<&str> = there.iter().map(|action| action.method).collect();
                    Err(Problem::method_not_allowed(&methods.join(", ")))
                }
            }
        }
        [_] => Err(no_route()),
    }
}

fn no_route() -> Problem {
    Problem::not_found("No route has this path; orders are read from query-api.")
}

/// Adds the fields of the body, which may not repeat what the path says. No body is an empty one.
fn merge(
    command: &mut Map<String, Value>,
    body: &[u8],
    resource: &Resource,
) -> Result<(), Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let Value::Object(fields) = bodies::one(body)? else {
        return Err(Problem::validation("The body: expected a JSON object."));
    };
    for (name, value) in fields {
        let own_id = name == resource.id && !command.contains_key(&name);
        if name == "type" || (command.contains_key(&name) && !own_id) {
            return Err(Problem::validation(format!(
                "`{name}`: unknown field here; the path says it."
            )));
        }
        command.insert(name, value);
    }
    Ok(())
}
