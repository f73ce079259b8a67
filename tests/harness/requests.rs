//! Commands for orders, as the write side takes them.

use std::time::Duration;

use ::orders::OrderAggregate;
use command_api::write::Request;
use kernel::Timestamp;
use kernel::aggregate::{Aggregate as _, CommandContext};
use kernel::log::Meta;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::orders;

/// No command of a test waits so long for its start, unless it says so.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A command of one order, parsed.
pub fn request(command: Value, order: Uuid, key: Option<&str>) -> Request<OrderAggregate> {
    let command = orders::to(order, command);
    let text = command.to_string();
    let context = CommandContext { now: Timestamp::now(), new_id: Uuid::now_v7() };
    let envelope = OrderAggregate::parse(command, &context).unwrap();
    Request {
        stream: envelope.stream,
        kind: envelope.kind,
        command: envelope.command,
        bytes: text.len(),
        of_batch: false,
        client: None,
        start_by: Instant::now() + START_TIMEOUT,
        fresh: envelope.fresh,
        expected: None,
        owner: None,
        key: key.map(|key| format!("me/{key}")),
        fingerprint: text,
        sequence: None,
        meta: Meta::default(),
        request_id: None,
    }
}
