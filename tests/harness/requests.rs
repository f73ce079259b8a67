//! Commands for orders, as the write side takes them.

use std::time::Duration;

use command_api::write::Request;
use kernel::Timestamp;
use kernel::aggregate::{Aggregate as _, CommandContext};
use kernel::log::Meta;
use orders::OrderAggregate;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

/// No command of a test waits so long for its start, unless it says so.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command of one order, parsed.
pub fn request(mut command: Value, order: Uuid, key: Option<&str>) -> Request<OrderAggregate> {
    command["order_id"] = json!(order);
    let text = command.to_string();
    let context = CommandContext { now: Timestamp::now(), new_id: Uuid::now_v7() };
    let envelope = OrderAggregate::parse(command, &context).unwrap();
    Request {
        stream: envelope.stream,
        command: envelope.command,
        bytes: text.len(),
        start_by: Instant::now() + PATIENCE,
        fresh: envelope.fresh,
        expected: None,
        key: key.map(|key| format!("me/{key}")),
        fingerprint: text,
        sequence: None,
        meta: Meta::default(),
    }
}
