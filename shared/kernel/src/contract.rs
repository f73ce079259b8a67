//! What a domain tells of its interface, for the descriptions that the services give of themselves:
//! the schema of everything that it takes and shows, each with an example, and what its problems mean.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// A type as JSON Schema (draft 2020-12), and an example of it in JSON.
#[derive(Debug, Clone)]
pub struct Shape {
    schema: fn(&mut SchemaGenerator) -> Schema,
    /// Valid for the schema.
    pub example: Value,
}

impl Shape {
    /// The type `T`.
    pub fn of<T: JsonSchema>(example: impl Into<Value>) -> Self {
        Self { schema: SchemaGenerator::subschema_for::<T>, example: example.into() }
    }

    /// Its schema; what it refers to is added to the definitions of the generator.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }
}

/// What the write side takes, stores and refuses.
#[derive(Debug, Clone, Default)]
pub struct WriteContract {
    /// Every command.
    pub commands: Vec<Command>,
    /// Every schema version of every event that was ever written.
    pub events: Vec<Event>,
    /// The state, as `GET /<path>/{id}/state` shows it: an object. (`version` and `updated_at` are
    /// filled in there.)
    pub state: Option<Shape>,
    /// Problems that only this domain has.
    pub problems: Vec<ProblemPage>,
    /// Why commands are refused.
    pub rules: Vec<Rule>,
    /// What refusals tell a program beside the rule: every name that is among the `facts` of one.
    pub facts: Vec<Member>,
}

/// A command.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its `type`.
    pub name: &'static str,
    /// What it asks for, and when it is allowed: sentences.
    pub about: &'static str,
    /// The fields beside `type` and the id: an object that allows no others.
    pub fields: Shape,
}

/// A schema version of an event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The event's name.
    pub name: &'static str,
    /// Version of the schema of its data, from 1.
    pub version: u32,
    /// What happened: a sentence.
    pub about: &'static str,
    /// Its data.
    pub data: Shape,
}

/// A rule by which commands are refused.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The member `rule` of the problem.
    pub name: &'static str,
    /// Why the command is refused.
    pub about: &'static str,
}

/// A member that some problems have beside those of every problem.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// Of which problems it is, and what it says: a sentence.
    pub about: &'static str,
    /// Its values.
    pub value: Shape,
}

impl Member {
    /// A member of type `T`.
    pub fn of<T: JsonSchema>(
        name: &'static str,
        about: &'static str,
        example: impl Into<Value>,
    ) -> Self {
        Self { name, about, value: Shape::of::<T>(example) }
    }
}

/// What the read side answers.
#[derive(Debug, Clone, Default)]
pub struct ReadContract {
    /// Every question.
    pub queries: Vec<Query>,
    /// By what `GET /live` can be narrowed.
    pub filters: Vec<Parameter>,
    /// A view, as `GET /live` tells it.
    pub view: Option<Shape>,
    /// Problems that only this domain has.
    pub problems: Vec<ProblemPage>,
}

/// A question.
#[derive(Debug, Clone)]
pub struct Query {
    /// The path, with the names of its parameters in braces, such as `/orders/{id}`.
    pub path: &'static str,
    /// What is answered: sentences.
    pub about: &'static str,
    /// Those of the path and of the query string.
    pub parameters: Vec<Parameter>,
    /// The body of the answer.
    pub answer: Shape,
    /// What it is that may not be there, such as `order`, where it asks for one thing.
    pub missing: Option<&'static str>,
    /// Whether a client that is bound to one owner may ask it: the answer then is of the owner's alone.
    pub owned: bool,
    /// Which questions its answer leads to.
    pub links: Vec<Link>,
}

/// A value of an answer, with which another question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The path of the other question, as the contract has it.
    pub to: &'static str,
    /// Which parameter of that it is.
    pub parameter: &'static str,
    /// Where it stands in the answer: a JSON pointer (RFC 6901).
    pub value: &'static str,
}

/// A parameter of a request.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name; one of the path stands in braces there, and all others are of the query string.
    pub name: &'static str,
    /// What it does: a sentence.
    pub about: &'static str,
    /// The values that are taken, none of them an array or an object.
    pub value: Shape,
}

impl Parameter {
    /// A parameter of type `T`.
    pub fn of<T: JsonSchema>(
        name: &'static str,
        about: &'static str,
        example: impl Into<Value>,
    ) -> Self {
        Self { name, about, value: Shape::of::<T>(example) }
    }
}

/// What the `type` of a problem means: shown at `/problems/<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemPage {
    /// The last part of the `type`, such as `order-not-found`.
    pub name: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// The type in words.
    pub title: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What the client can do.
    pub remedy: &'static str,
}
