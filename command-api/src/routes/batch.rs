//! `POST /commands`: up to 1,000 commands, as a JSON array or as NDJSON.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use kernel::aggregate::{Aggregate, Invalid, found};
use serde::Serialize;
use serde_json::Value;
use shared::auth::Caller;
use shared::auth::principal::caller;
use shared::http::fields::MAX_ERRORS;
use shared::http::origin::same_origin;
use shared::http::problem::Problem;
use shared::http::{Answer, Client, answer, body, client};
use shared::service::slot::ServiceSlot;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::bodies::{self, BATCH, NDJSON};
use super::commands::Commands;
use super::results::{self, Done, Id, OneOf, Results};
use super::submit::{self, RequestOptions, Together};
use super::{headers, into_response};
use crate::Service;
use crate::write::Accepted;

/// The path of batches, without its slash.
pub const PATH: &str = "commands";

/// Stands between the key of a batch and the index of its command. No key that a client sends has a
/// control character, so no other key is the same.
const SEPARATOR: char = '\u{1f}';

pub fn routes<A: Aggregate>(
    slot: ServiceSlot<Service<A>>,
    known: Arc<Commands>,
) -> BoxedFilter<(Response,)> {
    warp::path(PATH)
        .and(warp::path::end())
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(caller())
        .and(client())
        .and(body(BATCH))
        .then(move |headers, caller, client, body| {
            let (slot, known) = (slot.clone(), known.clone());
            async move {
                let asked = (&headers, &caller, client);
                into_response(handle(&slot, &known, asked, body).await)
            }
        })
        .boxed()
}

async fn handle<A: Aggregate>(
    slot: &ServiceSlot<Service<A>>,
    known: &Commands,
    (headers, caller, client): (&HeaderMap, &Caller, Option<Client>),
    body: Result<Bytes, Problem>,
) -> Answer {
    same_origin(headers)?;
    let body = body?;
    let lines = is_ndjson(headers);
    let commands = if lines { bodies::lines(&body)? } else { bodies::array(&body)? };
    let service = slot.service()?;
    let key = headers::idempotency_key(headers, caller)?;
    let (meta, request_id) = (headers::meta(headers, caller), headers::request_id(headers));
    let owner = caller.owner().map(str::to_owned);
    let (mut together, mut room) = (Together::of_batch(), ErrorRoom::default());
    // One command at a time is in memory as JSON. All are submitted before any is awaited: they share
    // groups, and those of one stream keep their sequence.
    let submitted: Vec<_> = commands
        .into_iter()
        .map(bodies::one)
        .enumerate()
        .map(|(index, command)| {
            let key = key.as_ref().map(|key| format!("{key}{SEPARATOR}{index}"));
            let (owner, meta, request_id) = (owner.clone(), meta.clone(), request_id.clone());
            let (client, expected) = (client.clone(), Ok(None));
            let options = RequestOptions { key, expected, owner, meta, client, request_id };
            let (command, own) = with_own_key(command?, caller);
            let own = own.map_err(|invalid| known.complete(invalid, &command))?;
            let options = RequestOptions { key: own.or(options.key), ..options };
            submit::submit_with(&service, known, command, options, &mut together)
        })
        .map(|submitted| submitted.map_err(|problem| room.cut(problem)))
        .collect();
    drop(body); // It may be much larger than the commands, which wait from here on.
    let deadline = submit::outcome_deadline();
    let mut outcomes = Vec::with_capacity(submitted.len());
    for submitted in submitted {
        outcomes.push(match submitted {
            Ok(outcome) => submit::outcome::<A>(outcome, deadline).await,
            Err(problem) => Err(problem),
        });
    }
    let results = outcomes.iter().map(|outcome| result(&service, outcome));
    write(results.collect(), lines)
}

/// Room for wrong fields in the answer of a batch: one of each command, and `MAX_ERRORS` more in all.
/// Otherwise a request of 1 MiB could ask for 100,000 of them.
struct ErrorRoom(usize);

