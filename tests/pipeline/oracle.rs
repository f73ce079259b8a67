//! The oracle of the fault campaign finds what it is there to find.

use tests::torture::clients::{Known, Told};
use tests::torture::oracle::{Logged, exchange_is_complete, streams_are_whole, told_is_true};

fn log(versions: &[(i64, i64)]) -> Vec<Logged> {
    let event = |(position, version): &(i64, i64)| Logged {
        address: (*position, 0),
        stream: "order-a".to_owned(),
        version: *version,
        correlation: format!("c{position}"),
    };
    versions.iter().map(event).collect()
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

#[test]
fn it_knows_an_answer_that_was_not_true() {
    let judge = |versions: &[(i64, i64)], told: &[(&str, Told)]| {
        let told = told.iter().map(|(id, told)| ((*id).to_owned(), told.clone())).collect();
        let known = Known { told, violations: vec![] };
        found(|violations| told_is_true(&log(versions), &known, violations))
    };
    let acknowledged = |version| Told::Acknowledged { order: "a".to_owned(), version };
    assert_eq!(judge(&[(1, 1), (2, 2)], &[("c1", acknowledged(1)), ("c2", Told::Unknown)]), 0);
    assert!(judge(&[], &[("c1", acknowledged(1))]) > 0, "an acknowledged command is lost");
    assert!(judge(&[(1, 1)], &[("c1", acknowledged(2))]) > 0, "another version was told");
    assert!(judge(&[(1, 1)], &[("c1", Told::Refused)]) > 0, "a refused command happened");
    assert!(judge(&[(1, 1)], &[]) > 0, "nobody asked for it");
    let mut twice = log(&[(1, 1), (2, 2)]);
    twice[1].correlation = "c1".to_owned();
    let known = Known { told: [("c1".to_owned(), Told::Unknown)].into(), violations: vec![] };
    assert!(found(|violations| told_is_true(&twice, &known, violations)) > 0, "it happened twice");
}
