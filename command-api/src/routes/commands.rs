//! The schemas of the commands, made from what the domain says of each: as the bodies of the routes,
//! as elements of a batch, and to find all fields that are wrong.

use std::collections::{BTreeMap, BTreeSet};

use kernel::aggregate::{Aggregate, FieldError, Invalid, found};
use kernel::contract::Command;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use shared::http::api::Body;
use shared::http::fields::{Fields, MAX_ERRORS, Wrong};
use shared::http::problem::Problem;

/// A schema with an example.
#[derive(Debug, Clone)]
struct Described {
    schema: Value,
    example: Value,
}

impl From<Described> for Body {
    fn from(Described { schema, example }: Described) -> Self {
        Self::Written { schema, example }
    }
}

/// The commands of an aggregate.
pub struct Commands {
    commands: Vec<(Command, Described)>,
    /// The field that names the aggregate.
    id: &'static str,
    /// The command that makes one, and may leave out its id.
    create: &'static str,
    by_name: BTreeMap<&'static str, Fields>,
    /// What the domain finds beyond the schemas.
    beyond_schema: fn(&Value) -> Vec<FieldError>,
}

impl Commands {
    pub fn of<A: Aggregate>() -> Self {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        let mut generator = settings
            .with(|it| (it.inline_subschemas, it.meta_schema) = (true, None))
            .into_generator();
        let described = |command: Command| {
            let schema = command.fields.schema(&mut generator).to_value();
            let example = command.fields.example.clone();
            (command, Described { schema, example })
        };
        let commands: Vec<_> = A::contract().commands.into_iter().map(described).collect();
        let (id, create) = (A::RESOURCE.id, A::RESOURCE.create);
        let (by_name, beyond_schema) = (BTreeMap::new(), A::wrong_beyond_schema);
        let mut this = Self { commands, id, create, by_name, beyond_schema };
        this.by_name = this.commands.iter().filter_map(|it| this.fields(it)).collect();
        this
    }

    fn fields(&self, (command, own): &(Command, Described)) -> Option<(&'static str, Fields)> {
        let fields = Fields::of(&self.full(command.name, own).schema);
        let broken = |why| tracing::error!(why, command.name, "its schema can't be read");
        Some((command.name, fields.map_err(broken).ok()?))
    }

    pub fn about(&self, name: &str) -> &'static str {
        self.find(name).map_or("", |(command, _)| command.about)
    }

    fn find(&self, name: &str) -> Option<&(Command, Described)> {
        self.commands.iter().find(|(command, _)| command.name == name)
    }

    /// The body of the route that sends this command: without the fields that the path has.
    pub fn of_route(&self, name: &str, parameter: Option<&str>) -> Option<Body> {
        let mut body = self.find(name)?.1.clone();
        if name == self.create {
            insert(
                &mut body,
                self.id,
                &json!({ "type": ["string", "null"], "format": "uuid" }),
                false,
            );
        }
        if let Some(parameter) = parameter {
            remove(&mut body, parameter);
        }
        Some(body.into())
    }

    /// The schema and an example of a field of this command.
    pub fn field(&self, command: &str, field: &str) -> Option<(Value, Value)> {
        let (_, own) = self.find(command)?;
        let schema = own.schema.get("properties")?.get(field)?.clone();
        Some((schema, own.example.get(field).cloned().unwrap_or_default()))
    }

    /// Whether the route of this command may have an empty body.
    pub fn may_be_empty(&self, name: &str) -> bool {
        let required = self.find(name).and_then(|(_, own)| own.schema.get("required")?.as_array());
        required.is_none_or(Vec::is_empty)
    }

    /// With `type` and id, as the domain reads it.
    fn full(&self, name: &str, own: &Described) -> Described {
        let mut full = own.clone();
        insert(&mut full, "type", &json!({ "const": name }), true);
        full.example["type"] = name.into();
        let creates = name == self.create;
        let kind = if creates { json!(["string", "null"]) } else { json!("string") };
        insert(&mut full, self.id, &json!({ "type": kind, "format": "uuid" }), !creates);
        full.example[self.id] = "809266d8-6c0c-4b69-812e-c155352a1fea".into();
        full
    }

    /// An element of a batch: any command, with a key of its own if it likes.
    pub fn element(&self) -> Body {
        let key = json!({ "type": "string", "minLength": 1, "maxLength": super::headers::KEY });
        let elements: Vec<Described> = self
            .commands
            .iter()
            .map(|(command, own)| {
                let mut full = self.full(command.name, own);
                full.schema["title"] = command.name.into();
                insert(&mut full, "idempotency_key", &key, false);
                full
            })
            .collect();
        let schemas: Vec<&Value> = elements.iter().map(|it| &it.schema).collect();
        let example = elements.first().map(|it| it.example.clone()).unwrap_or_default();
        Body::Written { schema: json!({ "oneOf": schemas }), example }
    }

    /// Adds every field that is wrong to what was found first: what the schema of the command says,
    /// and what the domain finds beyond it. A field counts once, by what is found first; that is what the
    /// schema says, where it says anything. Up to `MAX_ERRORS` are listed; how many there are is told in any
    /// case.
    pub fn complete(&self, invalid: Invalid, command: &Value) -> Problem {
        let fields = command.get("type").and_then(|kind| self.by_name.get(kind.as_str()?));
        let Wrong { listed: mut errors, others } =
            fields.map(|fields| fields.wrong(command)).unwrap_or_default();
        let mut left_out = others.len();
        let mut told: BTreeSet<String> = errors.iter().map(|it| it.pointer.clone()).collect();
        told.extend(others);
        let beyond = invalid.errors.into_iter().chain((self.beyond_schema)(command));
        errors.extend(beyond.filter(|error| told.insert(error.pointer.clone())));
        left_out += errors.len().saturating_sub(MAX_ERRORS);
        errors.truncate(MAX_ERRORS);
        if errors.is_empty() {
            let expected = invalid.detail.clone();
            errors.push(FieldError { pointer: String::new(), expected, found: found(command) });
        }
        let first = invalid.detail;
        let detail = match (errors.len(), left_out) {
            (1, 0) => first,
            (many, 0) => format!("{first} ({many} fields are wrong: see `errors`.)"),
            (listed, _) => format!(
                "{first} ({} fields are wrong: see `errors`, and `errors_left_out` for how many it does \
                 not list.)",
                listed + left_out
            ),
        };
        Problem::from(Invalid { detail, errors }).leaving_out(left_out)
    }
}

fn insert(body: &mut Described, name: &str, schema: &Value, required: bool) {
    if !body.schema["properties"].is_object() {
        body.schema["properties"] = Map::new().into();
    }
    body.schema["properties"][name] = schema.clone();
    if required {
        match body.schema["required"].as_array_mut() {
            Some(names) => names.push(name.into()),
            None => body.schema["required"] = json!([name]),
        }
    }
}

fn remove(body: &mut Described, name: &str) {
    if let Some(properties) = body.schema["properties"].as_object_mut() {
        properties.remove(name);
    }
    if let Some(required) = body.schema["required"].as_array_mut() {
        required.retain(|required| required != name);
    }
    if let Some(example) = body.example.as_object_mut() {
        example.remove(name);
    }
}
