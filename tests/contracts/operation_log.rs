//! What every operation log keeps to: MongoDB and SQLite.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use shared::event_store::READ_BYTES;
use shared::operation_log::{Act, Entry, OperationLog, Outcome, Page};
use tests::Own;
use tests::stores::TempDir;
use uuid::Uuid;

type Log = Arc<dyn OperationLog>;

fn entry(subject: &str) -> Entry {
    Entry::new("alice ä\u{1F4E6}", "projector", Act::ParkedRetry, subject)
}

async fn recorded(log: &Log, subject: &str) -> Entry {
    let entry = entry(subject);
    log.record(&entry).await.unwrap();
    entry
}

async fn all(log: &Log) -> Vec<Entry> {
    let Page { entries, more } = log.list(None, 1_000).await.unwrap();
    assert!(!more);
    entries
}

async fn a_new_log_is_empty(log: Log) {
    assert_eq!(log.list(None, 10).await.unwrap(), Page::default());
    assert_eq!(log.list(Some(Uuid::now_v7()), 10).await.unwrap(), Page::default());
}

async fn an_entry_is_listed_as_it_was_recorded_and_then_with_its_first_outcome(log: Log) {
    let mut entry = recorded(&log, "order-x'\"$where").await;
    assert_eq!(all(&log).await, [entry.clone()]);
    let outcome = Outcome::refused("$it is \"not\" parked 'ä'");
    log.finish(entry.id, &outcome).await.unwrap();
    log.finish(entry.id, &Outcome::done("later")).await.unwrap();
    entry.outcome = Some(outcome);
    assert_eq!(all(&log).await, [entry]);
}

async fn an_outcome_of_nothing_is_a_permanent_failure_and_adds_nothing(log: Log) {
    let kept = recorded(&log, "one").await;
    let failed = log.finish(Uuid::now_v7(), &Outcome::done("")).await.unwrap_err();
    assert!(failed.is_permanent(), "{failed}");
    assert_eq!(all(&log).await, [kept]);
}

async fn pages_show_each_entry_once_newest_first(log: Log) {
    let mut expected = vec![];
    for number in 0..7 {
        expected.push(recorded(&log, &number.to_string()).await);
    }
    expected.reverse();
    for limit in [1, 2, 3, 7, 8] {
        let (mut found, mut before) = (vec![], None);
        loop {
            let page = log.list(before, limit).await.unwrap();
            assert!(page.entries.len() == limit || !page.more, "{limit}: {page:?}");
            found.extend(page.entries);
            before = found.last().map(|entry| entry.id);
            if !page.more {
                break;
            }
            recorded(&log, "of now, which no later page shows").await;
        }
        let old: Vec<_> = found.into_iter().filter(|it| expected.contains(it)).collect();
        assert_eq!(old, expected, "{limit}");
        // What came meanwhile would be in front.
        expected = all(&log).await;
    }
}

async fn a_page_ends_at_a_number_of_bytes(log: Log) {
    let (text, count) = ("x".repeat(500), 1_000);
    let record = |_| async {
        let entry = recorded(&log, &text).await;
        log.finish(entry.id, &Outcome::failed(&text)).await.unwrap();
    };
    stream::iter(0..count).map(record).buffer_unordered(32).collect::<Vec<()>>().await;
    let page = log.list(None, count).await.unwrap();
    let bytes = page.entries.len() * 2 * text.len();
    assert!(page.more && bytes < READ_BYTES && bytes > READ_BYTES / 2, "{bytes}");
    let oldest = page.entries.last().unwrap().id;
    let rest = log.list(Some(oldest), count).await.unwrap();
    assert_eq!((page.entries.len() + rest.entries.len(), rest.more), (count, false));
}

tests::on_both_logs! {
    a_new_log_is_empty
    an_entry_is_listed_as_it_was_recorded_and_then_with_its_first_outcome
    an_outcome_of_nothing_is_a_permanent_failure_and_adds_nothing
    pages_show_each_entry_once_newest_first
    a_page_ends_at_a_number_of_bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_those_of_a_namespace_and_seen_by_other_connections() {
    let (own, other) = (Own::default(), Own::default());
    let log: Log = Arc::new(own.mongodb().await);
    let entry = recorded(&log, "one").await;
    let again: Log = Arc::new(own.mongodb().await);
    assert_eq!(all(&again).await, [entry]);
    let elsewhere: Log = Arc::new(other.mongodb().await);
    assert_eq!(all(&elsewhere).await, []);
    own.remove().await;
    other.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_there_when_the_file_is_opened_again() {
    let folder = TempDir::default();
    let log: Log = Arc::new(folder.sqlite());
    let entry = recorded(&log, "one").await;
    drop(log);
    let again: Log = Arc::new(folder.sqlite());
    assert_eq!(all(&again).await, [entry]);
}
