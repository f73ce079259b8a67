//! The oracle of the fault campaign finds what it is there to find.

use kernel::Timestamp;
use kernel::log::{Event, StreamName};
use serde_json::{Value, json};
use tests::orders::{self, NamedEvent, cancelled, delivered, item, refunded, removed, unreadable};
use tests::torture::known::{Known, Told};
use tests::torture::oracle::{
    Logged, events_are_legal, exchange_is_complete, log_is_true, parked_is_true, refusals_are_true,
    streams_are_whole, told_is_true,
};
use uuid::Uuid;

const ORDER: Uuid = Uuid::from_u128(7);

fn event(kind: &str, data: Value) -> Event {
    Event { id: Uuid::nil(), kind: kind.to_owned(), schema: 1, data: data.into() }
}

fn log(versions: &[(i64, i64)]) -> Vec<Logged> {
    let logged = |(position, version): &(i64, i64)| Logged {
        address: (*position, 0),
        stream: "order-a".to_owned(),
        version: *version,
        correlation: format!("c{position}"),
        at: Timestamp::from_millis(0),
        event: event("Happened", json!({})),
    };
    versions.iter().map(logged).collect()
}

/// A log of one order.
fn life(events: &[NamedEvent]) -> Vec<Logged> {
    let logged = |((kind, data), n): (&NamedEvent, i64)| Logged {
        address: (n, 0),
        stream: format!("order-{ORDER}"),
        version: n,
        correlation: format!("c{n}"),
        at: Timestamp::from_millis(0),
        event: event(kind, data.clone()),
    };
    events.iter().zip(1..).map(logged).collect()
}

/// Two lamps at 50 each.
fn created() -> NamedEvent {
    orders::created_of(&StreamName::new("order", ORDER), &[item("A", 2, 50)])
}

/// With a reference, which no command that is derived from the event may lose.
fn paid(amount: i64) -> NamedEvent {
    let (kind, mut data) = orders::paid(amount);
    data["reference"] = json!("card");
    (kind, data)
}

fn shipped(quantity: i64) -> NamedEvent {
    let (kind, mut data) = orders::shipped(quantity);
    data["carrier"] = json!("Post");
    (kind, data)
}

fn added(sku: &str) -> NamedEvent {
    orders::added(item(sku, 1, 10))
}

fn found(judge: impl Fn(&mut Vec<String>)) -> usize {
    let mut violations = vec![];
    judge(&mut violations);
    violations.len()
}

#[test]
fn it_knows_a_broken_stream() {
    let judge =
        |versions: &[(i64, i64)]| found(|violations| streams_are_whole(&log(versions), violations));
    assert_eq!(judge(&[(1, 1), (2, 2), (5, 3)]), 0);
    assert!(judge(&[(1, 1), (2, 3)]) > 0, "a version is missing");
    assert!(judge(&[(1, 1), (2, 2), (3, 2)]) > 0, "a version is there twice");
    assert!(judge(&[(2, 1), (1, 2)]) > 0, "against the order of the log");
    let mut back = log(&[(1, 1), (2, 2)]);
    back[0].at = Timestamp::from_millis(1);
    assert_eq!(found(|violations| streams_are_whole(&back, violations)), 1, "a time went back");
}

#[test]
fn it_knows_a_broken_run_on_the_exchange() {
    let events = log(&[(1, 1), (2, 2), (4, 3)]);
    let judge = |messages: &[i64]| {
        let messages: Vec<(i64, u64)> = messages.iter().map(|position| (*position, 0)).collect();
        found(|violations| exchange_is_complete(&events, &messages, violations))
    };
    assert_eq!(judge(&[1, 2, 4]), 0);
    assert_eq!(
        judge(&[1, 2, 1, 2, 4]),
        0,
        "a run that starts again at or below the first unconfirmed"
    );
    assert!(judge(&[1, 4, 2]) > 0, "a checkpoint that ran ahead of the confirms");
    assert!(judge(&[1, 2]) > 0, "an event that never came");
    assert!(judge(&[1, 2, 3, 4]) > 0, "an event of no log");
}

fn refused(command: Value, after: i64, why: &str) -> Told {
    Told::Refused { command, after, why: why.to_owned() }
}

#[test]
fn it_knows_an_answer_that_was_not_true() {
    let judge = |versions: &[(i64, i64)], told: &[(&str, Told)]| {
        let told = told.iter().map(|(id, told)| ((*id).to_owned(), told.clone())).collect();
        let known = Known { told, violations: vec![], ..Known::default() };
        found(|violations| told_is_true(&log(versions), &known, violations))
    };
    let acknowledged = |version| Told::Acknowledged { order: "a".to_owned(), version };
    assert_eq!(judge(&[(1, 1), (2, 2)], &[("c1", acknowledged(1)), ("c2", Told::Unknown)]), 0);
    assert_eq!(judge(&[], &[("c1", Told::NotDone)]), 0);
    assert!(judge(&[(1, 1)], &[("c1", Told::NotDone)]) > 0, "it was done, against what was told");
    assert!(judge(&[], &[("c1", acknowledged(1))]) > 0, "an acknowledged command is lost");
    assert!(judge(&[(1, 1)], &[("c1", acknowledged(2))]) > 0, "another version was told");
    let refused = refused(json!({}), 0, "overpayment");
    assert!(judge(&[(1, 1)], &[("c1", refused)]) > 0, "a refused command happened");
    assert!(judge(&[(1, 1)], &[]) > 0, "no client asked for it");
    let mut twice = log(&[(1, 1), (2, 2)]);
    twice[1].correlation = "c1".to_owned();
    let known = Known {
        told: [("c1".to_owned(), Told::Unknown)].into(),
        violations: vec![],
        ..Known::default()
    };
    assert!(found(|violations| told_is_true(&twice, &known, violations)) > 0, "it happened twice");
}

