//! The routes of command-api.

mod batch;
mod bodies;
mod headers;
mod read;
mod rest;
mod submit;

use shared::aggregate::Aggregate;
use shared::health::Health;
use shared::http::probes::probes;
use shared::http::serve::Routes;
use shared::http::{answer, close};
use shared::service_gate::Gate;
use warp::Filter as _;

use crate::Service;

/// Everything but the probes waits behind the gate until the service has its log.
pub fn routes<A: Aggregate>(gate: Gate<Service<A>>, health: Health) -> Routes {
    let probes = probes(health);
    let batch = batch::routes(gate.clone());
    let read = read::routes(gate.clone());
    let rest = rest::routes(gate);
    close(probes.or(batch).unify().or(read).unify().or(rest).unify().boxed(), "GET, HEAD, POST")
}

pub(crate) use answer::into_response;
