//! What every store of views keeps to: Redis and memory.

use std::ops::Bound;
use std::sync::Arc;

use futures::future::join_all;
use kernel::Timestamp;
use kernel::log::{LogId, StreamName, Version};
use kernel::projection::{Change, FieldKey, Rank, Stored, Sum, ranked};
use kernel::views::{Batch, List, Parked};
use shared::view_store::memory::Memory;
use shared::view_store::redis::Redis;
use shared::view_store::{Advance, Applied, Generation, GenerationId, MAX_SUM, ViewStore};
use tests::Own;
use tests::stores::TempDir;
use uuid::Uuid;
use xtask::servers::Redis as Server;

type Views = Arc<dyn ViewStore>;

fn stream() -> StreamName {
    StreamName::new("thing", Uuid::new_v4())
}

fn change(stream: &StreamName, base: Version, to: Version) -> Change {
    Change {
        traceparent: None,
        stream: stream.clone(),
        base,
        to,
        position: to * 10,
        document: format!("{{\"at\":{to},\"text\":\"ä b\"}}").into_bytes(),
        sums: vec![],
        enter: vec![],
        leave: vec![],
        greatest_texts: vec![],
    }
}

fn sum(field: &str, delta: i64) -> Sum {
    Sum { key: FieldKey::new("totals", field), delta, rank: None }
}

fn entry(index: &str, member: &str) -> (String, String) {
    (index.to_owned(), member.to_owned())
}

async fn generation(views: &Views) -> GenerationId {
    let generation = Generation::new(LogId::random(), 1);
    assert!(views.begin(&generation).await.unwrap());
    generation.id
}

async fn apply(views: &Views, id: &GenerationId, change: Change) -> Applied {
    views.apply(id, &[change]).await.unwrap()[0]
}

async fn record(views: &Views, id: &GenerationId, name: &str) -> Vec<(String, String)> {
    let mut batch = Batch::new();
    let records = batch.records(vec![name.to_owned()]);
    let mut records = views.read(id, &batch).await.unwrap().answers.take(records).unwrap();
    records.remove(0).into_iter().collect()
}

async fn list(views: &Views, id: &GenerationId, list: List) -> Vec<String> {
    let mut batch = Batch::new();
    let entries = batch.list(list);
    views.read(id, &batch).await.unwrap().answers.take(entries).unwrap()
}

fn all(index: &str) -> List {
    let (from, to) = (Bound::Unbounded, Bound::Unbounded);
    List { index: index.to_owned(), from, to, descending: false, limit: 100 }
}

async fn a_change_applies_to_its_base_and_to_nothing_else(views: Views) {
    let (id, stream) = (generation(&views).await, stream());
    let counted = |base, to| Change { sums: vec![sum("n", 1)], ..change(&stream, base, to) };
    assert_eq!(apply(&views, &id, counted(0, 2)).await, Applied::Applied);
    assert_eq!(apply(&views, &id, counted(0, 2)).await, Applied::Duplicate);
    assert_eq!(apply(&views, &id, counted(0, 1)).await, Applied::Duplicate);
    assert_eq!(
        apply(&views, &id, counted(0, 3)).await,
        Applied::Stale(2),
        "neither duplicate nor next"
    );
    assert_eq!(apply(&views, &id, counted(4, 5)).await, Applied::Stale(2));
    assert_eq!(apply(&views, &id, counted(2, 3)).await, Applied::Applied);
    let stored = Stored { version: 3, document: change(&stream, 2, 3).document };
    assert_eq!(views.load(&id, &[&stream, &self::stream()]).await.unwrap(), [Some(stored), None]);
    assert_eq!(record(&views, &id, "totals").await, [("n".to_owned(), "2".to_owned())]);
}

