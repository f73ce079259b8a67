//! The projector's own listener: probes, and what operators look at and ask for.

mod dead_letters;

use http::{HeaderMap, StatusCode};
use kernel::log::StreamName;
use serde_json::json;
use shared::http::answer::into_response;
use shared::http::origin::same_origin;
use shared::http::probes::{get_or_head, probes};
use shared::http::problem::Problem;
use shared::http::serve::Routes;
use shared::http::{Answer, close, json as json_answer};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use warp::Filter;

use crate::{Operations, Overview, Rebuild, Retry};

/// The routes of the listener: 503 while the slot is empty, but for the probes, which answer from
/// `health`.
pub fn routes(slot: ServiceSlot<Operations>, health: Health) -> Routes {
    let dead_letters = dead_letters::routes(slot.clone());
    let with = warp::any().map(move || slot.clone());
    let headers = warp::header::headers_cloned;
    let generations = warp::path!("generations").and(get_or_head()).and(with.clone()).then(
        |slot: ServiceSlot<Operations>| async move { into_response(generations(&slot).await) },
    );
    let flow = warp::path!("flow")
        .and(get_or_head())
        .and(with.clone())
        .then(|slot: ServiceSlot<Operations>| async move { into_response(flow(&slot).await) });
    let rebuild = warp::path!("rebuild").and(warp::post()).and(with.clone()).and(headers()).then(
        |slot: ServiceSlot<Operations>, headers| async move {
            into_response(rebuild(&slot, &headers).await)
        },
    );
    let parked = warp::path!("parked")
        .and(get_or_head())
        .and(with.clone())
        .then(|slot: ServiceSlot<Operations>| async move { into_response(parked(&slot).await) });
    let retry = warp::path!("parked" / String / "retry")
        .and(warp::post())
        .and(with.clone())
        .and(headers())
        .then(|stream: String, slot: ServiceSlot<Operations>, headers| async move {
            into_response(retry(&slot, &stream, &headers).await)
        });
    let renew =
        warp::path!("log" / "renew").and(warp::post()).and(with.clone()).and(headers()).then(
            |slot: ServiceSlot<Operations>, headers| async move {
                into_response(renew(&slot, &headers).await)
            },
        );
    let looks = generations.or(flow).unify();
    let all = looks.or(rebuild).unify().or(parked).unify().or(retry).unify().or(renew).unify();
    let all = probes(health).or(all.boxed()).unify().or(dead_letters).unify();
    close(all.boxed(), "GET, HEAD, POST, DELETE")
}

/// Every generation with its checkpoint and whether this worker serves it, how far one in the making
/// is, and the head of the log.
async fn generations(slot: &ServiceSlot<Operations>) -> Answer {
    let Overview { generations, head } = slot.service()?.overview().await?;
    json_answer(StatusCode::OK, &json!({ "items": generations, "next": null, "head": head }))
}

/// How far each step of the pipeline is.
async fn flow(slot: &ServiceSlot<Operations>) -> Answer {
    json_answer(StatusCode::OK, &slot.service()?.flow().await?)
}

/// Asks for a new generation beside the live one: 202, or 409 while one is being made.
async fn rebuild(slot: &ServiceSlot<Operations>, headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    match slot.service()?.begin_rebuild().await? {
        Rebuild::Begun(id) => json_answer(StatusCode::ACCEPTED, &json!({ "id": id })),
        Rebuild::UnderWay => {
            Err(Problem::already_building("GET /generations shows how far it is."))
        }
        Rebuild::OtherViews => Err(other_views()),
    }
}

/// Gives a restored log its new identity; new views are made from it while the old ones serve.
async fn renew(slot: &ServiceSlot<Operations>, headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    let log = slot.service()?.renew_log().await?;
    json_answer(StatusCode::OK, &json!({ "log": log }))
}

/// What could not be applied to the live views, and why.
async fn parked(slot: &ServiceSlot<Operations>) -> Answer {
    let none = || Problem::unavailable("The views are being made; try again.");
    let items = slot.service()?.parked().await?.ok_or_else(none)?;
    json_answer(StatusCode::OK, &json!({ "items": items, "next": null }))
}

/// Tries a parked stream again: 200 when it is applied, 409 when it is parked again.
async fn retry(slot: &ServiceSlot<Operations>, stream: &str, headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    let stream = StreamName::stored(stream);
    match slot.service()?.retry_parked(&stream).await? {
        Retry::Applied => {
            json_answer(StatusCode::OK, &json!({ "stream": stream, "parked": false }))
        }
        Retry::StillParked(reason) => {
            let detail = format!("It was tried again: {reason}.");
            Err(Problem::still_parked(detail).with("reason", reason))
        }
        Retry::NotParked => Err(Problem::unknown("parked", format!("{stream} is not parked."))),
        Retry::OtherViews => Err(other_views()),
    }
}

/// The answer to what only a worker of the live projection and log may do.
fn other_views() -> Problem {
    Problem::unavailable(
        "The live views are not of this worker's projection and log; ask a worker that serves them.",
    )
}
