//! What a domain tells the write side: pure, synchronous, no I/O and no clock.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::Timestamp;
use crate::contract::WriteContract;
use crate::json::Json;
use crate::log::{Event, StreamName};

/// A consistency boundary whose state is the fold of its stream.
pub trait Aggregate: Send + Sync + 'static {
    /// The default is the state before the first event.
    type State: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What a client asks for.
    type Command: Clone + Send + Sync + 'static;
    /// What happened, as the domain has it in memory.
    type Event: Send;

    /// First part of the names of its streams.
    const CATEGORY: &'static str;
    /// Raise it whenever `evolve` or `State` change: snapshots of older states are then left alone.
    const STATE_VERSION: u32;
    /// How it shows in paths and bodies.
    const RESOURCE: Resource;

    /// What it takes, stores and refuses, for the descriptions that the services give of themselves.
    fn contract() -> WriteContract;

    /// Reads a command from its JSON object (with `type`, and the id unless it may be drawn).
    /// Time and ids come in here, so that `decide` needs neither clock nor chance.
    fn parse(body: Value, context: &CommandContext) -> Result<Envelope<Self::Command>, Invalid>;

    /// What is wrong with a command beyond what its schema can say, such as a name that comes twice.
    /// Asked of what `parse` did not take, which may be any JSON, so that every field that is wrong is
    /// told at once.
    fn wrong_beyond_schema(_body: &Value) -> Vec<FieldError> {
        vec![]
    }

    /// The events that the command leads to (1 to `log::MAX_EVENTS`), or why it may not happen.
    fn decide(state: &Self::State, command: &Self::Command) -> Result<Vec<Self::Event>, Refusal>;

    /// Total on what `decide` returned.
    fn evolve(state: &mut Self::State, event: &Self::Event);

    /// Whether what is in this state belongs to this owner. A client that is bound to one owner changes
    /// what belongs to it alone: before the command, unless there is nothing yet, and after it.
    fn belongs_to(_state: &Self::State, _owner: &str) -> bool {
        false
    }

    /// Name, schema version and data of an event.
    fn encode(event: &Self::Event) -> Result<(String, u32, Json), Invalid>;

    /// Reads an event of any schema ever written.
    fn decode(event: &Event) -> Result<Self::Event, Invalid>;
}

/// The REST face of an aggregate, as data.
#[derive(Debug)]
pub struct Resource {
    /// What one of it is called, such as `order`.
    pub name: &'static str,
    /// First segment of the path, such as `orders`.
    pub path: &'static str,
    /// The field of a command that names the aggregate, such as `order_id`.
    pub id: &'static str,
    /// The command that a POST to the collection sends.
    pub create: &'static str,
    /// The commands to one of it that have a path of their own.
    pub actions: &'static [Action],
}

/// `<method> /<path>/{id}/<segment>[/{parameter}]` sends `command`.
#[derive(Debug)]
pub struct Action {
    /// `POST` or `DELETE`.
    pub method: &'static str,
    /// Last fixed segment of the path, such as `payments`.
    pub segment: &'static str,
    /// The field of the command that the last segment of the path fills.
    pub parameter: Option<&'static str>,
    /// `type` of the command that it sends.
    pub command: &'static str,
}

/// The time and a new id for a command: the domain reads no clock and draws no ids.
#[derive(Debug, Clone, Copy)]
pub struct CommandContext {
    /// When the request arrived.
    pub now: Timestamp,
    /// The id of what the command creates, unless the request names one.
    pub new_id: Uuid,
}

/// A command with the stream that it is for.
#[derive(Debug, Clone)]
pub struct Envelope<C> {
    /// The stream of the aggregate that decides.
    pub stream: StreamName,
    /// The command's `type`, as the contract names it.
    pub kind: &'static str,
    /// The command.
    pub command: C,
    /// Whether the stream can't have events yet, so that it need not be read.
    pub fresh: bool,
}

/// The request is no command: malformed, out of range, of an unknown type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What was wrong and what was expected.
    pub detail: String,
    /// The fields that are wrong, where it is known.
    pub errors: Vec<FieldError>,
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// Where it is: a JSON pointer (RFC 6901); empty for the whole body.
    pub pointer: String,
    /// What was expected there.
    pub expected: String,
    /// What was found there: JSON, cut where it is long, or `nothing`.
    pub found: String,
}

impl Invalid {
    /// With a full sentence, or a field and what was expected of it.
    pub fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), errors: vec![] }
    }

    /// With one field that is wrong.
    pub fn at(
        pointer: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let error =
            FieldError { pointer: pointer.into(), expected: expected.into(), found: found.into() };
        let FieldError { pointer, expected, found } = &error;
        let detail = format!("`{pointer}`: expected {expected}, got {found}");
        Self { detail, errors: vec![error] }
    }
}

/// Longest text that is repeated of what was found, in characters.
const FOUND: usize = 100;

/// What was found, for an error: JSON, cut where it is long.
pub fn found(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(FOUND) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// An id as it is written: a UUID with hyphens, and in no other form.
pub fn parse_id(text: &str) -> Option<Uuid> {
    text.parse().ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH)
}

/// The business says no. Every rule has its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What sort of refusal it is: it sets the HTTP status.
    pub kind: RefusalKind,
    /// Name of the rule, such as `overpayment`.
    pub rule: &'static str,
    /// What was refused and why, for people.
    pub detail: String,
    /// Facts for a program, such as what is owed.
    pub facts: BTreeMap<&'static str, Value>,
    /// Of `OutOfRange`: the fields that ask for too much.
    pub errors: Vec<FieldError>,
}

/// Sorts of refusals, each with its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such aggregate: 404.
    Unknown,
    /// It exists already: 409.
    Exists,
    /// Not in this state: 409.
    Illegal,
    /// Not in any state: 422.
    OutOfRange,
}
