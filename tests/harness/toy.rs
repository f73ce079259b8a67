//! The smallest aggregate: it remembers the latest text, and panics where a command says so.

use std::sync::Mutex;
use std::time::Duration;

use command_api::write::Request;
use kernel::aggregate::{Aggregate, CommandContext, Envelope, Invalid, Refusal, Resource};
use kernel::contract::WriteContract;
use kernel::json::Json;
use kernel::log::{Event, Meta, StreamName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

/// How long a command may wait for its start; no test takes so long.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A command with this text does not return from `decide` while the gate is locked.
pub const HANG: &str = "hang";
/// See `HANG`.
pub static GATE: Mutex<()> = Mutex::new(());

/// A command with this text writes the text again that the stream has.
pub const AGAIN: &str = "again";

/// Where the code of the aggregate panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Panics {
    Nowhere,
    /// Of a command that comes as JSON, and has this as its `panics`.
    InParse,
    InDecide,
    InEvolve,
    InEncode,
    InDecode,
}

/// The command and the event alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    text: String,
    panics: Panics,
}

pub struct Toy;

impl Aggregate for Toy {
    type State = String;
    type Command = Write;
    type Event = Write;

    const CATEGORY: &'static str = "toy";
    const STATE_VERSION: u32 = 1;
    const RESOURCE: Resource =
        Resource { name: "toy", path: "toys", id: "id", create: "Create", actions: &[] };

    fn contract() -> WriteContract {
        WriteContract::default()
    }

    fn parse(command: Value, _: &CommandContext) -> Result<Envelope<Write>, Invalid> {
        assert_ne!(command["panics"], json!(Panics::InParse));
        Err(Invalid::new("no command is read here"))
    }

    fn decide(state: &String, command: &Write) -> Result<Vec<Write>, Refusal> {
        if command.text == HANG {
            drop(GATE.lock());
        }
        assert_ne!(command.panics, Panics::InDecide);
        let again = || Write { text: state.clone(), ..*command };
        Ok(vec![if command.text == AGAIN { again() } else { command.clone() }])
    }

    fn evolve(state: &mut String, event: &Write) {
        state.clone_from(&event.text);
        assert_ne!(event.panics, Panics::InEvolve);
    }

    fn encode(event: &Write) -> Result<(String, u32, Json), Invalid> {
        assert_ne!(event.panics, Panics::InEncode);
        Ok(("Written".to_owned(), 1, json!(event).into()))
    }

    fn decode(event: &Event) -> Result<Write, Invalid> {
        let event: Write = event.data.read().map_err(|error| Invalid::new(error.to_string()))?;
        assert_ne!(event.panics, Panics::InDecode);
        Ok(event)
    }
}

pub fn stream() -> StreamName {
    StreamName::new(Toy::CATEGORY, Uuid::new_v4())
}

/// Writes a text to the stream.
pub fn write(stream: &StreamName, text: &str) -> Request<Toy> {
    request(stream, Write { text: text.to_owned(), panics: Panics::Nowhere }, text.len())
}

/// A command that panics there, with a key made of both.
pub fn command(stream: &StreamName, panics: Panics) -> Request<Toy> {
    let command = Write { text: String::new(), panics };
    Request { key: Some(format!("me/{stream}/{panics:?}")), ..request(stream, command, 10) }
}

fn request(stream: &StreamName, command: Write, bytes: usize) -> Request<Toy> {
    Request {
        stream: stream.clone(),
        kind: "Write",
        command,
        bytes,
        of_batch: false,
        client: None,
        start_by: Instant::now() + START_TIMEOUT,
        fresh: false,
        expected: None,
        owner: None,
        key: None,
        fingerprint: String::new(),
        sequence: None,
        meta: Meta::default(),
        request_id: None,
    }
}
