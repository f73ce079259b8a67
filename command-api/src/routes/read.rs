//! What is read from the log itself: the feed, a stream's events, a state in the past.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use shared::Timestamp;
use shared::aggregate::Aggregate;
use shared::http::answer::set;
use shared::http::probes::get_or_head;
use shared::http::{Answer, json as json_answer, wait};
use shared::log::{Commit, StreamName};
use shared::message::{CloudEvent, source};
use shared::problem::Problem;
use shared::service_gate::Gate;
use shared::token::{self, Token};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::into_response;
use crate::Service;
use crate::audit::{self, Until};

const LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

type Parameters = BTreeMap<String, String>;

pub fn routes<A: Aggregate>(gate: Gate<Service<A>>) -> BoxedFilter<(Response,)> {
    let with = {
        let gate = gate.clone();
        warp::any().map(move || gate.clone())
    };
    let query = warp::query::<Parameters>;
    let feed = warp::path!("events")
        .and(get_or_head())
        .and(with.clone())
        .and(query())
        .and(warp::header::headers_cloned())
        .then(|gate, parameters, headers| async move {
            into_response(feed(gate, parameters, headers).await)
        });
    let one = || warp::path(A::RESOURCE.path).and(warp::path::param::<String>());
    let events = one()
        .and(warp::path!("events"))
        .and(get_or_head())
        .and(with.clone())
        .then(|id, gate| async move { into_response(events::<A>(gate, id).await) });
    let state = one().and(warp::path!("state")).and(get_or_head()).and(with).and(query()).then(
        |id, gate, parameters| async move { into_response(state::<A>(gate, id, parameters).await) },
    );
    feed.or(events).unify().or(state).unify().boxed()
}

fn known(parameters: &Parameters, names: &[&str]) -> Result<(), Problem> {
    match parameters.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let names = names.join(", ");
            Err(Problem::malformed(format!(
                "Parameter {name:?} is unknown here; expected: {names}."
            )))
        }
    }
}

fn bad(name: &str, expected: &str, got: &str) -> Problem {
    Problem::malformed(format!("Parameter {name:?}: expected {expected}, got {got:?}."))
}

async fn feed<A: Aggregate>(
    gate: Gate<Service<A>>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Answer {
    known(&parameters, &["after", "limit"])?;
    let service = gate.service()?;
    let limit = match parameters.get("limit") {
        None => LIMIT,
        Some(text) => match text.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => limit,
            _ => return Err(bad("limit", &format!("an integer from 1 to {MAX_LIMIT}"), text)),
        },
    };
    let after = match parameters.get("after") {
        None => 0,
        Some(text) => audit::parse_cursor(text, &service.log)?,
    };
    let prefer = headers.get("prefer").and_then(|value| value.to_str().ok());
    let wait = wait::preferred(prefer).unwrap_or(Duration::ZERO);
    let page = audit::feed(&service, after, limit, wait).await?;
    let mut response = json_answer(StatusCode::OK, &page)?;
    if after <= page.head {
        set(&mut response, token::HEADER, &page.next); // A cursor is written as a position's token is.
    }
    Ok(response)
}

/// The commits of one aggregate, or 404.
async fn commits<A: Aggregate>(service: &Service<A>, id: &str) -> Result<Vec<Commit>, Problem> {
    let name = A::RESOURCE.name;
    let unknown = || Problem::unknown(name, format!("There is no {name} {id:?}."));
    let uuid = id.parse().map_err(|_| unknown())?;
    let commits = audit::stream(&service.store, &StreamName::new(A::CATEGORY, uuid)).await?;
    if commits.is_empty() { Err(unknown()) } else { Ok(commits) }
}

async fn events<A: Aggregate>(gate: Gate<Service<A>>, id: String) -> Answer {
    let service = gate.service()?;
    let commits = commits(&service, &id).await?;
    let source = source(&service.namespace, &service.log);
    let events = commits.iter().flat_map(Commit::recorded);
    let events: Vec<CloudEvent> = events.map(|event| CloudEvent::new(event, &source)).collect();
    let mut response = json_answer(StatusCode::OK, &json!({ "events": events }))?;
    if let Some(last) = commits.last() {
        let shown = Token::of_stream(&service.log, &last.stream, last.to);
        set(&mut response, token::HEADER, &shown.to_string());
    }
    Ok(response)
}

async fn state<A: Aggregate>(gate: Gate<Service<A>>, id: String, parameters: Parameters) -> Answer {
    known(&parameters, &["version", "at"])?;
    let until = match (parameters.get("version"), parameters.get("at")) {
        (None, None) => Until::Now,
        (Some(text), None) => match text.parse() {
            Ok(version) if version >= 1 => Until::Version(version),
            _ => return Err(bad("version", "an integer from 1", text)),
        },
        (None, Some(text)) => Until::Time(
            Timestamp::parse(text).map_err(|_| bad("at", "a time as in RFC 3339", text))?,
        ),
        (Some(_), Some(_)) => {
            return Err(Problem::malformed("Expected `version` or `at`, not both."));
        }
    };
    let service = gate.service()?;
    let commits = commits(&service, &id).await?;
    let last = commits.last().map_or(0, |commit| commit.to);
    if let Until::Version(version) = until
        && version > last
    {
        return Err(Problem::not_found(format!(
            "It has no version {version} yet; its latest is {last}."
        )));
    }
    let Some((state, version, at)) = audit::state::<A>(&commits, until)? else {
        return Err(Problem::not_found("It did not exist at that time."));
    };
    let mut body = serde_json::to_value(&state).map_err(|e| Problem::internal(e.to_string()))?;
    if let Value::Object(fields) = &mut body {
        fields.insert("version".to_owned(), version.into());
        fields.insert("updated_at".to_owned(), at.to_string().into());
    }
    let mut response = json_answer(StatusCode::OK, &body)?;
    set(&mut response, "etag", &format!("\"{version}\""));
    if let Some(commit) = commits.first() {
        let shown = Token::of_stream(&service.log, &commit.stream, version);
        set(&mut response, token::HEADER, &shown.to_string());
    }
    Ok(response)
}
