//! What the projector says of its own routes.

use std::sync::Arc;

use kernel::contract::{Parameter, ProblemPage, Shape};
use kernel::log::StreamName;
use kernel::parameters::Limit;
use serde_json::json;
use shared::auth::Authenticator;
use shared::http::api::{Api, Description, Operation};
use shared::http::problem::JSON;
use uuid::Uuid;

use super::dead_letters::{List, Shown};
use super::operation_log::Acts;
use super::{Begun, Generations, ParkedList, Renewed, Retried};
use crate::operations::Flow;

const ABOUT: &str = "Operations on the views and on the log, for operators. Any projector can be asked.\
    \n\n`HEAD` is answered wherever `GET` is. The `Host` has to be a name of the service, and the \
    `Origin` of a POST or DELETE, where there is one, the service itself or one that its operator has \
    named.";
const LOG: &str = "0f8fad5bd9cb469fa16570867728950e";
const STREAM: &str = "thing-809266d8-6c0c-4b69-812e-c155352a1fea";
const LETTER: &str = "01900000-0000-7000-8000-000000000000";
const LIMIT: &str = "How many are shown at most; 50 without it. A page ends at about 1 MiB, too.";
const AT: &str = "2026-01-31T12:00:00.000Z";

/// All of it is for principals with the role `operate`, as every operation that does not say otherwise.
pub fn describe(authenticator: Option<&Arc<Authenticator>>) -> Description {
    let mut api = Api::new("Waybill: operations", ABOUT, problems(), vec![]);
    for operation in views().into_iter().chain(parked()).chain(dead_letters()).chain(acts()) {
        api.add(operation);
    }
    api.finish(authenticator)
}

fn problems() -> Vec<ProblemPage> {
    vec![ProblemPage {
        name: "parked-not-found",
        status: 404,
        title: "There is nothing by this id",
        meaning: "The stream is not parked in the live views.",
        remedy: "GET /parked lists those that are.",
    }]
}

fn views() -> Vec<Operation> {
    let generation = json!({
        "id": "v2-1b9d6bcd", "live": true, "building": false, "projection": 2, "log": LOG,
        "created_at": AT, "served_here": true, "checkpoint": 1, "progress": null, "parked": 0,
    });
    let generations = json!({ "items": [generation], "next": null, "head": 1 });
    let flow = json!({
        "head": 1, "published": 1, "waiting": 0, "checkpoint": 1, "repaired": 0,
    });
    vec![
        Operation::new("GET", "/generations", "listGenerations")
            .tag("views")
            .about(
                "Every set of views, whether it is live or in the making and how far it is, and the \
                 head of the log.",
            )
            .answers(200, "All of them.", JSON, Shape::of::<Generations>(generations))
            .with(["Cache-Control"]),
        Operation::new("GET", "/flow", "readFlow")
            .tag("views")
            .about("How far each step of the pipeline is, from the log to the live views.")
            .answers(200, "All steps.", JSON, Shape::of::<Flow>(flow))
            .with(["Cache-Control"]),
        Operation::new("POST", "/rebuild", "rebuild")
            .tag("views")
            .about(
                "Begins a new set of views beside the live one. A worker of another version of the \
                 views, or of another log, answers 503.",
            )
            .answers(
                202,
                "It is begun; GET /generations shows how far it is.",
                JSON,
                Shape::of::<Begun>(json!({ "id": "v2-9f1c2d3e" })),
            )
            .fails(["already-building"]),
        Operation::new("POST", "/log/renew", "renewLog")
            .tag("log")
            .about(
                "Gives a log that was restored from a backup a new identity. New views are made while \
                 the old ones serve.",
            )
            .answers(200, "It has it.", JSON, Shape::of::<Renewed>(json!({ "log": LOG }))),
    ]
}

