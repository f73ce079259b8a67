//! What is read from the log itself: the feed, a stream's events, a state in the past.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use kernel::Timestamp;
use kernel::aggregate::{Aggregate, parse_id};
use kernel::log::{Position, StreamName, Version};
use kernel::parameters::{Parameters, bad, number};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shared::auth::Caller;
use shared::auth::principal::caller;
use shared::http::answer::{self, set};
use shared::http::conditional::is_known;
use shared::http::consistency_token::{self, FeedCursor, Token};
use shared::http::probes::get_or_head;
use shared::http::problem::{JSON, Problem};
use shared::http::serve::address;
use shared::http::{Answer, Client, json as json_answer, wait};
use shared::messaging::cloud_event::{CloudEvent, source};
use shared::service::slot::ServiceSlot;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::headers::state_etag;
use super::into_response;
use crate::Service;
use crate::audit::{self, Folded, Past, Until};

/// Commits or events of a page, where the client does not say how many it wants.
const DEFAULT_LIMIT: usize = 100;

/// `Cache-Control` of what may change.
const LIVE: &str = "no-cache";
/// `Cache-Control` of a state at a version, which never changes as long as the log is the same.
const PAST: &str = "private, max-age=86400, immutable";

/// How long a fold may take, with all the waiting for its place and its turns to read: as long as a command.
const FOLD_TIMEOUT: Duration = Duration::from_secs(10);

type Given = BTreeMap<String, String>;

pub fn routes<A: Aggregate>(slot: ServiceSlot<Service<A>>) -> BoxedFilter<(Response,)> {
    let with = {
        let slot = slot.clone();
        warp::any().map(move || slot.clone())
    };
    let query = warp::query::<Given>;
    let feed = warp::path!("events")
        .and(get_or_head())
        .and(with.clone())
        .and(query())
        .and(warp::header::headers_cloned())
        .and(client())
        .then(|slot, parameters, headers, client| async move {
            into_response(feed(slot, parameters, headers, client).await)
        });
    let one = || warp::path(A::RESOURCE.path).and(warp::path::param::<String>());
    let events = one()
        .and(warp::path!("events"))
        .and(get_or_head())
        .and(with.clone())
        .and(query())
        .and(client())
        .then(|id, slot, parameters, client| async move {
            into_response(events::<A>(slot, id, parameters, client).await)
        });
    let state = one()
        .and(warp::path!("state"))
        .and(get_or_head())
        .and(with)
        .and(query())
        .and(warp::header::headers_cloned())
        .and(client())
        .then(|id, slot, parameters, headers, client| async move {
            into_response(state::<A>(slot, id, parameters, headers, client).await)
        });
    feed.or(events).unify().or(state).unify().boxed()
}

/// Whose share of the reads a request takes of.
fn client() -> impl Filter<Extract = (Option<Client>,), Error = Infallible> + Clone {
    caller().and(address()).map(|caller: Caller, address| Client::of(&caller, address))
}

/// A part of the log.
#[derive(Serialize, JsonSchema)]
pub struct Feed<'a> {
    /// The events of whole commits, in the order of the log.
    events: Vec<CloudEvent<'a>>,
    /// The `after` of the next request.
    next: Cow<'a, str>,
    /// The highest position of the log.
    head: Position,
}

/// A part of a stream.
#[derive(Serialize, JsonSchema)]
pub struct StreamEvents<'a> {
    /// In the order of the stream.
    events: Vec<CloudEvent<'a>>,
    /// The `after` of the next request; `null` at the end.
    next: Option<Version>,
}

async fn feed<A: Aggregate>(
    slot: ServiceSlot<Service<A>>,
    given: Given,
    headers: HeaderMap,
    client: Option<Client>,
) -> Answer {
    let mut parameters = Parameters::new(&given);
    parameters.only(&["after", "limit"])?;
    let service = slot.service()?;
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let after = match parameters.text("after") {
        None => 0,
        Some(text) => audit::parse_cursor(text, &service.log)?,
    };
    let prefer = headers.get("prefer").and_then(|value| value.to_str().ok());
    let wait = wait::preferred(prefer).unwrap_or(Duration::ZERO);
    let page = audit::feed(&service, client.as_ref(), after, limit, wait).await?;
    let source = source(&service.namespace, &service.log);
    let events = page.commits.iter().flat_map(|commit| CloudEvent::of_commit(commit, &source));
    let next = FeedCursor::new(&service.log, page.to).to_string();
    let body = Feed { events: events.collect(), next: next.as_str().into(), head: page.head };
    let mut response = json_answer(StatusCode::OK, &body)?;
    set(&mut response, "cache-control", LIVE);
    if after <= page.head {
        // A cursor is written as a position's token is.
        set(&mut response, consistency_token::HEADER, &next);
    }
    Ok(response)
}