async fn sums_lists_and_texts_follow_the_changes(views: Views) {
    let (id, stream) = (generation(&views).await, stream());
    let text = |text: &str| (FieldKey::new("totals", "text"), text.to_owned());
    let first = Change {
        sums: vec![sum("a", 5), sum("b", -7)],
        enter: vec![entry("list", "x"), entry("list", "y")],
        greatest_texts: vec![text("b~"), (FieldKey::new("other", "t"), "ä".to_owned())],
        ..change(&stream, 0, 1)
    };
    let second = Change {
        sums: vec![sum("a", -5)],
        enter: vec![entry("list", "z")],
        leave: vec![entry("list", "x"), entry("nowhere", "x")],
        greatest_texts: vec![text("a"), (FieldKey::new("other", "t"), "z".to_owned())],
        ..change(&stream, 1, 2)
    };
    assert_eq!(views.apply(&id, &[first, second]).await.unwrap(), [Applied::Applied; 2]);
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        record(&views, &id, "totals").await,
        [pair("a", "0"), pair("b", "-7"), pair("text", "b~")]
    );
    assert_eq!(record(&views, &id, "other").await, [pair("t", "ä")], "greatest by bytes");
    assert_eq!(list(&views, &id, all("list")).await, ["y", "z"]);
    let mut batch = Batch::new();
    let (list, none) = (batch.count("list"), batch.count("none"));
    let mut counts = views.read(&id, &batch).await.unwrap().answers;
    assert_eq!((counts.take(list).unwrap(), counts.take(none).unwrap()), (2, 0));
}

async fn texts_are_kept_as_they_are(views: Views) {
    let (id, stream) = (generation(&views).await, stream());
    let odd = ["", "\"\\/", "\u{0}\u{1f}\u{7f}\u{80}", "a\u{2028}é😀", "{\"a\":[1e400]}", "1"];
    let texts = odd.map(|text| (FieldKey::new("texts", text), text.to_owned()));
    let mut all = Change { greatest_texts: texts.to_vec(), ..change(&stream, 0, 1) };
    all.sums = vec![sum("sum", 1)];
    assert_eq!(apply(&views, &id, all).await, Applied::Applied);
    let mut expected = odd.map(|text| (text.to_owned(), text.to_owned())).to_vec();
    expected.sort();
    assert_eq!(record(&views, &id, "texts").await, expected);
}

async fn rankings_move_with_their_sums(views: Views) {
    let (id, a, b) = (generation(&views).await, stream(), stream());
    let sold = |stream: &StreamName, base, sku: &str, delta, zeros| Change {
        sums: vec![Sum {
            key: FieldKey::new(format!("product:{sku}"), "units"),
            delta,
            rank: Some(Rank { index: "best".to_owned(), member: sku.to_owned(), zeros }),
        }],
        ..change(stream, base, base + 1)
    };
    apply(&views, &id, sold(&a, 0, "A", 9, false)).await;
    apply(&views, &id, sold(&b, 0, "B", 10, false)).await;
    assert_eq!(list(&views, &id, all("best")).await, [ranked(9, "A"), ranked(10, "B")]);
    apply(&views, &id, sold(&a, 1, "A", MAX_SUM - 9, false)).await;
    assert_eq!(list(&views, &id, all("best")).await, [ranked(10, "B"), ranked(MAX_SUM, "A")]);
    apply(&views, &id, sold(&a, 2, "A", -MAX_SUM, false)).await;
    apply(&views, &id, sold(&b, 1, "B", -10, true)).await;
    assert_eq!(
        list(&views, &id, all("best")).await,
        [ranked(0, "B")],
        "zeros where they are wanted"
    );
}

async fn of_many_that_apply_the_same_change_one_does(views: Views) {
    let (id, stream) = (generation(&views).await, stream());
    let racers = (0..16).map(|_| {
        let (views, id) = (views.clone(), id.clone());
        let change = Change { sums: vec![sum("n", 1)], ..change(&stream, 0, 1) };
        tokio::spawn(async move { apply(&views, &id, change).await })
    });
    let outcomes: Vec<Applied> =
        join_all(racers).await.into_iter().map(|done| done.unwrap()).collect();
    assert_eq!(
        outcomes.iter().filter(|outcome| **outcome == Applied::Applied).count(),
        1,
        "{outcomes:?}"
    );
    assert_eq!(record(&views, &id, "totals").await, [("n".to_owned(), "1".to_owned())]);
}

async fn lists_are_read_in_parts_from_both_ends(views: Views) {
    let id = generation(&views).await;
    let members = ["a", "b", "ba", "c", "ä"];
    let enter = members.iter().map(|member| entry("list", member)).collect();
    apply(&views, &id, Change { enter, ..change(&stream(), 0, 1) }).await;
    let part = |from: Bound<&str>, to: Bound<&str>, descending, limit| List {
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        descending,
        limit,
        ..all("list")
    };
    use Bound::{Excluded, Included, Unbounded};
    assert_eq!(list(&views, &id, all("list")).await, members);
    assert_eq!(list(&views, &id, part(Excluded("b"), Unbounded, false, 2)).await, ["ba", "c"]);
    assert_eq!(list(&views, &id, part(Included("b"), Excluded("c"), false, 9)).await, ["b", "ba"]);
    assert_eq!(list(&views, &id, part(Unbounded, Excluded("c"), true, 2)).await, ["ba", "b"]);
    assert_eq!(list(&views, &id, part(Included("c"), Included("b"), false, 9)).await, [""; 0]);
    assert_eq!(list(&views, &id, part(Excluded("b"), Excluded("b"), true, 9)).await, [""; 0]);
    assert_eq!(list(&views, &id, all("none")).await, [""; 0]);
}

