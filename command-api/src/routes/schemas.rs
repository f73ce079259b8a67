//! The schemas of events: `/schemas/<event>/<version>`, which the attribute `dataschema` of each event
//! names, and `/asyncapi.json`, which describes the exchange that carries the events.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use kernel::aggregate::Aggregate;
use kernel::contract::{Event, Parameter, Shape};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use shared::http::api::{Object, Operation, Served};
use shared::http::probes::get_or_head;
use shared::http::problem::{JSON, Problem};
use shared::http::{Access, Answer, answer};
use shared::messaging::asyncapi;
use shared::messaging::cloud_event::SCHEMA_PREFIX;
use shared::service::slot::ServiceSlot;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::Service;

type Schemas = BTreeMap<(&'static str, u32), Served>;

pub fn routes<A: Aggregate>(slot: ServiceSlot<Service<A>>) -> BoxedFilter<(Response,)> {
    let schemas: Arc<Schemas> = Arc::new(
        A::contract()
            .events
            .iter()
            .map(|event| ((event.name, event.version), Served::new(&schema(event))))
            .collect(),
    );
    let schema = warp::path!("schemas" / String / String)
        .and(get_or_head())
        .and(warp::header::headers_cloned())
        .map(move |name: String, version: String, headers: HeaderMap| {
            answer::into_response(find(&schemas, &name, &version, &headers))
        });
    let document = Arc::new(OnceLock::<Served>::new());
    let asyncapi = warp::path!("asyncapi.json")
        .and(get_or_head())
        .and(warp::header::headers_cloned())
        .map(move |headers: HeaderMap| answer::into_response(exchange(&slot, &document, &headers)));
    schema.or(asyncapi).unify().boxed()
}

fn find(schemas: &Schemas, name: &str, version: &str, headers: &HeaderMap) -> Answer {
    let unknown =
        || Problem::not_found(format!("No event {name:?} has a schema version {version:?}."));
    let version: u32 = kernel::parameters::number(version).ok_or_else(unknown)?;
    let found = schemas.iter().find(|((event, of), _)| *event == name && *of == version);
    let (_, served) = found.ok_or_else(unknown)?;
    Ok(served.answer(headers))
}

/// The document is made for the first client: the namespace of the service never changes.
fn exchange<A: Aggregate>(
    slot: &ServiceSlot<Service<A>>,
    document: &OnceLock<Served>,
    headers: &HeaderMap,
) -> Answer {
    let service = slot.service()?;
    let make = || {
        let events = A::contract().events;
        Served::new(&asyncapi::document(&service.namespace, A::CATEGORY, &events))
    };
    Ok(document.get_or_init(make).answer(headers))
}

/// A document of its own: it refers to nothing.
fn schema(event: &Event) -> Value {
    let Event { name, version, about, data } = event;
    let settings = SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true);
    let mut schema = data.schema(&mut settings.into_generator()).to_value();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = format!("{SCHEMA_PREFIX}{name}/{version}").into();
    schema["title"] = (*name).into();
    schema["description"] = (*about).into();
    schema["examples"] = json!([data.example]);
    schema
}

/// A version of a schema.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct Version(#[schemars(range(min = 1))] u32);

pub fn operations<A: Aggregate>() -> Vec<Operation> {
    let events = A::contract().events;
    let first = events.first().map(|event| (event.name, schema(event)));
    let (name, example) = first.unwrap_or(("Happened", json!({})));
    let object = |example: Value| Shape::of::<Object>(example);
    let asyncapi = json!({ "asyncapi": asyncapi::VERSION });
    vec![
        Operation::new("GET", format!("{SCHEMA_PREFIX}{{event}}/{{version}}"), "readSchema")
            .access(Access::OPEN)
            .tag("log")
            .about("The schema of the data of an event (JSON Schema, draft 2020-12), as `dataschema` of the event names it.")
            .parameters([
                Parameter::of::<String>("event", "The event's name.", name),
                Parameter::of::<Version>("version", "The version of its schema.", 1),
            ])
            .conditional()
            .answers(200, "The schema.", JSON, object(example))
            .with(["ETag", "Cache-Control"])
            .answers_nothing(304, "The client has it.")
            .with(["ETag", "Cache-Control"])
            .fails(["not-found"]),
        Operation::new("GET", "/asyncapi.json", "asyncapi")
            .access(Access::OPEN)
            .tag("log")
            .about("The exchange that carries every event, described (AsyncAPI 3.1). The embedded mode has none.")
            .conditional()
            .answers(200, "The description.", JSON, object(asyncapi))
            .with(["ETag", "Cache-Control"])
            .answers_nothing(304, "The client has it.")
            .with(["ETag", "Cache-Control"]),
    ]
}
