//! What is told of the views: how far they are, and what changes.

use std::sync::Arc;

use kernel::log::{StreamName, Version};
use kernel::views::{Batch, Parked};
use shared::view_store::memory::Memory;
use shared::view_store::{Advance, GenerationId, Place, Reached, Update, Updates};
use tests::Own;

use super::{Views, apply, change, generation, stream};

async fn applied(views: &Views, id: &GenerationId) -> i64 {
    views.read(id, &Batch::new()).await.unwrap().applied
}

pub fn note(stream: &StreamName, version: Version) -> Parked {
    Parked {
        stream: stream.clone(),
        version,
        reason: "because".to_owned(),
        projection: 1,
        build: "b".to_owned(),
        at: kernel::Timestamp::now(),
        let_go: version,
    }
}

async fn every_read_tells_how_far_the_views_can_be(views: Views) {
    let (id, a, b) = (generation(&views).await, stream(), stream());
    assert_eq!(applied(&views, &id).await, 0);
    let both = [change(&a, 0, 3), change(&b, 0, 1)];
    views.apply(&id, &both).await.unwrap();
    assert_eq!(applied(&views, &id).await, 30, "the highest of the batch");
    apply(&views, &id, change(&b, 1, 2)).await;
    assert_eq!(applied(&views, &id).await, 30, "it never goes back");
    apply(&views, &id, change(&b, 2, 4)).await;
    assert_eq!(applied(&views, &id).await, 40);
}

async fn how_far_the_views_are_and_what_is_live_is_one_read(views: Views) {
    let (id, a) = (generation(&views).await, stream());
    let new = Reached { live: None, checkpoint: Some(0), applied: 0 };
    assert_eq!(views.reached(&id).await.unwrap(), new);
    apply(&views, &id, change(&a, 0, 3)).await;
    assert_eq!(views.reached(&id).await.unwrap(), Reached { applied: 30, ..new });
    assert_eq!(views.advance(&id, 0, 20, &[(&a, 3)]).await.unwrap(), Advance::Moved);
    assert!(views.promote(None, &id).await.unwrap());
    let live = Reached { live: Some(id.clone()), checkpoint: Some(20), applied: 30 };
    assert_eq!(views.reached(&id).await.unwrap(), live);
    let gone = Reached { checkpoint: None, applied: 0, ..live };
    assert_eq!(views.reached(&GenerationId::stored("v1-gone")).await.unwrap(), gone);
}

async fn what_is_parked_is_read_with_its_reason(views: Views) {
    let (id, a, b) = (generation(&views).await, stream(), stream());
    let parked = note(&a, 1);
    views.park(&id, &parked).await.unwrap();
    let mut batch = Batch::new();
    let (notes, none) = (batch.parked(vec![b.clone(), a.clone()]), batch.parked(vec![]));
    let mut answers = views.read(&id, &batch).await.unwrap().answers;
    assert_eq!(answers.take(notes).unwrap(), [None, Some(parked)]);
    assert_eq!(answers.take(none).unwrap(), []);
}

/// Takes updates until there are so many.
async fn take(updates: &mut Box<dyn Updates>, count: usize) -> Vec<Update> {
    let mut taken = vec![];
    while taken.len() < count {
        taken.extend(updates.next().await.unwrap());
    }
    taken
}

async fn every_change_is_told_from_the_moment_of_asking_on(views: Views) {
    let (id, a) = (generation(&views).await, stream());
    apply(&views, &id, change(&a, 0, 1)).await;
    let mut updates = views.updates(&id).await.unwrap();
    let mut later = views.updates(&id).await.unwrap();
    apply(&views, &id, change(&a, 1, 3)).await;
    apply(&views, &id, change(&a, 1, 3)).await; // A duplicate is no news.
    views.park(&id, &note(&a, 4)).await.unwrap();
    assert_eq!(views.advance(&id, 0, 7, &[(&a, 3)]).await.unwrap(), Advance::Moved);
    let told = [Update::Applied(a.clone(), 3), Update::Parked(a), Update::Checkpoint(7)];
    assert_eq!(take(&mut updates, 3).await, told);
    assert_eq!(take(&mut later, 3).await, told, "each reader has its own place");
    assert_eq!(updates.next().await.unwrap(), [], "nothing is told after a while of silence");
}

