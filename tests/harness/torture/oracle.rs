//! What must hold when everything has healed.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kernel::Timestamp;
use kernel::log::{Event, Recorded};
use serde::Deserialize as _;
use shared::messaging::cloud_event::CloudEvent;
use waybill::client::Client;
use waybill::verify::Parked;

pub use self::rules::{events_are_legal, refusals_are_true};
use super::known::{Known, Told};
use super::recorder::Recorder;
use super::{Cluster, Report};

/// For the views at the end. A projector parks at most 100 streams within a minute, so new views of
/// a log with many that can't be applied take a while.
pub const CATCHING_UP: Duration = Duration::from_secs(300);

/// An event of the log.
#[derive(Debug, Clone)]
pub struct Logged {
    /// Position and index.
    pub address: (i64, u64),
    pub stream: String,
    pub version: i64,
    pub correlation: String,
    pub at: Timestamp,
    pub event: Event,
}

impl From<Recorded> for Logged {
    fn from(recorded: Recorded) -> Self {
        Self {
            address: (recorded.position, recorded.index.into()),
            stream: recorded.stream.as_str().to_owned(),
            version: recorded.version,
            correlation: recorded.meta.correlation,
            at: recorded.at,
            event: recorded.event,
        }
    }
}

pub async fn judge(cluster: &Cluster, known: &Known, recorder: Arc<Recorder>, report: &mut Report) {
    let log = read(&cluster.commands[0].client).await;
    report.violations.extend(known.violations.iter().cloned());
    log_is_true(&log, known, &mut report.violations);
    let Some(last) = log.last() else { return };
    let messages = recorder.all(last.address).await;
    report.messages = messages.len();
    report.repeats = messages.len().saturating_sub(log.len());
    exchange_is_complete(&log, &messages, &mut report.violations);
    let (commands, queries) = (&cluster.commands[0].client, &cluster.queries.client);
    match waybill::verify::check_but(&known.parked, commands, queries, CATCHING_UP).await {
        Ok(found) if !found.quiet => {
            report.violations.push(format!("the views did not catch up: {found:?}"))
        }
        Ok(found) => report.violations.extend(found.differences),
        Err(failure) => report.violations.push(format!("verifying: {failure}")),
    }
    match cluster.parked().await {
        Some(parked) => parked_is_true(&parked, known, &mut report.violations),
        None => report.violations.push("no projector tells what is parked".to_owned()),
    }
}

/// What can't be applied is parked at the very event, and nothing else is.
pub fn parked_is_true(parked: &Parked, known: &Known, violations: &mut Vec<String>) {
    for (stream, version) in parked.iter().filter(|(s, v)| known.parked.get(s) != Some(v)) {
        violations.push(format!("{stream} is parked at version {version}, which can be applied"));
    }
    for (stream, version) in known.parked.iter().filter(|(stream, _)| !parked.contains_key(stream))
    {
        violations.push(format!("{stream} is not parked, but its version {version} is no event"));
    }
}

/// The whole log, as the feed tells it.
pub async fn read(commands: &Client) -> Vec<Logged> {
    let mut log = vec![];
    let mut after = "0".to_owned();
    loop {
        let page = crate::until("the feed answers", || async {
            commands.get(&format!("/events?limit=1000&after={after}")).await.ok()
        })
        .await;
        for event in page["events"].as_array().into_iter().flatten() {
            let event = CloudEvent::deserialize(event).expect("an event");
            log.push(event.into_recorded().expect("an event of this log").into());
        }
        let next = page["next"].as_str().unwrap_or_default().to_owned();
        let reached = next.rsplit('.').next().and_then(|text| text.parse::<i64>().ok());
        if reached == page["head"].as_i64() {
            return log;
        }
        after = next;
    }
}

/// All that the log and what clients were told say of each other, and of themselves.
pub fn log_is_true(log: &[Logged], known: &Known, violations: &mut Vec<String>) {
    told_is_true(log, known, violations);
    streams_are_whole(log, violations);
    let readable = log.iter().filter(|event| !known.is_parked(&event.stream, event.version));
    events_are_legal(readable, violations);
    refusals_are_true(log, known, violations);
}

/// Every acknowledged command is in the log once and as it was told, no other twice, no refused one.
pub fn told_is_true(log: &[Logged], known: &Known, violations: &mut Vec<String>) {
    let mut written: BTreeMap<&str, Vec<&Logged>> = BTreeMap::new();
    for event in log {
        written.entry(&event.correlation).or_default().push(event);
    }
    for (id, told) in &known.told {
        let events = written.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let fine = match (told, events) {
            (Told::Acknowledged { order, version }, [event]) => {
                event.stream.ends_with(order.as_str()) && event.version == *version
            }
            (Told::Refused { .. } | Told::NotDone, []) | (Told::Unknown, [] | [_]) => true,
            _ => false,
        };
        if !fine {
            let versions: Vec<_> =
                events.iter().map(|event| (&event.stream, event.version)).collect();
            violations.push(format!("{id} was told {told:?}, the log has {versions:?}"));
        }
    }
    for id in written.keys().filter(|id| !known.told.contains_key(**id)) {
        violations.push(format!("no client sent {id}, which is in the log"));
    }
}

/// Versions are contiguous, and ascend with the position; times never go back.
pub fn streams_are_whole(log: &[Logged], violations: &mut Vec<String>) {
    let mut latest: BTreeMap<&str, (i64, Timestamp)> = BTreeMap::new();
    for Logged { stream, version, at, .. } in log {
        let (before, then) = latest.insert(stream, (*version, *at)).unwrap_or((0, *at));
        if *version != before + 1 {
            violations.push(format!("{stream}: version {version} follows {before}"));
        }
        if *at < then {
            violations.push(format!("{stream}: version {version} is of {at:?}, after {then:?}"));
        }
    }
    if !log.windows(2).all(|pair| pair[0].address < pair[1].address) {
        violations.push("the feed is not in log order".to_owned());
    }
}

/// Runs ascend without a gap, each from at or below the first event not seen before; all is there.
pub fn exchange_is_complete(log: &[Logged], messages: &[(i64, u64)], violations: &mut Vec<String>) {
    let ordinals: BTreeMap<(i64, u64), usize> =
        log.iter().map(|event| event.address).zip(0..).collect();
    let mut first_unseen = 0;
    for address in messages {
        match ordinals.get(address) {
            None => violations.push(format!("message {address:?} is of no event")),
            Some(ordinal) if *ordinal > first_unseen => {
                violations.push(format!(
                    "message {address:?} came before event {first_unseen} of the log"
                ));
            }
            Some(ordinal) => first_unseen = first_unseen.max(ordinal + 1),
        }
    }
    let seen: BTreeSet<_> = messages.iter().collect();
    if seen.len() != log.len() {
        violations.push(format!("the exchange carried {} of {} events", seen.len(), log.len()));
    }
}
