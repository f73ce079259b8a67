//! What the driver tells of its connections.

use std::sync::Arc;

use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;

use super::identity::Identity;
use crate::service::metrics::Gauge;

/// Connections of this process, by what they do.
pub static CONNECTIONS: Gauge = Gauge::by(
    "waybill_mongodb_connections",
    "Connections to MongoDB: open ones, and those of them that a call uses.",
    &["state"],
    &["open", "in_use"],
);

/// Counts connections. Whatever broke one may have replaced the server.
pub(super) fn watch(identity: Arc<Identity>) -> EventHandler<CmapEvent> {
    EventHandler::callback(move |event| match event {
        CmapEvent::PoolCleared(_) => identity.distrust(),
        CmapEvent::ConnectionCreated(_) => {
            identity.distrust();
            CONNECTIONS.add_to("open", 1.0);
        }
        CmapEvent::ConnectionClosed(_) => CONNECTIONS.add_to("open", -1.0),
        CmapEvent::ConnectionCheckedOut(_) => CONNECTIONS.add_to("in_use", 1.0),
        CmapEvent::ConnectionCheckedIn(_) => CONNECTIONS.add_to("in_use", -1.0),
        _ => {}
    })
}