async fn what_was_told_is_told_again_from_any_place_of_late(views: Views) {
    let (id, a, b) = (generation(&views).await, stream(), stream());
    let mut updates = views.updates(&id).await.unwrap();
    assert_eq!(views.updates_since(&id, updates.place(), 10).await.unwrap(), Some(vec![]));
    apply(&views, &id, change(&a, 0, 1)).await;
    assert_eq!(take(&mut updates, 1).await.len(), 1);
    let first = updates.place();
    views.apply(&id, &[change(&a, 1, 2), change(&b, 0, 1)]).await.unwrap();
    views.park(&id, &note(&a, 3)).await.unwrap();
    let later = take(&mut updates, 3).await;
    let since = views.updates_since(&id, first, 10).await.unwrap().expect("it is kept");
    let (places, told): (Vec<Place>, Vec<Update>) = since.into_iter().unzip();
    assert_eq!(told, later);
    assert!(places.is_sorted() && places.iter().all(|place| *place > first), "{places:?}");
    assert_eq!(places.last(), Some(&updates.place()));
    assert_eq!(views.updates_since(&id, updates.place(), 10).await.unwrap(), Some(vec![]));
    assert_eq!(views.updates_since(&id, first, 1).await.unwrap(), None, "it is more than that");
    let text = first.to_string();
    assert_eq!(text.parse(), Ok(first), "{text}");
}

/// However often streams have changed, each is told once, and only how many have changed is bounded.
async fn what_has_changed_since_is_told_once_for_each_stream(views: Views) {
    let (id, streams) = (generation(&views).await, [stream(), stream(), stream()]);
    let mut updates = views.updates(&id).await.unwrap();
    apply(&views, &id, change(&streams[0], 0, 1)).await;
    take(&mut updates, 1).await;
    let before = updates.place();
    for (stream, from) in streams.iter().zip([1, 0, 0]) {
        for version in from..from + 150 {
            apply(&views, &id, change(stream, version, version + 1)).await;
        }
    }
    for position in 0..150 {
        let moved = views.advance(&id, position, position + 1, &[]).await.unwrap();
        assert_eq!(moved, Advance::Moved);
    }
    apply(&views, &id, change(&streams[0], 151, 152)).await;
    take(&mut updates, 601).await;
    let since = views.updates_since(&id, before, 3).await.unwrap().expect("three have changed");
    let (places, told): (Vec<Place>, Vec<Update>) = since.into_iter().unzip();
    let [a, b, c] = streams;
    let latest = [
        Update::Applied(b, 150),
        Update::Applied(c, 150),
        Update::Checkpoint(150),
        Update::Applied(a, 152),
    ];
    assert_eq!(told, latest);
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(places.last(), Some(&updates.place()));
    assert_eq!(views.updates_since(&id, before, 2).await.unwrap(), None, "it is one more");
}

async fn a_place_that_never_was_or_is_too_old_is_told_apart(views: Views) {
    let (id, a) = (generation(&views).await, stream());
    let mut updates = views.updates(&id).await.unwrap();
    apply(&views, &id, change(&a, 0, 1)).await;
    take(&mut updates, 1).await;
    let Place(time, number) = updates.place();
    for never in [Place(time, number + 1), Place(time + 60_000, 0)] {
        assert_eq!(views.updates_since(&id, never, 10).await.unwrap(), None, "{never}");
    }
    let gone = GenerationId::stored("v1-gone");
    assert_eq!(views.updates_since(&gone, updates.place(), 10).await.unwrap(), None);
    let old = updates.place();
    for position in 0..12_000 {
        views.advance(&id, position, position + 1, &[]).await.unwrap();
    }
    assert_eq!(views.updates_since(&id, old, 100_000).await.unwrap(), None, "it is cut off");
}

async fn a_reader_is_told_that_it_missed_some_when_it_did_and_not_before(views: Views) {
    let (id, a) = (generation(&views).await, stream());
    let mut updates = views.updates(&id).await.unwrap();
    apply(&views, &id, change(&a, 0, 1)).await;
    take(&mut updates, 1).await;
    for position in 0..1_500 {
        views.advance(&id, position, position + 1, &[]).await.unwrap();
    }
    assert!(!take(&mut updates, 1_500).await.contains(&Update::Missed), "all are kept");
    for position in 1_500..13_500 {
        views.advance(&id, position, position + 1, &[]).await.unwrap();
    }
    assert_eq!(take(&mut updates, 1).await[0], Update::Missed);
    apply(&views, &id, change(&a, 1, 2)).await;
    let latest = Update::Applied(a, 2);
    while !take(&mut updates, 1).await.contains(&latest) {}
}

contract! {
    a_reader_is_told_that_it_missed_some_when_it_did_and_not_before
    what_was_told_is_told_again_from_any_place_of_late
    what_has_changed_since_is_told_once_for_each_stream
    a_place_that_never_was_or_is_too_old_is_told_apart
    every_read_tells_how_far_the_views_can_be
    how_far_the_views_are_and_what_is_live_is_one_read
    what_is_parked_is_read_with_its_reason
    every_change_is_told_from_the_moment_of_asking_on
}
