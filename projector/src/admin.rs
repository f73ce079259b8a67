//! The projector's own listener: probes, and what operators look at and ask for.

mod dead_letters;
mod describe;
mod operation_log;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use kernel::log::{LogId, Position, StreamName};
use kernel::parameters::Parameters;
use kernel::views::Parked;
use schemars::JsonSchema;
use serde::Serialize;
use shared::auth::principal::caller;
use shared::auth::{Authenticator, Caller};
use shared::http::answer::{into_response, set};
use shared::http::origin::same_origin;
use shared::http::probes::{get_or_head, probes};
use shared::http::problem::Problem;
use shared::http::serve::Routes;
use shared::http::{Answer, Guard, close, json as json_answer};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use shared::view_store::GenerationId;
use warp::Filter;

use crate::operations::GenerationStatus;
use crate::{Operations, Overview, Rebuild, Retry};

/// Items of a page, where the client does not say how many it wants.
const DEFAULT_LIMIT: usize = 50;

/// The routes of the listener: 503 while the slot is empty, but for the probes, which answer from
/// `health`.
///
/// With an authenticator clients are asked who they are, by the guard that is returned.
pub fn routes(
    slot: ServiceSlot<Operations>,
    health: Health,
    authenticator: Option<&Arc<Authenticator>>,
) -> (Routes, Option<Guard>) {
    let kept = dead_letters::routes(slot.clone()).or(operation_log::routes(slot.clone())).unify();
    let with = warp::any().map(move || slot.clone());
    let headers = warp::header::headers_cloned;
    let generations = warp::path!("generations").and(get_or_head()).and(with.clone()).then(
        |slot: ServiceSlot<Operations>| async move { into_response(generations(&slot).await) },
    );
    let flow = warp::path!("flow")
        .and(get_or_head())
        .and(with.clone())
        .then(|slot: ServiceSlot<Operations>| async move { into_response(flow(&slot).await) });
    let acts = with.clone().and(caller()).and(headers());
    let rebuild = warp::path!("rebuild").and(warp::post()).and(acts.clone()).then(
        |slot: ServiceSlot<Operations>, caller, headers| async move {
            into_response(rebuild(&slot, &caller, &headers).await)
        },
    );
    let parked = warp::path!("parked")
        .and(get_or_head())
        .and(with.clone())
        .and(warp::query::<Given>())
        .then(|slot: ServiceSlot<Operations>, given| async move {
            into_response(parked(&slot, &given).await)
        });
    let retry = warp::path!("parked" / String / "retry").and(warp::post()).and(acts.clone()).then(
        |stream: String, slot: ServiceSlot<Operations>, caller, headers| async move {
            into_response(retry(&slot, &stream, &caller, &headers).await)
        },
    );
    let renew = warp::path!("log" / "renew").and(warp::post()).and(acts.clone()).then(
        |slot: ServiceSlot<Operations>, caller, headers| async move {
            into_response(renew(&slot, &caller, &headers).await)
        },
    );
    let looks = generations.or(flow).unify();
    let all = looks.or(rebuild).unify().or(parked).unify().or(retry).unify().or(renew).unify();
    let described = describe::describe(authenticator);
    let own = probes(health).or(described.gate()).unify().or(described.routes()).unify();
    let all = own.or(all.boxed()).unify().or(kept).unify();
    (close(all.boxed(), "GET, HEAD, POST, DELETE"), described.guard())
}

/// All generations.
#[derive(Serialize, JsonSchema)]
struct Generations {
    items: Vec<GenerationStatus>,
    /// All are here.
    next: (),
    /// The highest position of the log.
    head: Position,
}

/// A generation that was begun.
#[derive(Serialize, JsonSchema)]
struct Begun {
    id: GenerationId,
}

/// The new identity of a log.
#[derive(Serialize, JsonSchema)]
struct Renewed {
    log: LogId,
}

/// Parked streams, in the order of their names.
#[derive(Serialize, JsonSchema)]
struct ParkedList {
    items: Vec<Parked>,
    /// How many there are, on this page or not.
    total: u64,
    /// The `cursor` of the next page; `null` at the end.
    next: Option<StreamName>,
}

/// The parameters of a query string.
type Given = BTreeMap<String, String>;

/// A stream that was parked.
#[derive(Serialize, JsonSchema)]
struct Retried {
    stream: StreamName,
    /// False: all of it is in the views.
    parked: bool,
}

/// Every generation with its checkpoint and whether this worker serves it, how far one in the making
/// is, and the head of the log.
async fn generations(slot: &ServiceSlot<Operations>) -> Answer {
    let Overview { generations, head } = slot.service()?.overview().await?;
    live(&Generations { items: generations, next: (), head })
}

/// How far each step of the pipeline is.
async fn flow(slot: &ServiceSlot<Operations>) -> Answer {
    live(&slot.service()?.flow().await?)
}

/// Asks for a new generation beside the live one: 202, or 409 while one is being made.
async fn rebuild(slot: &ServiceSlot<Operations>, caller: &Caller, headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    match slot.service()?.begin_rebuild(caller.name()).await? {
        Rebuild::Begun(id) => json_answer(StatusCode::ACCEPTED, &Begun { id }),
        Rebuild::UnderWay => {
            Err(Problem::already_building("GET /generations shows how far it is."))
        }
        Rebuild::OtherViews => Err(other_views()),
    }
}

/// Gives a restored log its new identity; new views are made from it while the old ones serve.
async fn renew(slot: &ServiceSlot<Operations>, caller: &Caller, headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    let log = slot.service()?.renew_log(caller.name()).await?;
    json_answer(StatusCode::OK, &Renewed { log })
}

/// What could not be applied to the live views, and why: a page of it. Any text is a place among the
/// names of streams, so each is a cursor.
async fn parked(slot: &ServiceSlot<Operations>, given: &Given) -> Answer {
    let mut parameters = Parameters::new(given);
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let after = parameters.text("cursor").map(StreamName::stored);
    parameters.finish()?;
    let none = || Problem::unavailable("The views are being made; try again.");
    let page = slot.service()?.parked(after.as_ref(), limit).await?.ok_or_else(none)?;
    let next = page.next().cloned();
    live(&ParkedList { items: page.notes, total: page.total, next })
}

/// Tries a parked stream again: 200 when it is applied, 409 when it is parked again.
async fn retry(
    slot: &ServiceSlot<Operations>,
    stream: &str,
    caller: &Caller,
    headers: &HeaderMap,
) -> Answer {
    same_origin(headers)?;
    let stream = StreamName::stored(stream);
    match slot.service()?.retry_parked(caller.name(), &stream).await? {
        Retry::Applied => json_answer(StatusCode::OK, &Retried { stream, parked: false }),
        Retry::StillParked(reason) => {
            let detail = format!("It was tried again: {reason}.");
            Err(Problem::still_parked(detail).with("reason", reason))
        }
        Retry::NotParked => Err(Problem::unknown("parked", format!("{stream} is not parked."))),
        Retry::OtherViews => Err(other_views()),
    }
}

/// What may have changed by the next request.
fn live(body: &impl Serialize) -> Answer {
    let mut response = json_answer(StatusCode::OK, body)?;
    set(&mut response, "cache-control", "no-cache");
    Ok(response)
}

/// The answer to what only a worker of the live projection and log may do.
fn other_views() -> Problem {
    Problem::unavailable(
        "The live views are not of this worker's projection and log; ask a worker that serves them.",
    )
}
