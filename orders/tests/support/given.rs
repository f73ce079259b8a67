//! Given what happened to an order, when a command comes, then what happens next.

use kernel::Timestamp;
use kernel::aggregate::{Aggregate as _, CommandContext, Refusal};
use kernel::log;
use orders::{Event, Order, OrderAggregate, Status};
use serde_json::{Value, json};
use uuid::Uuid;

/// The name of an event and its data, or the type of a command and its fields.
pub type Named = (&'static str, Value);

/// An order to which something has happened.
pub struct Given(Option<Order>);

/// What a command came to, in the order as it was.
pub struct When {
    before: Option<Order>,
    decided: Result<Vec<Event>, Refusal>,
}

/// Every order of these tests has this id.
pub fn order_id() -> Uuid {
    Uuid::from_u128(7)
}

/// An order whose events these are; without any, there is no order yet.
pub fn given<const N: usize>(events: [Named; N]) -> Given {
    let mut order = None;
    for (kind, data) in events {
        let event =
            log::Event { id: Uuid::nil(), kind: kind.to_owned(), schema: 1, data: data.into() };
        let event = OrderAggregate::decode(&event).expect("an event of orders");
        OrderAggregate::evolve(&mut order, &event);
    }
    Given(order)
}

impl Given {
    pub fn when(self, (kind, mut fields): Named) -> When {
        fields["type"] = json!(kind);
        fields["order_id"] = json!(order_id());
        let context = CommandContext { now: Timestamp::default(), new_id: Uuid::nil() };
        let command = OrderAggregate::parse(fields, &context).expect("a valid command").command;
        let decided = OrderAggregate::decide(&self.0, &command);
        When { before: self.0, decided }
    }

    /// The order has this status now.
    #[track_caller]
    pub fn is(self, status: Status) -> Self {
        assert_eq!(self.0.as_ref().map(|order| order.status), Some(status));
        self
    }
}

impl When {
    /// The command leads to exactly these events. Returns the order after them.
    #[track_caller]
    pub fn then<const N: usize>(self, events: [Named; N]) -> Given {
        let decided = self.decided.expect("the command is accepted");
        let encoded = decided.iter().map(|event| OrderAggregate::encode(event).expect("an event"));
        let encoded: Vec<(String, Value)> =
            encoded.map(|(kind, _, data)| (kind, data.read().expect("JSON"))).collect();
        let expected = events.map(|(kind, data)| (kind.to_owned(), data));
        assert_eq!(encoded, expected);
        let mut order = self.before;
        decided.iter().for_each(|event| OrderAggregate::evolve(&mut order, event));
        Given(order)
    }

    /// The rule of this name refuses the command.
    #[track_caller]
    pub fn then_refused(self, rule: &str) {
        match self.decided {
            Err(refusal) => assert_eq!(refusal.rule, rule),
            Ok(events) => panic!("expected a refusal by {rule}, got {events:?}"),
        }
    }
}
