//! What every log keeps to: MongoDB and SQLite.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use kernel::Timestamp;
use kernel::log::{Commit, Entry, Event, MAX_EVENTS, Meta, Position, Run, StreamName, Version};
use shared::event_store::{EventStore, Inserted, Snapshot};
use shared::service::health::Health;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// A commit of `events` events, the first of them at version `from`.
fn commit(position: Position, stream: &StreamName, from: Version, events: usize) -> Commit {
    let event = |index: usize| {
        Event {
        id: Uuid::now_v7(),
        kind: "Happened".to_owned(),
        schema: 1,
        data: serde_json::json!({ "index": index, "text": "ä\u{1F4E6}", "large": (1_i64 << 53) - 1, "none": null }).into(),
    }
    };
    Commit {
        position,
        stream: stream.clone(),
        from,
        to: from + events as Version - 1,
        events: (0..events).map(event).collect(),
        at: Timestamp::from_millis(1_800_000_000_123),
        meta: Meta { correlation: "c".to_owned(), actor: Some("a".to_owned()), ..Meta::default() },
        key: None,
        fingerprint: "f".to_owned(),
    }
}

fn stream() -> StreamName {
    StreamName::new("thing", Uuid::new_v4())
}

async fn insert(store: &Store, commits: &[Commit]) -> Vec<Inserted> {
    let entries: Vec<Entry> = commits.iter().cloned().map(Entry::Commit).collect();
    store.insert(&entries).await.unwrap()
}

const WRITTEN: Inserted = Inserted::Written;
const DUPLICATE: Inserted = Inserted::Duplicate;

async fn an_empty_log_has_an_identity_and_nothing_else(store: Store) {
    assert_eq!(store.log_id().await.unwrap(), store.log_id().await.unwrap());
    assert_eq!(store.head().await.unwrap(), 0);
    assert_eq!(store.read(0, 10).await.unwrap(), []);
    assert_eq!(store.read_at(&[1, 2]).await.unwrap(), []);
    assert_eq!(store.read_by_key(&["absent/none"]).await.unwrap(), []);
    assert_eq!(store.read_streams(&[(&stream(), 0)]).await.unwrap().commits, []);
}

async fn a_commit_is_read_back_as_it_was_written(store: Store) {
    let (one, two) = (commit(1, &stream(), 1, 1), commit(2, &stream(), 5, 3));
    let two = Commit { key: Some("key/2".to_owned()), ..two };
    assert_eq!(insert(&store, &[one.clone(), two.clone()]).await, [WRITTEN, WRITTEN]);
    let both = vec![Entry::Commit(one.clone()), Entry::Commit(two.clone())];
    assert_eq!(store.read(0, 10).await.unwrap(), both);
    assert_eq!(store.read_at(&[2, 1]).await.unwrap(), both);
    let without_events = Commit { events: vec![], ..two.clone() };
    assert_eq!(store.read_by_key(&["key/2"]).await.unwrap(), [without_events]);
    assert_eq!(store.read_streams(&[(&one.stream, 0)]).await.unwrap().commits, [one]);
    assert_eq!(store.head().await.unwrap(), 2);
}

async fn each_of_the_three_unique_things_refuses_alone(store: Store) {
    let first = Commit { key: Some("key/1".to_owned()), ..commit(1, &stream(), 1, 1) };
    let same_position = commit(1, &stream(), 1, 1);
    let same_version = commit(2, &first.stream, 1, 2);
    let same_key = Commit { key: first.key.clone(), ..commit(3, &stream(), 1, 1) };
    let fine = commit(4, &first.stream, 2, 1);
    let all = [first.clone(), same_position, same_version, same_key, fine.clone()];
    assert_eq!(insert(&store, &all).await, [WRITTEN, DUPLICATE, DUPLICATE, DUPLICATE, WRITTEN]);
    assert_eq!(store.read(0, 10).await.unwrap(), [Entry::Commit(first), Entry::Commit(fine)]);
}

/// Of commits that go on with each other none is there without the one before it.
async fn what_goes_on_with_a_refused_commit_is_not_written(store: Store) {
    let (taken, alone, half) = (stream(), stream(), stream());
    let theirs = commit(1, &taken, 1, 1);
    assert_eq!(insert(&store, std::slice::from_ref(&theirs)).await, [WRITTEN]);
    let all = [
        commit(2, &taken, 1, 2), // As long as two of theirs: what goes on with it fits no other.
        commit(3, &taken, 3, 1),
        commit(4, &taken, 4, 1),
        commit(5, &alone, 1, 1),
        commit(6, &half, 1, 1),
        commit(7, &half, 2, 1),
        commit(1, &half, 3, 1), // Its position is taken.
        commit(8, &half, 4, 1),
    ];
    let [not, end] = [Inserted::NotAttempted; 2];
    let expected = [DUPLICATE, not, not, WRITTEN, WRITTEN, WRITTEN, DUPLICATE, end];
    assert_eq!(insert(&store, &all).await, expected);
    let written = [&theirs, &all[3], &all[4], &all[5]].map(|commit| Entry::Commit(commit.clone()));
    assert_eq!(store.read(0, 10).await.unwrap(), written);
    // Nothing is left of them: they can be written yet.
    assert_eq!(insert(&store, &all[1..3]).await, [WRITTEN; 2]);
}

