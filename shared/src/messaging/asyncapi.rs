//! The exchange that carries the events, described (<https://www.asyncapi.com/docs/reference/specification/v3.1.0>).

use kernel::Namespace;
use kernel::contract::Event;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::cloud_event::{
    BATCH_CONTENT_TYPE, CONTENT_TYPE, CloudEvent, SCHEMA_PREFIX, TYPE_PREFIX,
};

/// The version of AsyncAPI.
pub const VERSION: &str = "3.1.0";

/// The name of the message that holds several events.
const BATCH: &str = "Events";

const ABOUT: &str = "Every event of the log. A message holds whole commits, in the order of the log: an \
    array of events, or, with WAYBILL_EVENTS_PER_MESSAGE=1, one event. An event may come again, and in \
    another message; `source` and `position` with `index` tell one from another. A queue that is bound \
    to the exchange gets all of them from then on; GET /events has those before.";

/// The description of the exchange of this namespace, for events of streams of this category.
pub fn document(namespace: &Namespace, category: &str, events: &[Event]) -> Value {
    let exchange = super::exchange(namespace);
    let example = |event: &Event| example(namespace, category, event);
    let each: Vec<_> = events.iter().map(|event| message(event, &example(event))).collect();
    let payloads: Vec<&Value> = each.iter().map(|(_, message)| &message["payload"]).collect();
    let examples: Vec<Value> =
        events.first().map(|event| json!({ "payload": [example(event)] })).into_iter().collect();
    let batch = json!({
        "name": "waybill.events",
        "title": "Events of one or more commits",
        "contentType": BATCH_CONTENT_TYPE,
        "headers": headers(),
        "payload": { "type": "array", "minItems": 1, "items": { "oneOf": payloads } },
        "examples": examples,
    });
    let messages: Map<String, Value> =
        each.iter().cloned().chain([(BATCH.to_owned(), batch)]).collect();
    let references: Map<String, Value> = messages
        .keys()
        .map(|name| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") })))
        .collect();
    let of_channel: Vec<Value> = messages
        .keys()
        .map(|name| json!({ "$ref": format!("#/channels/events/messages/{name}") }))
        .collect();
    json!({
        "asyncapi": VERSION,
        "info": {
            "title": "Waybill: events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": BATCH_CONTENT_TYPE,
        "channels": {
            "events": {
                "address": exchange,
                "title": "The events of the log",
                "messages": references,
                "bindings": { "amqp": {
                    "is": "routingKey",
                    "exchange": {
                        "name": exchange, "type": "fanout", "durable": true, "autoDelete": false,
                    },
                    "bindingVersion": "0.3.0",
                } },
            },
        },
        "operations": {
            "publishEvents": {
                "action": "send",
                "channel": { "$ref": "#/channels/events" },
                "summary": "Each event, at least once, after it was committed.",
                "messages": of_channel,
                "bindings": { "amqp": { "deliveryMode": 2, "bindingVersion": "0.3.0" } },
            },
        },
        "components": { "messages": messages },
    })
}

/// The headers of a message.
fn headers() -> Value {
    let about = "Of the first of its events that has one (https://www.w3.org/TR/trace-context/).";
    let traceparent = json!({ "type": "string", "description": about });
    json!({ "type": "object", "properties": { "traceparent": traceparent } })
}

/// The message that is one event, by its name.
fn message(event: &Event, example: &Value) -> (String, Value) {
    let Event { name, version, about, .. } = event;
    let message = json!({
        "name": format!("{TYPE_PREFIX}{name}"),
        "title": name,
        "summary": about,
        "contentType": CONTENT_TYPE,
        "headers": headers(),
        "payload": payload(event),
        "examples": [{ "payload": example }],
    });
    (format!("{name}.{version}"), message)
}

/// The schema of a CloudEvent with the data of this event. (Draft 7, which AsyncAPI builds upon.)
fn payload(event: &Event) -> Value {
    let Event { name, version, data, .. } = event;
    let settings = SchemaSettings::draft07().for_serialize();
    let settings = settings.with(|it| (it.inline_subschemas, it.meta_schema) = (true, None));
    let mut generator = settings.into_generator();
    let mut schema = generator.subschema_for::<CloudEvent<'static>>().to_value();
    schema["properties"]["type"]["const"] = format!("{TYPE_PREFIX}{name}").into();
    schema["properties"]["dataschema"]["const"] = format!("{SCHEMA_PREFIX}{name}/{version}").into();
    schema["properties"]["data"] = data.schema(&mut generator).to_value();
    schema
}

fn example(namespace: &Namespace, category: &str, event: &Event) -> Value {
    let Event { name, version, data, .. } = event;
    json!({
        "specversion": "1.0",
        "id": "01900000-0000-7000-8000-000000000000",
        "source": format!("/{namespace}/0f8fad5bd9cb469fa16570867728950e"),
        "type": format!("{TYPE_PREFIX}{name}"),
        "subject": format!("{category}-809266d8-6c0c-4b69-812e-c155352a1fea"),
        "time": "2026-01-31T12:00:00.000Z",
        "datacontenttype": "application/json",
        "dataschema": format!("{SCHEMA_PREFIX}{name}/{version}"),
        "sequence": "0000000000000000001",
        "position": "0000000000000000001",
        "index": 0,
        "correlationid": "checkout-7781",
        "data": data.example,
    })
}
