//! The REST face of the aggregate, made from its `RESOURCE`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use kernel::aggregate::{Action, Aggregate, FieldError, Invalid, Resource, found};
use serde_json::{Map, Value};
use shared::auth::Caller;
use shared::auth::principal::caller;
use shared::http::consistency_token;
use shared::http::origin::same_origin;
use shared::http::problem::Problem;
use shared::http::{Answer, Client, answer, body, client, json};
use shared::service::slot::ServiceSlot;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::bodies::{self, COMMAND};
use super::commands::Commands;
use super::results::{Accepted as Body, Id};
use super::submit::{self, RequestOptions};
use super::{headers, into_response};
use crate::Service;

pub fn routes<A: Aggregate>(
    slot: ServiceSlot<Service<A>>,
    known: Arc<Commands>,
) -> BoxedFilter<(Response,)> {
    warp::path(A::RESOURCE.path)
        .and(warp::path::tail())
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(caller())
        .and(client())
        .and(fields())
        .then(move |tail: warp::path::Tail, method, headers, caller, client, body| {
            let (slot, known) = (slot.clone(), known.clone());
            async move {
                let path = tail.as_str();
                let asked = (&method, path, &headers, (&caller, client));
                into_response(handle(&slot, &known, asked, body).await)
            }
        })
        .boxed()
}

/// The body of a command. That of a DELETE means nothing (RFC 9110, section 9.3.5), and is not looked at.
fn fields() -> impl Filter<Extract = (Result<Bytes, Problem>,), Error = Rejection> + Clone {
    let none = |method: Method| {
        let none = (method == Method::DELETE).then(|| Ok::<_, Problem>(Bytes::new()));
        std::future::ready(none.ok_or_else(warp::reject::not_found))
    };
    warp::method().and_then(none).or(body(COMMAND)).unify()
}

/// What a request says beside its body, and who sent it.
type Asked<'a> = (&'a Method, &'a str, &'a HeaderMap, (&'a Caller, Option<Client>));

async fn handle<A: Aggregate>(
    slot: &ServiceSlot<Service<A>>,
    known: &Commands,
    (method, path, headers, (caller, client)): Asked<'_>,
    body: Result<Bytes, Problem>,
) -> Answer {
    same_origin(headers)?;
    let mut command = route(&A::RESOURCE, method, path)?;
    let repeated = merge(&mut command, &body?, &A::RESOURCE)?;
    let command = Value::Object(command);
    if let Some(first) = repeated.first() {
        let detail = format!("`{}`: unknown field here; the path says it.", first.pointer);
        return Err(known.complete(Invalid { detail, errors: repeated }, &command));
    }
    let service = slot.service()?;
    let options = RequestOptions {
        key: headers::idempotency_key(headers, caller)?,
        expected: headers::if_match(headers, &service.log),
        owner: caller.owner().map(str::to_owned),
        meta: headers::meta(headers, caller),
        client,
        request_id: headers::request_id(headers),
    };
    let outcome = submit::submit(&service, known, command, options)?;
    let accepted = submit::outcome::<A>(outcome, submit::outcome_deadline()).await?;
    let mut response = json(submit::status(&accepted), &Body::<Id<'_, A>>::of(&accepted))?;
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
                (None, _) if there.is_empty() => Err(no_route(resource)),
                (None, _) => {
                    let methods: Vec<&str> = there.iter().map(|action| action.method).collect();
                    Err(Problem::method_not_allowed(&methods.join(", ")))
                }
            }
        }
        [_] => Err(no_route(resource)),
    }
}

fn no_route(resource: &Resource) -> Problem {
    let detail = format!("No route has this path; {} are read from query-api.", resource.path);
    Problem::not_found(detail)
}

/// Adds the fields of the body, which may not repeat what the path says: returns those that do. No body
/// is an empty one.
fn merge(
    command: &mut Map<String, Value>,
    body: &[u8],
    resource: &Resource,
) -> Result<Vec<FieldError>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(vec![]);
    }
    let fields = match bodies::one(body)? {
        Value::Object(fields) => fields,
        other => return Err(Invalid::at("", "a JSON object", found(&other)).into()),
    };
    let mut errors = vec![];
    for (name, value) in fields {
        let own_id = name == resource.id && !command.contains_key(&name);
        if name == "type" || (command.contains_key(&name) && !own_id) {
            let error =
                Invalid::at(format!("/{name}"), "no such field: the path says it", found(&value));
            errors.extend(error.errors);
            continue;
        }
        command.insert(name, value);
    }
    Ok(errors)
}
