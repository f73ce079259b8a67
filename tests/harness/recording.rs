//! A client without HTTP, that notes what it asked for and what it was told, as those of a fault
//! campaign do.

use ::orders::OrderAggregate;
use command_api::Service;
use command_api::write::{Outcome, Rejected};
use serde_json::Value;
use tokio::sync::oneshot::Receiver;
use uuid::Uuid;

use crate::orders;
use crate::requests::request;
use crate::torture::known::{Known, Told};

#[derive(Default)]
pub struct RecordingClient {
    pub known: Known,
}

/// A command on its way.
pub struct Sent {
    id: String,
    command: Value,
    after: i64,
    outcome: Receiver<Outcome>,
}

impl RecordingClient {
    /// Submits a command. Until it is heard of, its outcome is unknown.
    pub fn send(&mut self, service: &Service<OrderAggregate>, order: Uuid, command: Value) -> Sent {
        let id = format!("c{}", self.known.told.len());
        let command = orders::to(order, command);
        let mut request = request(command.clone(), order, None);
        request.meta.correlation.clone_from(&id);
        self.known.told.insert(id.clone(), Told::Unknown);
        let after = self.version(order);
        Sent { id, command, after, outcome: service.writer.submit(request) }
    }

    /// Waits for the outcome, and notes it.
    pub async fn hear(&mut self, sent: Sent) -> Told {
        let Sent { id, command, after, outcome } = sent;
        let told = match outcome.await.expect("an outcome") {
            Ok(accepted) => Told::Acknowledged {
                order: accepted.stream.id().to_owned(),
                version: accepted.version,
            },
            Err(Rejected::Refused(refusal)) => {
                Told::Refused { command, after, why: refusal.rule.to_owned() }
            }
            Err(_) => Told::Unknown,
        };
        self.known.told.insert(id, told.clone());
        told
    }

    pub async fn ask(
        &mut self,
        service: &Service<OrderAggregate>,
        order: Uuid,
        command: Value,
    ) -> Told {
        let sent = self.send(service, order, command);
        self.hear(sent).await
    }

    /// The latest version of the order that it was told of.
    fn version(&self, order: Uuid) -> i64 {
        let order = order.to_string();
        let versions = self.known.told.values().filter_map(|told| match told {
            Told::Acknowledged { order: of, version } if *of == order => Some(*version),
            _ => None,
        });
        versions.max().unwrap_or(0)
    }
}
