//! The document: OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.1>), whose schemas are JSON Schema.

use std::collections::BTreeMap;

use kernel::contract::{Member, Parameter, Shape};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Body, Link, Operation, Place, ServerSentEvent, Success};
use super::{headers, security};
use crate::http::problem::{Pages, Problem, is_to_be_retried};

/// Of every answer that is a problem.
const PROBLEM: &str = "application/problem+json";

/// A problem that only principals have.
const OF_OWNERS: &str = "another-owner";

pub struct Document {
    info: Value,
    paths: BTreeMap<String, Map<String, Value>>,
    /// Groups of operations; what every service has comes last.
    tags: Vec<&'static str>,
    /// Of what is taken: each schema is written where it is used.
    input: SchemaGenerator,
    /// Of what is answered: schemas are written once, and referred to.
    output: SchemaGenerator,
}

impl Document {
    pub fn new(title: &str, about: &str) -> Self {
        let info = json!({
            "title": title,
            "description": about,
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        });
        let settings = || SchemaSettings::draft2020_12().with(|it| it.meta_schema = None);
        let input = settings().for_deserialize().with(|it| it.inline_subschemas = true);
        let output = settings().for_serialize().with(|it| {
            it.definitions_path = "/components/schemas".into();
        });
        let (input, output) = (input.into_generator(), output.into_generator());
        Self { info, paths: BTreeMap::new(), tags: vec![], input, output }
    }

    pub fn add(&mut self, operation: &Operation, pages: &Pages, is_secured: bool) {
        let Operation { method, path, id, about, tag, .. } = operation;
        if !self.tags.contains(tag) {
            self.tags.insert(0, tag);
        }
        let summary = about.split_once(". ").map_or(about.as_str(), |(first, _)| first);
        let mut written = json!({
            "operationId": id,
            "tags": [tag],
            "summary": summary.trim_end_matches('.'),
            "description": about,
            "responses": self.answers(operation, pages, is_secured),
        });
        if is_secured {
            written["security"] = security::of_operation(operation.access);
        }
        let mut parameters: Vec<Value> =
            operation.parameters.iter().map(|(place, it)| self.parameter(*place, it)).collect();
        let of_every = headers::of_every_request().into_iter();
        let of_every = of_every.filter(|header| !operation.says_of_header(header.name));
        parameters.extend(of_every.map(|header| self.parameter(Place::Header, &header)));
        parameters.extend(operation.written.iter().map(|(name, schema, example)| {
            json!({
                "name": name, "in": "path", "required": true, "schema": schema, "example": example,
            })
        }));
        written["parameters"] = parameters.into();
        if !operation.body.is_empty() {
            let content: Map<String, Value> = operation
                .body
                .iter()
                .map(|(media, body)| ((*media).to_owned(), content(&mut self.input, body)))
                .collect();
            written["requestBody"] =
                json!({ "required": operation.needs_body, "content": content });
        }
        let methods = self.paths.entry(path.clone()).or_default();
        methods.insert(method.to_ascii_lowercase(), written);
    }

    fn parameter(&mut self, place: Place, parameter: &Parameter) -> Value {
        let Parameter { name, about, value } = parameter;
        json!({
            "name": name,
            "in": place.as_str(),
            "required": place == Place::Path,
            "description": about,
            "schema": value.schema(&mut self.input),
            "example": value.example,
        })
    }

    fn answers(&mut self, operation: &Operation, pages: &Pages, is_secured: bool) -> Value {
        let mut answers = Map::new();
        for success in &operation.answers {
            let links = operation.links.iter().filter(|link| link.status == success.status);
            answers.insert(success.status.to_string(), self.success(success, links));
        }
        let mut failures: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        let of_access = match is_secured && !operation.access.is_open() {
            true => &["unauthorized", "forbidden"][..],
            false => &[],
        };
        let of_all = operation.problems.iter().map(String::as_str);
        let of_all = of_all.filter(|name| is_secured || *name != OF_OWNERS);
        for name in of_all.chain(of_access.iter().copied()) {
            let Some(page) = pages.find(name) else { continue };
            let of_status = failures.entry(page.status).or_default();
            if !of_status.contains(&page.name) {
                of_status.push(page.name);
            }
        }
        for (status, names) in failures {
            answers.insert(status.to_string(), self.failure(&names, pages));
        }
        answers.into()
    }