impl Default for ErrorRoom {
    fn default() -> Self {
        Self(MAX_ERRORS)
    }
}

impl ErrorRoom {
    /// Leaves out what there is no room for, and says so.
    fn cut(&mut self, mut problem: Problem) -> Problem {
        let more = problem.errors.len().saturating_sub(1);
        let listed = more.min(self.0);
        self.0 -= listed;
        if listed == more {
            return problem;
        }
        let mut errors = std::mem::take(&mut problem.errors).into_vec();
        errors.truncate(1 + listed);
        problem.errors = errors.into();
        let detail = &problem.detail;
        problem.detail = format!(
            "{detail} A batch lists {MAX_ERRORS} fields beyond the first of each command; `errors_left_out` \
             says how many of this command are left out."
        )
        .into();
        problem.leaving_out(more - listed)
    }
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with(NDJSON))
}

/// A command, and the `idempotency_key` that it may have beside its fields, as a key of the principal.
fn with_own_key(mut command: Value, caller: &Caller) -> (Value, Result<Option<String>, Invalid>) {
    let own = command.as_object_mut().and_then(|fields| fields.remove("idempotency_key"));
    let Some(own) = own else { return (command, Ok(None)) };
    let key = own.as_str().and_then(|text| headers::key(text, caller).ok());
    let bad = || Invalid::at("/idempotency_key", headers::expected_key(), found(&own));
    (command, key.ok_or_else(bad).map(Some))
}

fn result<'a, A: Aggregate>(
    service: &Service<A>,
    outcome: &'a Result<Accepted, Problem>,
) -> OneOf<'a, Id<'a, A>> {
    match outcome {
        Ok(accepted) => OneOf::Done(Done {
            accepted: results::Accepted::of(accepted),
            status: submit::status(accepted).as_u16(),
            token: submit::token(service, accepted),
        }),
        Err(problem) => OneOf::Problem(problem),
    }
}

fn write<I: Serialize>(results: Vec<OneOf<'_, I>>, lines: bool) -> Answer {
    if !lines {
        return shared::http::json(StatusCode::OK, &Results { results });
    }
    let mut body = Vec::new();
    for result in results {
        let written = serde_json::to_writer(&mut body, &result);
        written.map_err(|error| Problem::internal(error.to_string()))?;
        body.push(b'\n');
    }
    Ok(answer::bytes(StatusCode::OK, body, NDJSON))
}

#[cfg(test)]
mod tests {
    use kernel::aggregate::FieldError;

    use super::*;

    #[test]
    fn wrong_fields_of_a_batch_have_a_bound_and_each_command_has_its_first() {
        let problem = |errors: usize| {
            let errors = (0..errors).map(|n| FieldError {
                pointer: format!("/{n}"),
                expected: "no such field".to_owned(),
                found: "1".to_owned(),
            });
            Problem::from(Invalid { errors: errors.collect(), ..Invalid::new("Wrong.") })
        };
        let mut room = ErrorRoom::default();
        let mut cut = |errors: usize| {
            let cut = room.cut(problem(errors));
            (cut.errors.len(), cut.facts.get("errors_left_out").and_then(Value::as_u64))
        };
        assert_eq!(cut(0), (0, None));
        assert_eq!(cut(1), (1, None));
        assert_eq!(cut(100), (100, None));
        assert_eq!(cut(5), (2, Some(3)));
        assert_eq!(cut(100), (1, Some(99)));
        assert_eq!(cut(1), (1, None));
        let more = ErrorRoom(0).cut(problem(3).leaving_out(140));
        assert_eq!((more.errors.len(), more.facts["errors_left_out"].as_u64()), (1, Some(142)));
        let said = ErrorRoom(0).cut(problem(3));
        assert!(said.detail.starts_with("Wrong. "), "{}", said.detail);
        assert_eq!(&*said.errors[0].pointer, "/0");
    }
}
