//! Dead letters, which arrived as an event and are none: looked at, and discarded.

use http::HeaderMap;
use kernel::Timestamp;
use kernel::aggregate::parse_id;
use kernel::parameters::Parameters;
use schemars::JsonSchema;
use serde::Serialize;
use shared::auth::Caller;
use shared::auth::principal::caller;
use shared::http::Answer;
use shared::http::answer::{into_response, no_content};
use shared::http::origin::same_origin;
use shared::http::probes::get_or_head;
use shared::http::problem::Problem;
use shared::http::serve::Routes;
use shared::messaging::dead_letter::{DeadLetter, LookError};
use shared::service::slot::ServiceSlot;
use warp::Filter;

use super::{DEFAULT_LIMIT, Given, live};
use crate::{Discard, Operations};

/// Characters of each dead letter that the list shows.
const EXCERPT_CHARS: usize = 4_096;
/// Bytes that are shown of one: as JSON they have up to six times as many, which has to fit into what
/// answers to one client may take. A message may have 128 MiB and more.
const MOST_SHOWN: usize = 8 << 20;

/// A dead letter.
#[derive(Serialize, JsonSchema)]
pub(super) struct Shown {
    /// Names it in the path.
    id: String,
    /// Why it is no event.
    reason: String,
    /// Where it arrived.
    queue: String,
    /// When it was found to be none, to the second.
    at: Timestamp,
    /// How many there are of it.
    bytes: usize,
    /// Its bytes, where they are UTF-8; in a list its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Its bytes in hexadecimal digits, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
    /// Bytes at its end that are not shown, where it has more than 8 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<usize>,
}

/// The oldest dead letters.
#[derive(Serialize, JsonSchema)]
pub(super) struct List {
    items: Vec<Shown>,
    /// How many there are, shown or not.
    total: u32,
    /// There is no other page: those that are shown are discarded first.
    next: (),
}

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
    let discard =
        one().and(warp::delete()).and(with).and(caller()).and(warp::header::headers_cloned()).then(
            |id: String, slot: ServiceSlot<Operations>, caller, headers| async move {
                into_response(discard(&slot, &id, &caller, &headers).await)
            },
        );
    list.or(show).unify().or(discard).unify().boxed()
}

/// The oldest, each with its beginning.
async fn list(slot: &ServiceSlot<Operations>, given: &Given) -> Answer {
    let mut parameters = Parameters::new(given);
    parameters.only(&["limit"])?;
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let page = slot.service()?.dead_letters(limit).await.map_err(not_looked)?;
    let items = page.items.iter().map(summary).collect();
    live(&List { items, total: page.total, next: () })
}

async fn show(slot: &ServiceSlot<Operations>, id: &str) -> Answer {
    let found = slot.service()?.find_dead_letter(named(id)?).await.map_err(not_looked)?;
    live(&whole(found.ok_or_else(|| unknown(id))?, MOST_SHOWN))
}

/// One with its bytes, up to so many: as `text` where all of them are UTF-8, else as `hex`.
fn whole(found: DeadLetter, most: usize) -> Shown {
    let mut shown = facts(&found);
    let told = match String::from_utf8(found.body) {
        Ok(mut text) => {
            text.truncate(text.floor_char_boundary(most));
            shown.text.insert(text).len()
        }
        Err(other) => {
            let bytes = other.as_bytes();
            let told = bytes.len().min(most);
            shown.hex = Some(hex(&bytes[..told]));
            told
        }
    };
    shown.left_out = Some(shown.bytes - told).filter(|bytes| *bytes > 0);
    shown
}

async fn discard(
    slot: &ServiceSlot<Operations>,
    id: &str,
    caller: &Caller,
    headers: &HeaderMap,
) -> Answer {
    same_origin(headers)?;
    match slot.service()?.discard_dead_letter(caller.name(), named(id)?).await? {
        Discard::Discarded => Ok(no_content()),
        Discard::NotThere => Err(unknown(id)),
        Discard::TooLong => Err(not_looked(LookError::TooLong)),
        Discard::Busy => Err(not_looked(LookError::Busy)),
    }
}

fn unknown(id: &str) -> Problem {
    let detail = format!("{id:?} is not here, or another process looks at it just now.");
    Problem::dead_letter_not_found(detail)
}

fn facts(one: &DeadLetter) -> Shown {
    let DeadLetter { id, reason, queue, at, body } = one;
    let (id, reason, queue) = (id.clone(), reason.clone(), queue.clone());
    Shown { id, reason, queue, at: *at, bytes: body.len(), text: None, hex: None, left_out: None }
}

fn summary(one: &DeadLetter) -> Shown {
    let text = String::from_utf8_lossy(&one.body).chars().take(EXCERPT_CHARS).collect();
    Shown { text: Some(text), ..facts(one) }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn named(id: &str) -> Result<&str, Problem> {
    let expected =
        || Problem::malformed(format!("Expected an id as /dead-letters lists it, got {id:?}."));
    parse_id(id).map(|_| id).ok_or_else(expected)
}

fn not_looked(why: LookError) -> Problem {
    match why {
        LookError::TooLong => {
            Problem::unavailable("The queue is too long to be looked through in time.")
        }
        LookError::Busy => Problem::unavailable(
            "Other requests look at the dead letters, and take long; try again.",
        ),
        LookError::Failed(failure) => failure.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_has_no_turn_says_nothing_of_the_length_of_the_queue() {
        let (busy, long) = (not_looked(LookError::Busy), not_looked(LookError::TooLong));
        assert_eq!((busy.status, long.status), (503, 503));
        assert!(busy.detail.contains("Other requests"), "{busy:?}");
        assert!(long.detail.contains("too long"), "{long:?}");
    }

    #[test]
    fn a_large_one_is_shown_from_its_beginning() {
        let told = |body: &[u8], most| {
            let letter = DeadLetter {
                id: "7".to_owned(),
                reason: "none".to_owned(),
                queue: "q".to_owned(),
                at: Timestamp::default(),
                body: body.to_vec(),
            };
            let shown = whole(letter, most);
            assert_eq!(shown.bytes, body.len());
            (shown.text, shown.hex, shown.left_out)
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(told(b"lamp", 4), (text("lamp"), None, None));
        assert_eq!(told(b"lamp", 3), (text("lam"), None, Some(1)));
        assert_eq!(told("läuft".as_bytes(), 2), (text("l"), None, Some(5)), "a whole character");
        assert_eq!(told(b"\xff\x00\x1f", 3), (None, text("ff001f"), None));
        assert_eq!(told(b"lamp\xff", 2), (None, text("6c61"), Some(3)));
        assert_eq!(told(b"", 2), (text(""), None, None));
    }
}