async fn tombstones_collide_with_nothing_but_their_position(store: Store) {
    let tombstones: Vec<Entry> = [1, 2, 4].map(Entry::Tombstone).to_vec();
    assert_eq!(store.insert(&tombstones).await.unwrap(), [WRITTEN; 3]);
    assert_eq!(store.insert(&tombstones).await.unwrap(), [DUPLICATE; 3]);
    assert_eq!(
        insert(&store, &[commit(2, &stream(), 1, 1), commit(3, &stream(), 1, 1)]).await,
        [DUPLICATE, WRITTEN]
    );
    let entries = store.read(0, 10).await.unwrap();
    assert_eq!(entries.iter().map(Entry::position).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(entries[1], Entry::Tombstone(2));
}

async fn a_reader_stops_at_a_hole_and_goes_on_when_it_is_filled(store: Store) {
    let commits = [1, 2, 4, 5].map(|position| commit(position, &stream(), 1, 1));
    insert(&store, &commits).await;
    let run = Run::take(0, store.read(0, 10).await.unwrap());
    assert_eq!((run.to, run.hole), (2, Some(3..4)));
    store.insert(&[Entry::Tombstone(3)]).await.unwrap();
    let run = Run::take(2, store.read(2, 10).await.unwrap());
    assert_eq!((run.to, run.commits.len(), run.hole), (5, 2, None));
}

async fn streams_are_read_from_behind_a_version_in_order(store: Store) {
    let (a, b) = (stream(), stream());
    // A version inside a commit gets the whole commit: none is ever cut.
    let all = [commit(1, &a, 1, 2), commit(2, &b, 1, 1), commit(3, &a, 3, 2), commit(4, &b, 2, 1)];
    insert(&store, &all).await;
    let found = |commits: Vec<Commit>, of: &StreamName| {
        commits.iter().filter(|c| c.stream == *of).map(|c| c.from).collect::<Vec<_>>()
    };
    let both = store.read_streams(&[(&a, 0), (&b, 0)]).await.unwrap().commits;
    assert_eq!((found(both.clone(), &a), found(both, &b)), (vec![1, 3], vec![1, 2]));
    let some = store.read_streams(&[(&a, 3), (&b, 1)]).await.unwrap().commits;
    assert_eq!((found(some.clone(), &a), found(some, &b)), (vec![3], vec![2]));
    assert_eq!(store.read_streams(&[(&a, 4), (&b, 2)]).await.unwrap().commits, []);
}

async fn positions_are_handed_out_once_and_ascend_from_what_is_stored(store: Store) {
    let draws = join_all((0..20).map(|_| store.reserve_positions(3))).await;
    let mut drawn: Vec<Position> = draws.into_iter().flat_map(|draw| draw.unwrap()).collect();
    drawn.sort_unstable();
    assert_eq!(drawn, (1..=60).collect::<Vec<_>>());
    insert(&store, &[commit(1_000, &stream(), 1, 1)]).await;
    store.raise_counter(0).await.unwrap();
    assert_eq!(store.reserve_positions(1).await.unwrap(), 1_001..1_002);
    store.raise_counter(0).await.unwrap();
    assert_eq!(store.reserve_positions(1).await.unwrap(), 1_002..1_003, "raising never goes back");
    store.raise_counter(64).await.unwrap();
    assert_eq!(
        store.reserve_positions(1).await.unwrap(),
        1_065..1_066,
        "and leaves room for other writers"
    );
}

async fn of_many_that_race_for_a_version_one_wins(store: Store) {
    let stream = stream();
    let racers = (1..=16).map(|position| {
        let (store, commit) = (store.clone(), commit(position, &stream, 1, 1));
        tokio::spawn(async move { insert(&store, &[commit]).await })
    });
    let outcomes: Vec<Inserted> =
        join_all(racers).await.into_iter().flat_map(|outcome| outcome.unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == WRITTEN).count(), 1);
    assert_eq!(store.read_streams(&[(&stream, 0)]).await.unwrap().commits.len(), 1);
}

