//! The operations that every service has.

use std::borrow::Cow;

use kernel::contract::{Parameter, Shape};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::docs;
use super::operation::{Body, Operation};
use crate::auth::Role;
use crate::http::Access;
use crate::http::problem::{HTML, JSON, Page, Pages};
use crate::service::metrics;

const TEXT: &str = "text/plain; charset=utf-8";

/// Text that is no JSON.
pub fn text(example: &str) -> Body {
    Body::Written { schema: json!({ "type": "string" }), example: example.into() }
}

/// Bytes of whatever type.
pub fn file() -> Body {
    Body::Written { schema: json!({}), example: "…".into() }
}

pub fn operations(pages: &Pages) -> Vec<Operation> {
    let names: Vec<&str> = pages.names().collect();
    let page = pages.find("malformed").map(|page| json!(pages.json(page)));
    let page = Shape::of::<Page<'static>>(page.unwrap_or_default());
    let about = "Which type of problem.";
    let name =
        Parameter { name: "name", about, value: Shape::of::<String>(names.first().copied()) };
    vec![
        Operation::new("GET", "/livez", "livez")
            .access(Access::OPEN)
            .about("Whether the process serves HTTP and gets on.")
            .answers(200, "It does.", TEXT, text("alive"))
            .with(["Cache-Control"])
            .fails(["stuck"]),
        Operation::new("GET", "/readyz", "readyz")
            .access(Access::OPEN)
            .about(
                "Whether the service has all that it needs. The problem tells what it waits for.",
            )
            .answers(200, "It has; what an operator should know follows.", TEXT, text("ready"))
            .with(["Cache-Control"]),
        Operation::new("GET", "/metrics", "metrics")
            .access(Access::of(&[Role::Operate]))
            .about("What the process counts and measures, for Prometheus.")
            .answers(200, "Metrics.", metrics::CONTENT_TYPE, text("# HELP …"))
            .with(["Cache-Control"]),
        Operation::new("GET", "/openapi.json", "openapi")
            .access(Access::OPEN)
            .about("This description.")
            .conditional()
            .answers(200, "OpenAPI 3.1.", JSON, Shape::of::<Object>(json!({ "openapi": "3.1.1" })))
            .with(["ETag", "Cache-Control"])
            .answers_nothing(304, "The client has it.")
            .with(["ETag", "Cache-Control"]),
        Operation::new("GET", "/docs", "docs")
            .access(Access::OPEN)
            .about("A page that shows this description.")
            .answers(200, "The page.", HTML, text("<!doctype html>"))
            .with(["Cache-Control"]),
        Operation::new("GET", "/docs/{file}", "docsFile")
            .access(Access::OPEN)
            .about("A file of that page.")
            .parameters([Parameter::of::<String>("file", "Its name.", "start.js")])
            .answers(200, "The file.", docs::SCRIPT, file())
            .answers(200, "The file.", docs::STYLE, file())
            .with(["Cache-Control"])
            .fails(["not-found"]),
        Operation::new("GET", "/problems/{name}", "problem")
            .access(Access::OPEN)
            .about(
                "What a type of problem means, and what to do. HTML for a client that prefers it.",
            )
            .parameters([name])
            .answers(200, "The page.", JSON, page)
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
