//! What query-api says of itself, made from what the domain says of its questions.

use std::sync::Arc;

use kernel::contract::{Link, Parameter, Query, ReadContract, Shape};
use schemars::JsonSchema;
use serde_json::json;
use shared::auth::{Authenticator, Role};
use shared::http::api::headers as header;
use shared::http::api::{Api, Body, Description, Operation, file, text};
use shared::http::problem::{HTML, JSON};
use shared::http::{Access, session};

use crate::dashboard::{PageConfig, assets};
use crate::live::events;

/// Headers of the files of the dashboard.
const OF_FILES: [&str; 2] = ["ETag", "Cache-Control"];

/// The type of a stream of events.
const EVENTS: &str = "text/event-stream";

const ABOUT: &str = "Answers queries from the views.\n\nAmounts of money are in minor units. Sums beyond \
    ±(2^53 - 1) are strings of digits. `HEAD` is answered wherever `GET` is. The `Host` has to be a name \
    of the service.";

/// For principals with the role `query`.
const READS: Access = Access::of(&[Role::Query]);

pub fn describe(contract: ReadContract, authenticator: Option<&Arc<Authenticator>>) -> Description {
    let ReadContract { queries, filters, view, problems } = contract;
    let mut api = Api::new("Waybill: queries", ABOUT, problems, vec![]);
    api.add(
        Operation::new("GET", "/", "page")
            .access(Access::OPEN)
            .about(
                "The dashboard. A page that shows what happens now, the history, each thing with all \
                 its past states, and the pipeline.",
            )
            .conditional()
            .answers(200, "The page.", HTML, text("<!doctype html>"))
            .with(OF_FILES)
            .answers_nothing(304, "The client has it.")
            .with(OF_FILES),
    );
    let script = Parameter::of::<String>("file", "Its name.", "main.js");
    let folder = Parameter::of::<String>("folder", "Of files of one kind.", "js");
    let icon = Parameter::of::<String>("file", "Its name.", "icon.svg");
    api.add(asset("/assets/{file}", "pageFile", [icon], &[assets::SVG, HTML]));
    let kinds = [assets::JS, assets::CSS, assets::FONT];
    api.add(asset("/assets/{folder}/{file}", "pageFileOfFolder", [folder, script], &kinds));
    let config =
        json!({ "command_url": "http://127.0.0.1:8080", "projector_url": null, "sign_in": false });
    api.add(
        Operation::new("GET", "/config.json", "pageConfig")
            .access(Access::OPEN)
            .about("What the page has to know before it can ask anything.")
            .answers(200, "It.", JSON, Shape::of::<PageConfig>(config))
            .with(["Cache-Control"]),
    );
    if authenticator.is_some() {
        session::operations().into_iter().for_each(|operation| api.add(operation));
    }
    for described in queries {
        api.add(query(described));
    }
    api.add(live(filters, view));
    api.finish(authenticator)
}

fn asset<const N: usize>(
    path: &'static str,
    id: &'static str,
    parameters: [Parameter; N],
    kinds: &[&'static str],
) -> Operation {
    let operation = Operation::new("GET", path, id)
        .access(Access::OPEN)
        .about("A file of the dashboard.")
        .parameters(parameters)
        .conditional();
    let answer = |operation: Operation, kind: &&'static str| {
        operation.answers(200, "The file.", kind, file())
    };
    kinds
        .iter()
        .fold(operation, answer)
        .with(OF_FILES)
        .answers_nothing(304, "The client has it.")
        .with(OF_FILES)
        .fails(["not-found"])
}

fn query(query: Query) -> Operation {
    let Query { path, about, parameters, answer, missing, owned, links } = query;
    let mut operation = Operation::new("GET", path, name(path))
        .access(if owned { READS.also_bound() } else { READS })
        .tag("queries")
        .about(about)
        .parameters(parameters)
        .headers([header::consistency_token(), header::prefer()])
        .conditional()
        .answers(200, "From the views.", JSON, answer)
        .with(["ETag", "Consistency-Token", "Cache-Control"])
        .answers_nothing(304, "The client has it.")
        .with(["ETag", "Consistency-Token", "Cache-Control"])
        .fails(["not-consistent-yet", "stream-parked", "cursor-of-another-log"]);
    for Link { to, parameter, value } in links {
        operation = operation.link(200, name(to), parameter, format!("$response.body#{value}"));
    }
    operation.fails(missing.map(|what| format!("{what}-not-found")))
}

/// `/things/{id}` is `readThings_id`: unique, as paths are.
fn name(path: &str) -> String {
    let mut name = "read".to_owned();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        match segment.strip_prefix('{') {
            Some(parameter) => name = format!("{name}By{}", camel(parameter.trim_end_matches('}'))),
            None => name.push_str(&camel(segment)),
        }
    }
    name
}

fn camel(text: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect::<String>()
        })
    };
    text.split(['_', '-']).map(word).collect()
}

/// What events can do without.
#[derive(JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Data {
    None,
}

#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
struct MaxPerSecond(#[schemars(range(min = 1, max = 10_000))] u32);

fn live(filters: Vec<Parameter>, view: Option<Shape>) -> Operation {
    let data = "`none`: events tell the versions alone, without the views.";
    let most = "At most so many views a second: for a client that shows some of many changes.";
    let after = "The `id` of the last event that the client has seen: it is told what it missed.";
    Operation::new("GET", "/live", "followViews")
        .access(READS.also_bound())
        .tag("queries")
        .about(
            "Changes of the views as they happen, as server-sent events that do not end: `view` \
             (`{stream, version, view}`), `checkpoint` (`{position, applied, lag_ms}`), `skipped` \
             (`{views}`: so many changes beyond `max_per_second`), `reset` (`{reason}`: read afresh \
             what is shown) and `alive` (`{}`, without an id: nothing else was told for 15 s).",
        )
        .parameters(filters)
        .parameters([
            Parameter::of::<Data>("data", data, "none"),
            Parameter::of::<MaxPerSecond>("max_per_second", most, 100),
            Parameter::of::<header::EventId>("after", after, header::EVENT_ID),
        ])
        .headers([header::last_event_id()])
        .answers(200, "The events.", EVENTS, Body::Events(events(view, header::EVENT_ID)))
        .with(["Cache-Control", "X-Accel-Buffering"])
        .fails(["too-many-requests"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_called_as_its_path() {
        assert_eq!(name("/things"), "readThings");
        assert_eq!(name("/things/{thing_id}"), "readThingsByThingId");
        assert_eq!(name("/stats/by-day"), "readStatsByDay");
    }
}