async fn what_many_write_at_once_is_all_there_in_order(store: Store) {
    let writers = (0..8_i64).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for group in 0..10 {
                let drawn: Vec<Position> = store.reserve_positions(5).await.unwrap().collect();
                let commits: Vec<Commit> =
                    drawn.iter().map(|p| commit(*p, &stream(), 1, 1)).collect();
                assert_eq!(
                    insert(&store, &commits).await,
                    [WRITTEN; 5],
                    "writer {writer}, group {group}"
                );
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|done| done.unwrap());
    let run = Run::take(0, store.read(0, 1_000).await.unwrap());
    assert_eq!((run.to, run.commits.len(), run.hole), (400, 400, None));
    let ids: BTreeSet<Uuid> = run.commits.iter().map(|commit| commit.events[0].id).collect();
    assert_eq!(ids.len(), 400);
}

async fn a_stream_is_read_from_inside_its_largest_commit(store: Store) {
    let stream = stream();
    let most = MAX_EVENTS as Version;
    let all = [
        commit(1, &stream, 1, MAX_EVENTS),
        commit(2, &stream, most + 1, MAX_EVENTS),
        commit(3, &stream, 2 * most + 1, 1),
    ];
    insert(&store, &all).await;
    for (above, first) in [(0, 0), (most - 1, 0), (most, 1), (2 * most - 1, 1), (2 * most, 2)] {
        let found = store.read_streams(&[(&stream, above)]).await.unwrap();
        assert_eq!(found.commits, all[first..], "above {above}");
        assert!(found.complete);
    }
}

async fn the_latest_snapshot_of_a_kind_is_kept(store: Store) {
    let (a, b) = (stream(), stream());
    let snapshot = |kind: &str, version| Snapshot {
        stream: a.clone(),
        kind: kind.to_owned(),
        version,
        position: version * 10,
        at: Timestamp::from_millis(1_800_000_000_123),
        state: format!(r#"{{"version":{version}}}"#),
    };
    let found = || async { store.read_snapshots("thing/1", &[&a, &b]).await.unwrap() };
    assert_eq!(found().await, []);
    for version in [100, 300, 200, 300] {
        store.save_snapshot(snapshot("thing/1", version)).await.unwrap();
    }
    assert_eq!(found().await, [snapshot("thing/1", 300)]);
    store.save_snapshot(snapshot("thing/2", 100)).await.unwrap();
    assert_eq!(found().await, [], "one of another kind is none");
}

async fn a_renewed_log_keeps_its_commits_and_forgets_what_was_derived_from_it(store: Store) {
    let before = store.log_id().await.unwrap();
    let first = commit(1, &stream(), 1, 1);
    insert(&store, std::slice::from_ref(&first)).await;
    let snapshot = Snapshot {
        stream: first.stream.clone(),
        kind: "thing/1".to_owned(),
        version: 1,
        position: 1,
        at: first.at,
        state: "{}".to_owned(),
    };
    store.save_snapshot(snapshot).await.unwrap();
    let renewed = store.renew().await.unwrap();
    assert_ne!(renewed, before);
    assert_eq!(store.log_id().await.unwrap(), renewed);
    tokio::time::timeout(
        std::time::Duration::from_secs(30),
        shared::event_store::until_replaced(store.as_ref(), &before, &Health::default()),
    )
    .await
    .expect("it is noticed");
    assert_eq!(store.read(0, 10).await.unwrap(), [Entry::Commit(first)]);
}

async fn an_append_wakes_its_subscribers(store: Store) {
    let mut listener = store.append_notifier().subscribe();
    insert(&store, &[commit(1, &stream(), 1, 1)]).await;
    let minute = std::time::Duration::from_secs(60);
    tokio::time::timeout(minute / 2, listener.wait(minute)).await.expect("woken at once");
}

mod adapters;
mod pages;

tests::on_both_logs! {
    an_empty_log_has_an_identity_and_nothing_else
    a_commit_is_read_back_as_it_was_written
    each_of_the_three_unique_things_refuses_alone
    what_goes_on_with_a_refused_commit_is_not_written
    tombstones_collide_with_nothing_but_their_position
    a_reader_stops_at_a_hole_and_goes_on_when_it_is_filled
    streams_are_read_from_behind_a_version_in_order
    positions_are_handed_out_once_and_ascend_from_what_is_stored
    of_many_that_race_for_a_version_one_wins
    what_many_write_at_once_is_all_there_in_order
    a_stream_is_read_from_inside_its_largest_commit
    the_latest_snapshot_of_a_kind_is_kept
    a_renewed_log_keeps_its_commits_and_forgets_what_was_derived_from_it
    an_append_wakes_its_subscribers
}