#[test]
fn it_knows_an_event_that_the_rules_forbid() {
    let judge =
        |events: &[NamedEvent]| found(|violations| events_are_legal(&life(events), violations));
    let sent = [shipped(1), shipped(1), delivered(2), refunded(5)];
    let whole = [&[created(), added("B"), removed("B"), paid(40), paid(60)], &sent[..]].concat();
    assert_eq!(judge(&whole), 0);
    assert_eq!(judge(&[created(), paid(100), cancelled(), refunded(100)]), 0);
    assert_eq!(judge(&[created(), paid(60), shipped(2)]), 1, "shipped before it was paid");
    assert_eq!(judge(&[created(), paid(60), paid(60)]), 1, "more is paid than is owed");
    assert_eq!(judge(&[created(), paid(60), refunded(61)]), 1, "more is refunded than was paid");
    assert_eq!(judge(&[created(), paid(100), shipped(3)]), 1, "more is shipped than ordered");
    assert_eq!(judge(&[created(), paid(100), shipped(1), delivered(2)]), 1, "more is delivered");
    assert_eq!(judge(&[created(), cancelled(), paid(100)]), 1, "paid after it was cancelled");
    assert_eq!(judge(&[created(), paid(1), added("B")]), 1, "changed after something was paid");
    assert_eq!(judge(&[created(), added("A")]), 1, "an item that is there");
    assert_eq!(judge(&[created(), removed("A")]), 1, "the last item is gone");
    assert_eq!(judge(&[created(), created()]), 1, "created twice");
    assert_eq!(judge(&[paid(1)]), 1, "paid before it was created");
    assert_eq!(judge(&[created(), unreadable()]), 1, "no version of the domain reads it");
    let mut other = life(&[created()]);
    other[0].stream = format!("order-{}", Uuid::nil());
    assert_eq!(found(|violations| events_are_legal(&other, violations)), 1, "of another order");
}

#[test]
fn it_knows_what_must_be_parked_and_nothing_else() {
    let stream = || StreamName::new("order", ORDER);
    let log = life(&[created(), unreadable()]);
    let acknowledged = |version| Told::Acknowledged { order: ORDER.to_string(), version };
    let told = [("c1", acknowledged(1)), ("c2", acknowledged(2))];
    let mut known =
        Known { told: told.map(|(id, told)| (id.to_owned(), told)).into(), ..Known::default() };
    assert_eq!(
        found(|violations| log_is_true(&log, &known, violations)),
        1,
        "unknown to the oracle"
    );
    known.parked.insert(stream(), 2);
    assert_eq!(found(|violations| log_is_true(&log, &known, violations)), 0);
    let judge = |parked: &[(StreamName, i64)]| {
        let parked = parked.iter().cloned().collect();
        found(|violations| parked_is_true(&parked, &known, violations))
    };
    assert_eq!(judge(&[(stream(), 2)]), 0);
    assert_eq!(judge(&[]), 1, "it is not parked");
    assert_eq!(judge(&[(stream(), 1)]), 1, "at another version");
    let other = StreamName::new("order", Uuid::nil());
    assert_eq!(judge(&[(stream(), 2), (other, 2)]), 1, "another one, which can be applied");
}

#[test]
fn it_knows_a_refusal_that_was_not_true() {
    let log = life(&[created(), paid(60), paid(40), shipped(2)]);
    let judge = |told: Told| {
        let known =
            Known { told: [("c".to_owned(), told)].into(), violations: vec![], ..Known::default() };
        found(|violations| refusals_are_true(&log, &known, violations))
    };
    let ship = orders::to(ORDER, orders::shipment());
    assert_eq!(judge(refused(ship.clone(), 1, "not-paid-in-full")), 0);
    assert_eq!(judge(refused(ship.clone(), 2, "not-paid-in-full")), 0);
    assert_eq!(judge(refused(ship.clone(), 3, "nothing-to-ship")), 0, "another was faster");
    assert_eq!(judge(refused(ship.clone(), 3, "not-paid-in-full")), 1, "it was known to be paid");
    assert_eq!(judge(refused(ship.clone(), 3, "cancelled")), 1, "it never was");
    assert_eq!(judge(refused(ship.clone(), 3, "/problems/internal")), 1, "no rule says so");
    assert_eq!(judge(refused(ship, 9, "nothing-to-ship")), 1, "what it was told of is not there");
    let unknown = json!({ "type": "CancelOrder", "order_id": Uuid::nil() });
    assert_eq!(judge(refused(unknown, 0, "unknown-order")), 0);
    assert_eq!(judge(Told::Unknown), 0);
}
