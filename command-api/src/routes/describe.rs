//! What command-api says of itself, made from what the domain says of its commands and events.

use std::sync::Arc;

use kernel::aggregate::{Action, Aggregate};
use kernel::contract::{Parameter, Shape};
use kernel::parameters::Limit;
use schemars::JsonSchema;
use serde_json::{Value, json};
use shared::auth::{Authenticator, Role};
use shared::http::Access;
use shared::http::api::headers as header;
use shared::http::api::{Api, Body, Description, Object, Operation};
use shared::http::problem::JSON;
use uuid::Uuid;

use super::bodies::{COMMANDS, NDJSON};
use super::commands::Commands;
use super::read::{Feed, StreamEvents};
use super::results::{self, Id, Results};

const ABOUT: &str = "Takes commands, and reads the log.\n\nEvery 2xx of a command means that at least \
    one event was written. Amounts of money are in minor units. `HEAD` is answered wherever `GET` is. \
    The `Host` has to be a name of the service, and the `Origin` of a POST or DELETE, where there is \
    one, the service itself or one that its operator has named.";
/// What any command may get.
const OF_COMMANDS: [&str; 8] = [
    "illegal-transition",
    "idempotency-in-flight",
    "idempotency-mismatch",
    "conflict",
    "validation",
    "version-mismatch",
    "outcome-unknown",
    "too-many-requests",
];
const ID: &str = "809266d8-6c0c-4b69-812e-c155352a1fea";

/// For principals that are bound to one owner, too: the write side looks whose it is.
const SENDS: Access = Access::of(&[Role::Command]).also_bound();
/// What is written of one thing names others than its owner, such as the actors.
const READS: Access = Access::of(&[Role::Query, Role::Operate]);

pub fn describe<A: Aggregate>(
    known: &Commands,
    authenticator: Option<&Arc<Authenticator>>,
) -> Description {
    let contract = A::contract();
    let mut api = Api::new("Waybill: commands", ABOUT, contract.problems, contract.rules);
    api.facts(contract.facts);
    for operation in commands::<A>(known) {
        api.add(operation);
    }
    api.add(batch::<A>(known));
    api.add(feed());
    api.add(stream::<A>());
    api.add(state::<A>(contract.state));
    for operation in super::schemas::operations::<A>() {
        api.add(operation);
    }
    api.finish(authenticator)
}

/// Of the aggregate, in its path.
fn id<A: Aggregate>() -> Parameter {
    Parameter::of::<Uuid>(A::RESOURCE.id, "Which one.", ID)
}

fn commands<A: Aggregate>(known: &Commands) -> Vec<Operation> {
    let (resource, name) = (A::RESOURCE, A::RESOURCE.name);
    let path = format!("/{}", resource.path);
    let exists = format!("{name}-exists");
    let mut create = command::<A>(known, "POST", path, resource.create, None)
        .fails([exists, "another-owner".to_owned()]);
    create = create.answers(201, "It is created.", JSON, accepted::<A>()).with([
        "ETag",
        "Consistency-Token",
        "Location",
    ]);
    for action in resource.actions {
        create = create.link(201, action.command, resource.id, body_id::<A>());
    }
    for read in ["readStream", "readState"] {
        create = create.link(201, read, resource.id, body_id::<A>());
    }
    let action = |action: &Action| {
        let mut path = format!("/{}/{{{}}}/{}", resource.path, resource.id, action.segment);
        if let Some(parameter) = action.parameter {
            path = format!("{path}/{{{parameter}}}");
        }
        command::<A>(known, action.method, path, action.command, action.parameter)
            .fails([format!("{name}-not-found")])
            .answers(200, "It is done.", JSON, accepted::<A>())
            .with(["ETag", "Consistency-Token"])
    };
    [create].into_iter().chain(resource.actions.iter().map(action)).collect()
}

fn body_id<A: Aggregate>() -> String {
    format!("$response.body#/{}", A::RESOURCE.id)
}

fn command<A: Aggregate>(
    known: &Commands,
    method: &'static str,
    path: String,
    name: &'static str,
    parameter: Option<&'static str>,
) -> Operation {
    let mut operation = Operation::new(method, path, name)
        .access(SENDS)
        .tag("commands")
        .about(known.about(name))
        .headers([header::idempotency_key(), header::if_match()])
        .headers(header::trace())
        .fails(OF_COMMANDS);
    if name != A::RESOURCE.create {
        operation = operation.parameters([id::<A>()]);
    }
    if let Some((parameter, (schema, example))) =
        parameter.zip(known.field(name, parameter.unwrap_or_default()))
    {
        operation = operation.path_parameter(parameter, schema, example);
    }
    match known.of_route(name, parameter).filter(|_| method != "DELETE") {
        Some(body) => operation.takes(JSON, body, !known.may_be_empty(name)),
        None => operation,
    }
}

fn accepted<A: Aggregate>() -> Shape {
    let example = json!({ A::RESOURCE.id: ID, "version": 1, "position": 1 });
    Shape::of::<results::Accepted<Id<'static, A>>>(example)
}

