//! The projector's own listener: probes, and what operators look at and ask for.

mod dead_letters;

use std::sync::PoisonError;

use http::{HeaderMap, StatusCode};
use kernel::log::StreamName;
use kernel::views::Parked;
use serde_json::{Value, json};
use shared::http::answer::into_response;
use shared::http::origin::same_origin;
use shared::http::probes::{get_or_head, probes};
use shared::http::problem::Problem;
use shared::http::serve::Routes;
use shared::http::{Answer, close, json as json_answer};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use shared::view_store::Generation;
use warp::Filter;

use crate::Projector;

pub fn routes(slot: ServiceSlot<Projector>, health: Health) -> Routes {
    let dead_letters = dead_letters::routes(slot.clone());
    let with = warp::any().map(move || slot.clone());
    let headers = warp::header::headers_cloned;
    let generations = warp::path!("generations").and(get_or_head()).and(with.clone()).then(
        |slot: ServiceSlot<Projector>| async move { into_response(generations(&slot).await) },
    );
    let rebuild = warp::path!("rebuild").and(warp::post()).and(with.clone()).and(headers()).then(
        |slot: ServiceSlot<Projector>, headers| async move {
            into_response(rebuild(&slot, &headers).await)
        },
    );
    let parked = warp::path!("parked")
        .and(get_or_head())
        .and(with.clone())
        .then(|slot: ServiceSlot<Projector>| async move { into_response(parked(&slot).await) });
    let retry = warp::path!("parked" / String / "retry")
        .and(warp::post())
        .and(with.clone())
        .and(headers())
        .then(|stream: String, slot: ServiceSlot<Projector>, headers| async move {
            into_response(retry(&slot, &stream, &headers).await)
        });
    let renew =
        warp::path!("log" / "renew").and(warp::post()).and(with.clone()).and(headers()).then(
            |slot: ServiceSlot<Projector>, headers| async move {
                into_response(renew(&slot, &headers).await)
            },
        );
    let all =
        generations.or(rebuild).unify().or(parked).unify().or(retry).unify().or(renew).unify();
    let all = probes(health).or(all.boxed()).unify().or(dead_letters).unify();
    close(all.boxed(), "GET, HEAD, POST, DELETE")
}

/// Every generation with its checkpoint and whether this worker serves it, how far one in the making
/// is, and the head of the log.
async fn generations(slot: &ServiceSlot<Projector>) -> Answer {
    let projector = slot.service()?;
    let live = projector.views.live().await?.map(|live| live.id);
    let building = projector.views.building().await?.map(|building| building.id);
    let serving = projector.serving.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut items: Vec<Value> = vec![];
    for generation in projector.views.generations().await? {
        let id = Some(&generation.id);
        items.push(json!({
            "id": generation.id,
            "live": id == live.as_ref(),
            "building": id == building.as_ref(),
            "projection": generation.projection,
            "log": generation.log,
            "created_at": generation.created_at,
            "served_here": id == serving.as_ref(),
            "checkpoint": projector.views.checkpoint(&generation.id).await?,
            "progress": projector.views.progress(&generation.id).await?,
            "parked": projector.views.parked(&generation.id).await?.len(),
        }));
    }
    let head = projector.store.head().await?;
    json_answer(StatusCode::OK, &json!({ "items": items, "next": null, "head": head }))
}

/// Asks for a new generation beside the live one: 202, or 409 while one is being made.
async fn rebuild(slot: &ServiceSlot<Projector>, headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    let projector = slot.service()?;
    own_live(&projector).await?;
    match projector.begin_rebuild().await? {
        Some(generation) => json_answer(StatusCode::ACCEPTED, &json!({ "id": generation.id })),
        None => Err(Problem::already_building("GET /generations shows how far it is.")),
    }
}

/// Gives a restored log its new identity; new views are made from it while the old ones serve.
async fn renew(slot: &ServiceSlot<Projector>, headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    let log = slot.service()?.store.renew().await?;
    tracing::warn!(%log, "the log was given a new identity");
    json_answer(StatusCode::OK, &json!({ "log": log }))
}

async fn live(projector: &Projector) -> Result<Generation, Problem> {
    let none = || Problem::unavailable("The views are being made; try again.");
    projector.views.live().await?.ok_or_else(none)
}

/// The live generation, for what only a worker of its own projection and log may do.
async fn own_live(projector: &Projector) -> Result<Generation, Problem> {
    let other = || {
        Problem::unavailable(
            "The live views are not of this worker's projection and log; ask a worker that serves them.",
        )
    };
    projector.own_live().await?.ok_or_else(other)
}

/// What could not be applied to the live views, and why.
async fn parked(slot: &ServiceSlot<Projector>) -> Answer {
    let projector = slot.service()?;
    let live = live(&projector).await?;
    let items: Vec<Parked> = projector.views.parked(&live.id).await?;
    json_answer(StatusCode::OK, &json!({ "items": items, "next": null }))
}

/// Tries a parked stream again: 200 when it is applied, 409 when it is parked again.
async fn retry(slot: &ServiceSlot<Projector>, stream: &str, headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    let projector = slot.service()?;
    let live = own_live(&projector).await?;
    let notes = projector.views.parked(&live.id).await?;
    let stream = StreamName::stored(stream);
    if !notes.iter().any(|note| note.stream == stream) {
        return Err(Problem::unknown("parked", format!("{stream} is not parked.")));
    }
    if projector.retry(&live.id, &stream).await? {
        return json_answer(StatusCode::OK, &json!({ "stream": stream, "parked": false }));
    }
    let note =
        projector.views.parked(&live.id).await?.into_iter().find(|note| note.stream == stream);
    let reason = note.map(|note| note.reason).unwrap_or_default();
    Err(Problem::still_parked(format!("It was tried again: {reason}.")).with("reason", reason))
}
