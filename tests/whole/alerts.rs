//! The alerts of `observe/rules` in a real Prometheus, on real services: each fault that an operator must
//! know of makes its alert fire, and in a quiet run none does.

mod network;
mod processes;
mod rebuilds;
mod servers;
mod views;
mod writes;

use tests::prometheus::Prometheus;
use tests::services::System;

async fn watched(system: &System) -> Prometheus {
    let services = [
        ("command-api", &system.commands[0].client),
        ("projector", &system.projectors[0].client),
        ("query-api", &system.queries.client),
    ];
    Prometheus::start(&services).await
}
