//! From a JSON object to the answer of the write side.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kernel::aggregate::{Aggregate, CommandContext};
use kernel::log::{Meta, StreamName, Version};
use kernel::{Failure, Timestamp};
use serde_json::Value;
use shared::http::Client;
use shared::http::consistency_token::Token;
use shared::http::problem::Problem;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::commands::Commands;
use crate::write::{Accepted, Outcome, Rejected, Request, Sequence, guarded};
use crate::{Service, metrics};

/// How long a client waits for its outcome before it is told that it is not known yet.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a command may wait for its start: what has not started before its client stops waiting is
/// known not to be done.
const START_TIMEOUT: Duration = Duration::from_secs(9);

/// The deadline of a request that starts now, with all its commands.
pub fn outcome_deadline() -> Instant {
    Instant::now() + OUTCOME_TIMEOUT
}

/// What the headers say of a command.
pub struct RequestOptions {
    /// `<principal>/<Idempotency-Key>`.
    pub key: Option<String>,
    /// The version of the stream that `If-Match` expects, or why it can't be met: that is told once
    /// the command is known to be valid (RFC 9110, section 13.2.1).
    pub expected: Result<Option<Version>, Problem>,
    /// The only owner whose things the client may change.
    pub owner: Option<String>,
    /// Where the command comes from.
    pub meta: Meta,
    /// Whose room it takes.
    pub client: Option<Client>,
    /// The id of the request.
    pub request_id: Option<Arc<str>>,
}

/// What the commands of one request share.
pub struct Together {
    of_batch: bool,
    start_by: Instant,
    sequences: HashMap<StreamName, Sequence>,
}

impl Default for Together {
    fn default() -> Self {
        let start_by = Instant::now() + START_TIMEOUT;
        Self { of_batch: false, start_by, sequences: HashMap::new() }
    }
}

impl Together {
    /// Of the commands of a batch.
    pub fn of_batch() -> Self {
        Self { of_batch: true, ..Self::default() }
    }
}

/// Reads a request's only command and submits it, at once. Once it has started it runs to its end,
/// whether or not its client waits.
pub fn submit<A: Aggregate>(
    service: &Service<A>,
    commands: &Commands,
    command: Value,
    options: RequestOptions,
) -> Result<oneshot::Receiver<Outcome>, Problem> {
    submit_with(service, commands, command, options, &mut Together::default())
}

/// The same for one of several commands. What is no command breaks no sequence.
pub fn submit_with<A: Aggregate>(
    service: &Service<A>,
    commands: &Commands,
    command: Value,
    options: RequestOptions,
    together: &mut Together,
) -> Result<oneshot::Receiver<Outcome>, Problem> {
    let text = command.to_string();
    let context = CommandContext { now: Timestamp::now(), new_id: Uuid::now_v7() };
    let read = guarded("the domain", || {
        A::parse(command, &context).map_err(|invalid| {
            commands.complete(invalid, &serde_json::from_str(&text).unwrap_or_default())
        })
    });
    let read = read.map_err(|panicked| Failure::permanent("reading a command", panicked.detail))?;
    let envelope = read?;
    let expected = options.expected?;
    let sequence = together.sequences.entry(envelope.stream.clone()).or_default().clone();
    Ok(service.writer.submit(Request {
        stream: envelope.stream,
        kind: envelope.kind,
        command: envelope.command,
        bytes: text.len(),
        of_batch: together.of_batch,
        client: options.client,
        start_by: together.start_by,
        fresh: envelope.fresh,
        expected,
        owner: options.owner,
        key: options.key,
        fingerprint: fingerprint(&text),
        sequence: Some(sequence),
        meta: options.meta,
        request_id: options.request_id,
    }))
}

/// Tells requests apart: a name-based UUID (RFC 9562, section 5.5) of the JSON with sorted fields.
fn fingerprint(command: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, command.as_bytes()).to_string()
}

/// Waits until the deadline that `outcome_deadline` gave.
pub async fn outcome<A: Aggregate>(
    outcome: oneshot::Receiver<Outcome>,
    deadline: Instant,
) -> Result<Accepted, Problem> {
    let outcome = match tokio::time::timeout_at(deadline, outcome).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Err(Rejected::Unknown),
    };
    outcome.map_err(|rejected| problem::<A>(rejected))
}

/// Before a request is read.
pub fn has_room<A: Aggregate>(
    service: &Service<A>,
    of_batch: bool,
    client: Option<&Client>,
) -> Result<(), Problem> {
    let has_room = service.writer.has_room(of_batch, client);
    has_room.inspect_err(|_| metrics::turned_away(metrics::UNREAD)).map_err(problem::<A>)
}

fn problem<A: Aggregate>(rejected: Rejected) -> Problem {
    match rejected {
        Rejected::Refused(refusal) => Problem::refused(A::RESOURCE.name, refusal),
        Rejected::VersionMismatch { actual } => {
            Problem::version_mismatch(format!("It is at version {actual}.")).with("version", actual)
        }
        Rejected::OfAnotherOwner => Problem::another_owner(
            "Nothing was written: the principal may write what belongs to its own owner alone.",
        ),
        Rejected::KeyInFlight => {
            Problem::idempotency_in_flight("Try again with the same Idempotency-Key.")
        }
        Rejected::KeyMismatch => Problem::idempotency_mismatch(
            "This Idempotency-Key was used for another request; use a new one.",
        ),
        Rejected::Conflict => {
            Problem::conflict("Others were faster every time; nothing was written.")
        }
        Rejected::NotAttempted => Problem::not_attempted(
            "An earlier command of this request for the same thing has no certain outcome; send both again.",
        ),
        Rejected::Broken(_) => {
            Problem::internal("Nothing was written; the service's own log tells more.")
        }
        Rejected::Overloaded => Problem::too_many_requests(
            "Nothing was written: too many commands are waiting; try again.",
        ),
        Rejected::Unavailable(why) => Problem::unavailable(format!("Nothing was written: {why}.")),
        Rejected::Unknown => Problem::outcome_unknown(
            "Try again with the same Idempotency-Key: it is carried out once at most.",
        ),
    }
}

pub fn token<A: Aggregate>(service: &Service<A>, accepted: &Accepted) -> String {
    Token::of_stream(&service.log, &accepted.stream, accepted.version).to_string()
}

/// 201 for what was created, else 200.
pub fn status(accepted: &Accepted) -> http::StatusCode {
    if accepted.from == 1 { http::StatusCode::CREATED } else { http::StatusCode::OK }
}
