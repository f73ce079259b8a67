//! The operations that every service has.

use std::borrow::Cow;

use kernel::contract::{Parameter, Shape};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::headers;
use super::operation::{Body, Operation};
use crate::auth::Role;
use crate::http::Access;
use crate::http::problem::{HTML, JSON, Pages};
use crate::service::metrics;

const TEXT: &str = "text/plain; charset=utf-8";

/// Text that is no JSON.
pub fn text(example: &str) -> Body {
    Body::Written { schema: json!({ "type": "string" }), example: example.into() }
}

pub fn operations(pages: &Pages) -> Vec<Operation> {
    let names: Vec<&str> = pages.names().collect();
    let page = pages.find("malformed").map(|page| pages.json(page)).unwrap_or_default();
    let page_schema = json!({
        "type": "object",
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "status": { "type": "integer" },
            "title": { "type": "string" },
            "meaning": { "type": "string" },
            "remedy": { "type": "string" },
            "rules": { "type": "object", "additionalProperties": { "type": "string" } },
        },
        "required": ["type", "status", "title", "meaning", "remedy"],
    });
    let about = "Which type of problem.";
    let name =
        Parameter { name: "name", about, value: Shape::of::<String>(names.first().copied()) };
    vec![
        Operation::new("GET", "/livez", "livez")
            .access(Access::OPEN)
            .about("Whether the process serves HTTP and gets on.")
            .answers(200, "It does.", TEXT, text("alive")),
        Operation::new("GET", "/readyz", "readyz")
            .access(Access::OPEN)
            .about(
                "Whether the service has all that it needs. The problem tells what it waits for.",
            )
            .answers(200, "It has; what an operator should know follows.", TEXT, text("ready")),
        Operation::new("GET", "/metrics", "metrics")
            .access(Access::of(&[Role::Operate]))
            .about("What the process counts and measures, for Prometheus.")
            .answers(200, "Metrics.", metrics::CONTENT_TYPE, text("# HELP …")),
        Operation::new("GET", "/openapi.json", "openapi")
            .access(Access::OPEN)
            .about("This description.")
            .headers([headers::if_none_match()])
            .answers(200, "OpenAPI 3.1.", JSON, Shape::of::<Object>(json!({ "openapi": "3.1.1" })))
            .with(["ETag", "Cache-Control"])
            .answers_nothing(304, "The client has it."),
        Operation::new("GET", "/docs", "docs")
            .access(Access::OPEN)
            .about("A page that shows this description.")
            .answers(200, "The page.", HTML, text("<!doctype html>")),
        Operation::new("GET", "/problems/{name}", "problem")
            .access(Access::OPEN)
            .about(
                "What a type of problem means, and what to do. HTML for a client that prefers it.",
            )
            .parameters([name])
            .answers(200, "The page.", JSON, Body::Written { schema: page_schema, example: page })
            .answers(200, "The page.", HTML, text("<!doctype html>"))
            .with(["Vary", "Cache-Control"])
            .fails(["not-found"]),
    ]
}

/// Any JSON object.
pub enum Object {}

impl JsonSchema for Object {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Object".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}
