//! The view of an order: the document that Waybill shows at `GET /orders/{id}`, too.

use cqrs_es::{EventEnvelope, View};
use kernel::Timestamp;
use kernel::aggregate::Aggregate as _;
use orders::OrderAggregate;
use orders::order::Order;
use serde::{Deserialize, Serialize};

use crate::aggregate::State;

/// The key of the metadata that tells when an event was recorded.
pub const RECORDED_AT: &str = "recorded_at";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderView(Option<Order>);

impl View<State> for OrderView {
    fn update(&mut self, event: &EventEnvelope<State>) {
        OrderAggregate::evolve(&mut self.0, &event.payload.0);
        if let Some(order) = &mut self.0 {
            order.version = event.sequence as i64;
            let at = event.metadata.get(RECORDED_AT).and_then(|at| Timestamp::parse(at).ok());
            order.updated_at = at.unwrap_or_default();
        }
    }
}
