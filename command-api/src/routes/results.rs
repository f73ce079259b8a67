//! The bodies of answers to commands: of one that was accepted, and of all commands of a batch.

use std::borrow::Cow;
use std::marker::PhantomData;

use kernel::aggregate::Aggregate;
use kernel::log::{Position, Version};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use shared::http::problem::Problem;
use uuid::Uuid;

use crate::write;

/// The id of the aggregate, as the field that `RESOURCE` names.
pub struct Id<'a, A>(&'a str, PhantomData<fn() -> A>);

impl<A: Aggregate> Serialize for Id<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut field = serializer.serialize_map(Some(1))?;
        field.serialize_entry(A::RESOURCE.id, self.0)?;
        field.end()
    }
}

impl<A: Aggregate> JsonSchema for Id<'_, A> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let id = A::RESOURCE.id;
        json_schema!({
            "type": "object",
            "properties": { id: generator.subschema_for::<Uuid>() },
            "required": [id],
        })
    }
}

/// What an accepted command answers.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Accepted")]
pub struct Accepted<I> {
    #[serde(flatten)]
    id: I,
    /// Of the last event that was written, in its stream.
    #[schemars(range(min = 1))]
    version: Version,
    /// Of the commit, in the log.
    #[schemars(range(min = 1))]
    position: Position,
}

impl<'a, A: Aggregate> Accepted<Id<'a, A>> {
    /// The body of what was accepted.
    pub fn of(accepted: &'a write::Accepted) -> Self {
        let write::Accepted { version, position, .. } = *accepted;
        Self { id: Id(accepted.stream.id(), PhantomData), version, position }
    }
}

/// What an accepted command of a batch answers.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Result")]
pub struct Done<I> {
    #[serde(flatten)]
    pub accepted: Accepted<I>,
    /// As the answer to the command alone has it.
    #[schemars(extend("enum" = [200, 201]))]
    pub status: u16,
    /// The `Consistency-Token` of the command.
    pub token: String,
}

/// What became of a command of a batch.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OneOf<'a, I> {
    Done(Done<I>),
    Problem(&'a Problem),
}

/// What became of all commands of a batch.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Results")]
pub struct Results<'a, I> {
    /// One for each command, in the same order.
    pub results: Vec<OneOf<'a, I>>,
}
