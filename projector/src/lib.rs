//! Keeps the views in step with the log.
//!
//! `generations` decides which set of views this worker serves, `build` makes one from the log,
//! `worker` takes events from its feed, `apply` brings them into the views, `healer` checks behind
//! them that nothing is missing, `park` sets aside what can't be applied.

pub mod admin;
pub mod apply;
pub mod build;
#[cfg(feature = "servers")]
pub mod config;
pub mod generations;
pub mod healer;
pub mod loads;
pub mod park;
#[cfg(feature = "servers")]
pub mod run;
pub mod worker;

use std::sync::{Arc, Mutex};

use kernel::projection::ErasedProjection;
use shared::event_store::EventStore;
use shared::feed::Feeds;
use shared::service::health::Health;
use shared::view_store::{GenerationId, ViewStore};

/// What a projector works with.
#[derive(Clone)]
pub struct Projector {
    pub store: Arc<dyn EventStore>,
    pub views: Arc<dyn ViewStore>,
    pub feeds: Arc<dyn Feeds>,
    pub projection: Arc<dyn ErasedProjection>,
    pub health: Health,
    /// Tells workers apart, in leases.
    pub holder: String,
    pub parking: Arc<park::Parking>,
    pub loads: Arc<loads::Loads>,
    /// The generation that this worker serves.
    pub serving: Arc<Mutex<Option<GenerationId>>>,
}
