//! What is told of the views: how far they are, and what changes.

use std::sync::Arc;

use kernel::log::{StreamName, Version};
use kernel::views::{Batch, Parked};
use shared::view_store::memory::Memory;
use shared::view_store::{Advance, GenerationId, Update, Updates};
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

contract! {
    every_read_tells_how_far_the_views_can_be
    what_is_parked_is_read_with_its_reason
    every_change_is_told_from_the_moment_of_asking_on
}