/// The stream of an aggregate by its id, and the problem that there is none.
fn stream<A: Aggregate>(id: &str) -> Result<StreamName, Problem> {
    let uuid = parse_id(id).ok_or_else(|| unknown::<A>(id))?;
    Ok(StreamName::new(A::CATEGORY, uuid))
}

fn unknown<A: Aggregate>(id: &str) -> Problem {
    let name = A::RESOURCE.name;
    Problem::unknown(name, format!("There is no {name} {id:?}."))
}

async fn events<A: Aggregate>(
    slot: ServiceSlot<Service<A>>,
    id: String,
    given: Given,
    client: Option<Client>,
) -> Answer {
    let mut parameters = Parameters::new(&given);
    parameters.only(&["after", "limit"])?;
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let version = |text: &str| number(text);
    let after = parameters.read("after", "the `next` of an answer, or a version", version)?;
    let after = after.unwrap_or(0);
    let service = slot.service()?;
    let stream = stream::<A>(&id)?;
    let place = service.reading(client.as_ref()).await?;
    let found = audit::events(&service.store, &stream, after, limit).await?;
    let found = found.ok_or_else(|| unknown::<A>(&id))?;
    let last = found.events.last().map(|event| event.version);
    let next = last.filter(|_| found.more);
    let source = source(&service.namespace, &service.log);
    let events = found.events.into_iter().map(|event| CloudEvent::new(event, &source));
    let events: Vec<CloudEvent<'_>> = events.collect();
    let mut response = json_answer(StatusCode::OK, &StreamEvents { events, next })?;
    drop(place);
    set(&mut response, "cache-control", LIVE);
    if let Some(last) = last {
        let shown = Token::of_stream(&service.log, &stream, last);
        set(&mut response, consistency_token::HEADER, &shown.to_string());
    }
    Ok(response)
}

fn too_long<A: Aggregate>() -> Problem {
    let (name, seconds) = (A::RESOURCE.name, FOLD_TIMEOUT.as_secs());
    Problem::unavailable(format!("The {name} could not be folded within {seconds} s; try again."))
}

fn until(given: &Given) -> Result<Until, Problem> {
    let mut parameters = Parameters::new(given);
    parameters.only(&["version", "at"])?;
    match (parameters.text("version"), parameters.text("at")) {
        (None, None) => Ok(Until::Now),
        (Some(text), None) => match number(text) {
            Some(version) if version >= 1 => Ok(Until::Version(version)),
            _ => Err(bad("version", "an integer from 1", text).into()),
        },
        (None, Some(text)) => Ok(Until::Time(
            Timestamp::parse(text).map_err(|_| bad("at", "a time as in RFC 3339", text))?,
        )),
        (Some(_), Some(_)) => Err(Problem::malformed("Expected `version` or `at`, not both.")),
    }
}

async fn state<A: Aggregate>(
    slot: ServiceSlot<Service<A>>,
    id: String,
    given: Given,
    headers: HeaderMap,
    client: Option<Client>,
) -> Answer {
    let until = until(&given)?;
    let is_past = matches!(until, Until::Version(_));
    let service = slot.service()?;
    let stream = stream::<A>(&id)?;
    let folded = audit::state::<A>(&service, client.as_ref(), &stream, until);
    let folded = tokio::time::timeout(FOLD_TIMEOUT, folded);
    let past = match folded.await.map_err(|_| too_long::<A>())?? {
        Folded::Past(past) => past,
        Folded::Nothing => return Err(unknown::<A>(&id)),
        Folded::NotYet => return Err(Problem::not_found("It did not exist at that time.")),
        Folded::Shorter(last) => {
            return Err(Problem::not_found(format!(
                "It has no such version yet; its latest is {last}."
            )));
        }
    };
    let (version, body) = (past.version, body(past)?);
    let etag = state_etag(version, &service.log, &body);
    let mut response = match is_known(&headers, &etag)? {
        true => answer::bytes(StatusCode::NOT_MODIFIED, Bytes::new(), JSON),
        false => answer::bytes(StatusCode::OK, body, JSON),
    };
    set(&mut response, "cache-control", if is_past { PAST } else { LIVE });
    set(&mut response, "etag", &etag);
    let shown = Token::of_stream(&service.log, &stream, version);
    set(&mut response, consistency_token::HEADER, &shown.to_string());
    Ok(response)
}

/// The state as JSON, with `version` and `updated_at`.
fn body<S: Serialize>(past: Past<S>) -> Result<Vec<u8>, Problem> {
    let Past { state, version, at, .. } = past;
    let internal = |error: serde_json::Error| Problem::internal(error.to_string());
    let mut body = serde_json::to_value(&state).map_err(internal)?;
    if let Value::Object(fields) = &mut body {
        fields.insert("version".to_owned(), version.into());
        fields.insert("updated_at".to_owned(), at.to_string().into());
    }
    serde_json::to_vec(&body).map_err(internal)
}