    fn success<'a>(&mut self, success: &Success, links: impl Iterator<Item = &'a Link>) -> Value {
        let mut written = json!({ "description": success.about });
        let bodies = success.bodies.iter();
        let contents: Map<String, Value> = bodies
            .map(|(media, body)| ((*media).to_owned(), content(&mut self.output, body)))
            .collect();
        if !contents.is_empty() {
            written["content"] = contents.into();
        }
        written["headers"] = of_answer(&success.headers);
        let links: Map<String, Value> = links
            .map(|Link { to, parameter, value, .. }| {
                let link = json!({ "operationId": to, "parameters": { parameter: value } });
                (to.clone(), link)
            })
            .collect();
        if !links.is_empty() {
            written["links"] = links.into();
        }
        written
    }

    /// All problems of one status.
    fn failure(&mut self, names: &[&str], pages: &Pages) -> Value {
        let titled = names.iter().filter_map(|name| Some((name, pages.find(name)?)));
        let about: Vec<String> = titled
            .map(|(name, page)| format!("[`{name}`](/problems/{name}): {}", page.meaning))
            .collect();
        let examples: Map<String, Value> = names
            .iter()
            .map(|name| {
                let reference = json!({ "$ref": format!("#/components/examples/{name}") });
                ((*name).to_owned(), reference)
            })
            .collect();
        let schema = self.output.subschema_for::<Problem>();
        let mut written = json!({
            "description": about.join("\n\n"),
            "content": { PROBLEM: { "schema": schema, "examples": examples } },
        });
        let mut of_status = vec![("Cache-Control", true)];
        for header in ["Allow", "WWW-Authenticate", "Retry-After"] {
            let having = names.iter().filter(|name| is_in(header, name)).count();
            if having > 0 {
                of_status.push((header, having == names.len()));
            }
        }
        written["headers"] = of_answer(&of_status);
        written
    }

    /// The schemas of answers; that of problems has each member that some of them have.
    fn schemas(&mut self, pages: &Pages) -> Map<String, Value> {
        let mut written = vec![];
        for Member { name, about, value } in pages.members() {
            let mut schema = value.schema(&mut self.output);
            schema.insert("description".to_owned(), (*about).into());
            schema.insert("examples".to_owned(), json!([value.example]));
            written.push((*name, schema.to_value()));
        }
        let mut schemas = self.output.take_definitions(true);
        let problem = schemas.get_mut("Problem");
        if let Some(members) = problem.and_then(|it| it.get_mut("properties")?.as_object_mut()) {
            for (name, schema) in written {
                members.entry(name).or_insert(schema);
            }
        }
        schemas
    }

    pub fn finish(mut self, pages: &Pages, is_secured: bool) -> Value {
        let example =
            |name: &'static str| Some((name.to_owned(), json!({ "value": pages.example(name)? })));
        let examples: Map<String, Value> = pages.names().filter_map(example).collect();
        let is_required = |name: &str| {
            let of_every = headers::OF_EVERY_ANSWER.iter().find(|(every, _)| *every == name);
            of_every.is_none_or(|(_, is_required)| *is_required)
        };
        let headers: Map<String, Value> = headers::OF_ANSWERS
            .iter()
            .map(|(name, ..)| ((*name).to_owned(), header(name, is_required(name))))
            .collect();
        let schemas = self.schemas(pages);
        let mut document = json!({
            "openapi": "3.1.1",
            "info": self.info,
            "servers": [{ "url": "/" }],
            "tags": self.tags.iter().map(|tag| json!({ "name": tag })).collect::<Value>(),
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "headers": headers,
                "examples": examples,
            },
        });
        if is_secured {
            document["components"]["securitySchemes"] = security::schemes();
        }
        document
    }
}

/// Whether a problem of this type has the header.
fn is_in(header: &str, problem: &str) -> bool {
    match header {
        "Allow" => problem == "method-not-allowed",
        "WWW-Authenticate" => ["unauthorized", "forbidden"].contains(&problem),
        "Retry-After" => is_to_be_retried(problem),
        _ => false,
    }
}

/// The headers of an answer, each with whether it is always there, and those of every answer.
fn of_answer(own: &[(&'static str, bool)]) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/headers/{name}") });
    let own = own.iter().map(|(name, is_required)| {
        let written = if *is_required { reference(name) } else { header(name, false) };
        ((*name).to_owned(), written)
    });
    let every = headers::OF_EVERY_ANSWER.iter();
    own.chain(every.map(|(name, _)| ((*name).to_owned(), reference(name))))
        .collect::<Map<String, Value>>()
        .into()
}

fn header(name: &str, is_required: bool) -> Value {
    let known = headers::OF_ANSWERS.iter().find(|(known, ..)| *known == name);
    let (_, about, pattern) = known.copied().unwrap_or(("", "", ""));
    let schema = json!({ "type": "string", "pattern": pattern });
    json!({ "description": about, "required": is_required, "schema": schema })
}

fn content(generator: &mut SchemaGenerator, body: &Body) -> Value {
    match body {
        Body::Shape(shape) => {
            let Shape { example, .. } = shape;
            json!({ "schema": shape.schema(generator), "example": example })
        }
        Body::Written { schema, example } => json!({ "schema": schema, "example": example }),
        Body::Events(events) => {
            let schemas: Vec<Value> = events.iter().map(|it| event(generator, it)).collect();
            let example = events.first().map(|ServerSentEvent { name, id, data, .. }| {
                json!({ "event": name, "id": id, "data": data.example.to_string() })
            });
            json!({ "schema": { "oneOf": schemas }, "example": example })
        }
    }
}

/// The fields of an event, which are texts, and what the text of `data` is.
fn event(generator: &mut SchemaGenerator, event: &ServerSentEvent) -> Value {
    let mut data = event.data.schema(generator).to_value();
    if let Some((name, shape)) = &event.member {
        data["properties"][*name] = shape.schema(generator).to_value();
    }
    let mut properties = json!({
        "event": { "type": "string", "enum": [event.name] },
        "data": {
            "type": "string", "contentMediaType": "application/json", "contentSchema": data,
        },
    });
    if event.id.is_some() {
        properties["id"] = json!({ "type": "string" });
    }
    json!({ "type": "object", "properties": properties, "required": ["event", "data"] })
}