fn batch<A: Aggregate>(known: &Commands) -> Operation {
    let Body::Written { schema, example } = known.element() else {
        return Operation::new("POST", "/commands", "sendBatch");
    };
    let array = json!({ "type": "array", "items": schema, "maxItems": COMMANDS });
    let lines = Body::Written {
        schema: json!({ "type": "string" }),
        example: format!("{example}\n").into(),
    };
    let token = format!("0f8fad5bd9cb469fa16570867728950e.1@{}-{ID}", A::CATEGORY);
    let one = json!({
        A::RESOURCE.id: ID, "version": 1, "position": 1, "status": 201, "token": token,
    });
    let text =
        Body::Written { schema: json!({ "type": "string" }), example: format!("{one}\n").into() };
    let results = Shape::of::<Results<'static, Id<'static, A>>>(json!({ "results": [one] }));
    Operation::new("POST", "/commands", "sendBatch")
        .access(SENDS)
        .tag("commands")
        .about(
            "Sends up to 1,000 commands. They are carried out in the order of the batch where they are \
             for the same thing; one that is refused does not stop the others. Each has a result of \
             its own, which may be a problem.",
        )
        .headers([header::idempotency_key()])
        .headers(header::trace())
        .takes(JSON, Body::Written { schema: array, example: json!([example]) }, true)
        .takes(NDJSON, lines, true)
        .answers(200, "A result for each command.", JSON, results)
        .answers(200, "", NDJSON, text)
        .fails(["validation", "too-many-requests", "outcome-unknown"])
}

/// A place in the feed.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct Cursor(#[schemars(regex(pattern = r"^([0-9a-f]{32}\.)?[0-9]{1,18}$"))] String);

/// A version of a stream.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct Version(#[schemars(range(min = 0, max = 9_223_372_036_854_775_807_i64))] i64);

fn limit(of: &'static str) -> Parameter {
    Parameter::of::<Limit>("limit", of, 100)
}

fn event() -> Value {
    json!({
        "specversion": "1.0", "id": "01900000-0000-7000-8000-000000000000",
        "source": "/waybill/0f8fad5bd9cb469fa16570867728950e", "type": "waybill.Happened",
        "subject": format!("thing-{ID}"), "time": "2026-01-31T12:00:00.000Z",
        "datacontenttype": "application/json", "dataschema": "/schemas/Happened/1",
        "sequence": "0000000000000000001", "position": "0000000000000000001", "index": 0,
        "correlationid": "checkout-7781", "data": {},
    })
}

fn feed() -> Operation {
    let example =
        json!({ "events": [event()], "next": "0f8fad5bd9cb469fa16570867728950e.1", "head": 1 });
    Operation::new("GET", "/events", "readFeed")
        .access(READS)
        .tag("log")
        .about(
            "The whole log, whole commits at a time, at most about 1 MiB. An empty page is not the end \
             of the log: `head` is its highest position. With `Prefer: wait=` it waits for more.",
        )
        .parameters([
            Parameter::of::<Cursor>("after", "The `next` of the page before, or a position.", "0"),
            limit("How many commits the page has at most; 100 without it."),
        ])
        .headers([header::prefer()])
        .answers(200, "A part of the log.", JSON, Shape::of::<Feed<'static>>(example))
        .with(["Cache-Control"])
        .may_have(["Consistency-Token"])
        .fails(["cursor-of-another-log"])
}

fn stream<A: Aggregate>() -> Operation {
    let resource = A::RESOURCE;
    let path = format!("/{}/{{{}}}/events", resource.path, resource.id);
    let mut first = event();
    first["subject"] = format!("{}-{ID}", A::CATEGORY).into();
    let example = json!({ "events": [first], "next": null });
    let about = format!("The events of one {}, at most about 1 MiB of them.", resource.name);
    Operation::new("GET", path, "readStream")
        .access(READS)
        .tag("log")
        .about(about)
        .parameters([
            id::<A>(),
            Parameter::of::<Version>("after", "Those above this version.", 0),
            limit("How many events the page has at most; 100 without it."),
        ])
        .answers(200, "A part of its events.", JSON, Shape::of::<StreamEvents<'static>>(example))
        .with(["Cache-Control"])
        .may_have(["Consistency-Token"])
        .fails([format!("{}-not-found", resource.name)])
}

fn state<A: Aggregate>(state: Option<Shape>) -> Operation {
    let resource = A::RESOURCE;
    let path = format!("/{}/{{{}}}/state", resource.path, resource.id);
    let about = format!(
        "The {} as it was at a version or at a time; as it is now, without either. What it was at a \
         version never changes.",
        resource.name
    );
    let any = || Shape::of::<Object>(json!({ "version": 1 }));
    Operation::new("GET", path, "readState")
        .access(READS)
        .tag("log")
        .about(about)
        .parameters([
            id::<A>(),
            Parameter::of::<AtVersion>("version", "At this version; not with `at`.", 1),
            Parameter::of::<kernel::Timestamp>(
                "at",
                "At this time; not with `version`.",
                "2026-01-31T12:00:00Z",
            ),
        ])
        .conditional()
        .answers(200, "It, with `version` and `updated_at`.", JSON, state.unwrap_or_else(any))
        .with(["ETag", "Consistency-Token", "Cache-Control"])
        .answers_nothing(304, "The client has it.")
        .with(["ETag", "Consistency-Token", "Cache-Control"])
        .fails([format!("{}-not-found", resource.name), "not-found".to_owned()])
}

/// A version that there can be a state at.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct AtVersion(#[schemars(range(min = 1, max = 9_223_372_036_854_775_807_i64))] i64);
