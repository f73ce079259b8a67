//! The projector's own listener: probes, and what operators look at.

use http::StatusCode;
use serde_json::{Value, json};
use shared::health::Health;
use shared::http::answer::into_response;
use shared::http::probes::probes;
use shared::http::serve::Routes;
use shared::http::{Answer, close};
use shared::service_gate::Gate;
use warp::Filter as _;

use crate::Projector;

pub fn routes(gate: Gate<Projector>, health: Health) -> Routes {
    let generations = warp::path!("generations").and(warp::get()).then(move || {
        let gate = gate.clone();
        async move { into_response(generations(&gate).await) }
    });
    close(probes(health).or(generations.boxed()).unify().boxed(), "GET")
}

/// Every generation with its checkpoint, and the head of the log.
async fn generations(gate: &Gate<Projector>) -> Answer {
    let projector = gate.service()?;
    let live = projector.views.live().await?.map(|live| live.id);
    let mut items: Vec<Value> = vec![];
    for generation in projector.views.generations().await? {
        let parked = projector.views.parked(&generation.id).await?.len();
        items.push(json!({
            "id": generation.id,
            "live": Some(&generation.id) == live.as_ref(),
            "projection": generation.projection,
            "log": generation.log,
            "created_at": generation.created_at,
            "checkpoint": projector.views.checkpoint(&generation.id).await?,
            "parked": parked,
        }));
    }
    let head = projector.store.head().await?;
    shared::http::json(StatusCode::OK, &json!({ "items": items, "next": null, "head": head }))
}