fn parked() -> Vec<Operation> {
    let note = json!({
        "stream": STREAM, "version": 3, "reason": "event Happened of schema 2 is unknown to this build",
        "projection": 2, "build": "0.1.0", "at": AT, "let_go": 3,
    });
    vec![
        Operation::new("GET", "/parked", "listParked")
            .tag("views")
            .about(
                "The streams that could not be applied to the live views, each with the first version \
                 that failed and why, in the order of their names.",
            )
            .parameters([
                Parameter::of::<Limit>("limit", LIMIT, 50),
                Parameter::of::<StreamName>(
                    "cursor",
                    "The `next` of the page before; the first page without it.",
                    STREAM,
                ),
            ])
            .answers(
                200,
                "A page of them.",
                JSON,
                Shape::of::<ParkedList>(json!({ "items": [note], "total": 1, "next": null })),
            )
            .with(["Cache-Control"])
            .link(200, "retryParked", "stream", "$response.body#/items/0/stream"),
        Operation::new("POST", "/parked/{stream}/retry", "retryParked")
            .tag("views")
            .about("Tries a parked stream again, from the log.")
            .parameters([Parameter::of::<String>("stream", "Which stream.", STREAM)])
            .answers(
                200,
                "All of it is in the views.",
                JSON,
                Shape::of::<Retried>(json!({ "stream": STREAM, "parked": false })),
            )
            .fails(["parked-not-found", "still-parked"]),
    ]
}

fn dead_letters() -> Vec<Operation> {
    let letter = json!({
        "id": LETTER, "reason": "expected value at line 1 column 1", "queue": "waybill.views.v2-1b9d6bcd",
        "at": AT, "bytes": 7, "text": "no JSON",
    });
    let list = json!({ "items": [letter], "total": 1, "next": null });
    let id = || Parameter::of::<Uuid>("id", "Which one.", LETTER);
    vec![
        Operation::new("GET", "/dead-letters", "listDeadLetters")
            .tag("dead letters")
            .about(
                "Messages that arrived as events and are none, oldest first, each with its beginning. \
                 Another process that looks at them at the same time may see fewer.",
            )
            .parameters([Parameter::of::<Limit>(
                "limit",
                "How many are shown at most; 50 without it.",
                50,
            )])
            .answers(200, "The oldest.", JSON, Shape::of::<List>(list))
            .with(["Cache-Control"])
            .link(200, "readDeadLetter", "id", "$response.body#/items/0/id")
            .link(200, "discardDeadLetter", "id", "$response.body#/items/0/id"),
        Operation::new("GET", "/dead-letters/{id}", "readDeadLetter")
            .tag("dead letters")
            .about("One of them, with up to 8 MiB of its bytes.")
            .parameters([id()])
            .answers(200, "It.", JSON, Shape::of::<Shown>(letter))
            .with(["Cache-Control"])
            .fails(["dead-letter-not-found"]),
        Operation::new("DELETE", "/dead-letters/{id}", "discardDeadLetter")
            .tag("dead letters")
            .about("Removes one of them for good.")
            .parameters([id()])
            .answers_nothing(204, "It is gone.")
            .fails(["dead-letter-not-found"]),
    ]
}

fn acts() -> Vec<Operation> {
    let outcome = json!({ "result": "done", "detail": "it is begun", "at": AT });
    let act = json!({
        "id": LETTER, "at": AT, "actor": "alice", "service": "projector", "act": "rebuild",
        "subject": "v2-9f1c2d3e", "outcome": outcome,
    });
    let cursor = "The `next` of the page before; the newest without it.";
    vec![
        Operation::new("GET", "/operations", "listOperations")
            .tag("operators")
            .about(
                "What operators asked for on this page that changes anything, newest first: who, when, \
                 what, and what it came to. Each act is recorded before it is carried out; where that \
                 is not possible the answer is 503, and nothing is done.",
            )
            .parameters([
                Parameter::of::<Limit>("limit", LIMIT, 50),
                Parameter::of::<Uuid>("cursor", cursor, LETTER),
            ])
            .answers(200, "A page of them.", JSON, Shape::of::<Acts>(json!({ "items": [act], "next": null })))
            .with(["Cache-Control"]),
    ]
}