async fn the_checkpoint_moves_only_over_what_is_applied_or_parked(views: Views) {
    let (id, a, b) = (generation(&views).await, stream(), stream());
    assert_eq!(views.checkpoint(&id).await.unwrap(), Some(0));
    apply(&views, &id, change(&a, 0, 2)).await;
    let both = [(&a, 2), (&b, 1)];
    assert_eq!(views.advance(&id, 0, 7, &both).await.unwrap(), Advance::Behind(vec![1]));
    assert_eq!(views.advance(&id, 0, 5, &[(&a, 2)]).await.unwrap(), Advance::Moved);
    assert_eq!(views.advance(&id, 0, 7, &[]).await.unwrap(), Advance::Elsewhere(5));
    let note = Parked {
        stream: b.clone(),
        version: 1,
        reason: "because".to_owned(),
        projection: 1,
        build: "b".to_owned(),
        at: Timestamp::now(),
        let_go: 1,
    };
    views.park(&id, &note).await.unwrap();
    assert_eq!(views.parked(&id, None, 10).await.unwrap().notes, [note]);
    assert_eq!(views.advance(&id, 5, 7, &both).await.unwrap(), Advance::Moved);
    assert_eq!(views.checkpoint(&id).await.unwrap(), Some(7));
}

macro_rules! contract {
    ($($test:ident)*) => {
        mod redis {
            use super::*;
            $(#[tokio::test]
            async fn $test() {
                let own = Own::default();
                super::$test(Arc::new(own.redis().await)).await;
                own.remove().await;
            })*
        }

        mod memory {
            use super::*;
            $(#[tokio::test]
            async fn $test() {
                super::$test(Arc::new(Memory::default())).await;
            })*
        }
    };
}

mod batches;
mod generations;
mod parking;
mod reads;
mod sums;
mod updates;

use batches::a_change_of_many_parts_is_applied_whole;
use batches::what_can_not_be_applied_holds_up_nothing_else_of_its_batch;
use reads::one_read_of_views_has_a_bound_in_bytes;
use sums::{
    a_sum_out_of_range_changes_nothing, sums_and_rankings_are_exact_beyond_what_a_double_holds,
    the_fields_of_records_are_counted,
};

contract! {
    a_change_applies_to_its_base_and_to_nothing_else
    sums_lists_and_texts_follow_the_changes
    texts_are_kept_as_they_are
    rankings_move_with_their_sums
    sums_and_rankings_are_exact_beyond_what_a_double_holds
    a_sum_out_of_range_changes_nothing
    the_fields_of_records_are_counted
    what_can_not_be_applied_holds_up_nothing_else_of_its_batch
    a_change_of_many_parts_is_applied_whole
    of_many_that_apply_the_same_change_one_does
    lists_are_read_in_parts_from_both_ends
    one_read_of_views_has_a_bound_in_bytes
    the_checkpoint_moves_only_over_what_is_applied_or_parked
}

/// On a server of its own, as others would lose theirs too.
#[tokio::test(flavor = "multi_thread")]
async fn redis_loads_its_scripts_again_however_often_they_are_flushed() {
    let (own, folder) = (Own::default(), TempDir::default());
    let server = Server::start(&folder.0).unwrap();
    let views: Views = Arc::new(Redis::connect(&server.url(), &own.namespace).await.unwrap());
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let flushing = tokio::spawn(async move {
        loop {
            ::redis::cmd("SCRIPT").arg("FLUSH").query_async::<()>(&mut connection).await.unwrap();
        }
    });
    let (id, stream) = (generation(&views).await, stream());
    for version in 1..300 {
        let applied = apply(&views, &id, change(&stream, version - 1, version)).await;
        assert_eq!(applied, Applied::Applied);
    }
    flushing.abort();
    assert!(flushing.await.unwrap_err().is_cancelled(), "it flushed until then");
}
