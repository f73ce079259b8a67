//! What is read at a time, in number and in bytes.

use kernel::Timestamp;
use kernel::log::{Commit, Entry, Position, StreamName, Version};
use shared::event_store::{READ_BYTES, SNAPSHOT_BYTES, Snapshot};

use super::{Store, commit, insert, stream};

async fn reads_are_pages(store: Store) {
    let stream = stream();
    let commits: Vec<Commit> = (1..=5).map(|n| commit(n, &stream, n, 1)).collect();
    insert(&store, &commits).await;
    let positions = |entries: Vec<Entry>| entries.iter().map(Entry::position).collect::<Vec<_>>();
    assert_eq!(positions(store.read(0, 2).await.unwrap()), [1, 2]);
    assert_eq!(positions(store.read(2, 2).await.unwrap()), [3, 4]);
    assert_eq!(positions(store.read(4, 2).await.unwrap()), [5]);
    assert_eq!(positions(store.read(5, 2).await.unwrap()), [0; 0]);
}

/// A commit of so many bytes.
fn large(position: Position, stream: &StreamName, from: Version, bytes: usize) -> Commit {
    let mut commit = commit(position, stream, from, 1);
    commit.events[0].data = serde_json::json!({ "text": "x".repeat(bytes) }).into();
    commit
}

async fn a_read_ends_with_the_commit_that_fills_it(store: Store) {
    let (a, b, part) = (stream(), stream(), READ_BYTES / 4);
    let mut commits: Vec<Commit> = (1..=6).map(|n| large(n, &a, n, part)).collect();
    commits.push(large(7, &b, 1, 2 * READ_BYTES));
    commits.push(commit(8, &b, 2, 1));
    for commit in &commits {
        insert(&store, std::slice::from_ref(commit)).await;
    }
    let mut pages = vec![];
    let mut after = 0;
    loop {
        let page = store.read(after, 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.position();
        pages.push(page.len());
    }
    assert_eq!(pages, [4, 3, 1], "the largest commit comes as well, and ends its page");
    let mut found = vec![];
    let mut above = [0, 0];
    loop {
        let part = store.read_streams(&[(&a, above[0]), (&b, above[1])]).await.unwrap();
        for commit in part.commits {
            above[usize::from(commit.stream == b)] = commit.to;
            found.push(commit.position);
        }
        if part.complete {
            break;
        }
    }
    found.sort_unstable();
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8]);
}

/// By the names of the streams: those behind the last one may have one, too.
async fn a_read_of_snapshots_ends_with_the_one_that_fills_it(store: Store) {
    let mut streams: Vec<StreamName> = (0..4).map(|_| stream()).collect();
    for stream in &streams {
        let snapshot = Snapshot {
            stream: stream.clone(),
            kind: "thing/1".to_owned(),
            version: 1,
            position: 1,
            at: Timestamp::from_millis(1_800_000_000_123),
            state: "x".repeat(SNAPSHOT_BYTES / 2),
        };
        store.save_snapshot(snapshot).await.unwrap();
    }
    streams.sort_unstable();
    let read = async |asked: &[&StreamName]| {
        let found = store.read_snapshots("thing/1", asked).await.unwrap();
        found.into_iter().map(|snapshot| snapshot.stream).collect::<Vec<_>>()
    };
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| &streams[at]);
    assert_eq!(read(&[d, a, c, b]).await, streams[..2]);
    assert_eq!(read(&[d, c]).await, streams[2..]);
}

async fn positions_alone_are_read_in_pages(store: Store) {
    insert(&store, &[commit(1, &stream(), 1, 1), commit(4, &stream(), 1, 1)]).await;
    store.insert(&[Entry::Tombstone(2)]).await.unwrap();
    assert_eq!(store.read_positions(0, 2).await.unwrap(), [1, 2]);
    assert_eq!(store.read_positions(2, 2).await.unwrap(), [4]);
    assert_eq!(store.read_positions(4, 2).await.unwrap(), [0; 0]);
}

tests::on_both_logs! {
    reads_are_pages
    a_read_ends_with_the_commit_that_fills_it
    a_read_of_snapshots_ends_with_the_one_that_fills_it
    positions_alone_are_read_in_pages
}
