//! The order as an aggregate of cqrs-es. Rules and fold are those of Waybill's domain.

use std::fmt;

use cqrs_es::event_sink::EventSink;
use kernel::aggregate::{Aggregate as _, Refusal};
use orders::OrderAggregate;
use orders::order::{Command, Order};
use serde::{Deserialize, Serialize};

use crate::event::Event;

/// The order after its latest event; nothing before it was created.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State(Option<Order>);

/// A rule says no.
#[derive(Debug)]
pub struct Refused(pub Refusal);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl std::error::Error for Refused {}

impl cqrs_es::Aggregate for State {
    const TYPE: &'static str = OrderAggregate::CATEGORY;
    type Command = Command;
    type Event = Event;
    type Error = Refused;
    type Services = ();

    async fn handle(
        &mut self,
        command: Command,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Refused> {
        for event in OrderAggregate::decide(&self.0, &command).map_err(Refused)? {
            sink.write(Event(event), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        OrderAggregate::evolve(&mut self.0, &event.0);
    }
}
