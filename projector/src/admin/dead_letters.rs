//! Dead letters, which arrived as an event and are none: looked at, and discarded.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use kernel::parameters::Parameters;
use serde_json::{Value, json};
use shared::http::answer::{into_response, no_content};
use shared::http::origin::same_origin;
use shared::http::probes::get_or_head;
use shared::http::problem::Problem;
use shared::http::serve::Routes;
use shared::http::{Answer, json as json_answer};
use shared::messaging::dead_letter::DeadLetter;
use shared::service::slot::ServiceSlot;
use warp::Filter;

use crate::Operations;

/// Items of a page, where the client does not say how many it wants.
const DEFAULT_LIMIT: usize = 50;
/// How long a client waits for a walk through the queue.
const WALK_TIMEOUT: Duration = Duration::from_secs(30);
/// Characters of each dead letter that the list shows.
const EXCERPT_CHARS: usize = 4_096;

type Given = BTreeMap<String, String>;

pub(super) fn routes(slot: ServiceSlot<Operations>) -> Routes {
    let with = warp::any().map(move || slot.clone());
    let one = || warp::path!("dead-letters" / String);
    let list = warp::path!("dead-letters")
        .and(get_or_head())
        .and(with.clone())
        .and(warp::query::<Given>())
        .then(|slot: ServiceSlot<Operations>, parameters| async move {
            into_response(list(&slot, &parameters).await)
        });
    let show =
        one().and(get_or_head()).and(with.clone()).then(
            |id: String, slot: ServiceSlot<Operations>| async move {
                into_response(show(&slot, &id).await)
            },
        );
    let discard = one().and(warp::delete()).and(with).and(warp::header::headers_cloned()).then(
        |id: String, slot: ServiceSlot<Operations>, headers| async move {
            into_response(discard(&slot, &id, &headers).await)
        },
    );
    list.or(show).unify().or(discard).unify().boxed()
}

/// The oldest, each with its beginning.
async fn list(slot: &ServiceSlot<Operations>, given: &Given) -> Answer {
    let mut parameters = Parameters::new(given);
    parameters.only(&["limit"])?;
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let page = slot.service()?.dead_letters(limit).await?;
    let items: Vec<Value> = page.items.iter().map(summary).collect();
    json_answer(StatusCode::OK, &json!({ "items": items, "total": page.total, "next": null }))
}

/// One with all its bytes: as `text` where they are UTF-8, else as `hex`.
async fn show(slot: &ServiceSlot<Operations>, id: &str) -> Answer {
    let found = in_time(slot.service()?.find_dead_letter(named(id)?)).await?;
    let found = found.ok_or_else(|| unknown(id))?;
    let mut shown = facts(&found);
    match String::from_utf8(found.body) {
        Ok(text) => shown["text"] = text.into(),
        Err(other) => shown["hex"] = hex(other.as_bytes()).into(),
    }
    json_answer(StatusCode::OK, &shown)
}

async fn discard(slot: &ServiceSlot<Operations>, id: &str, headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    match in_time(slot.service()?.discard_dead_letter(named(id)?)).await? {
        true => Ok(no_content()),
        false => Err(unknown(id)),
    }
}

fn unknown(id: &str) -> Problem {
    let detail = format!("{id:?} is not here, or somebody else looks at it just now.");
    Problem::unknown("dead-letter", detail)
}

fn facts(one: &DeadLetter) -> Value {
    let DeadLetter { id, reason, queue, at, body } = one;
    json!({ "id": id, "reason": reason, "queue": queue, "at": at, "bytes": body.len() })
}

fn summary(one: &DeadLetter) -> Value {
    let mut shown = facts(one);
    let text = String::from_utf8_lossy(&one.body);
    shown["text"] = text.chars().take(EXCERPT_CHARS).collect::<String>().into();
    shown
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named(id: &str) -> Result<&str, Problem> {
    let expected =
        |_| Problem::malformed(format!("Expected an id as /dead-letters lists it, got {id:?}."));
    id.parse::<uuid::Uuid>().map(|_| id).map_err(expected)
}

/// The queue is walked through, message by message.
async fn in_time<T>(walk: impl Future<Output = kernel::Result<T>>) -> Result<T, Problem> {
    let late = |_| Problem::unavailable("The queue is too long to be looked through in time.");
    Ok(tokio::time::timeout(WALK_TIMEOUT, walk).await.map_err(late)??)
}
