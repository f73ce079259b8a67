//! Streams that are parked: a note stays until all that was let go is there.

use std::sync::Arc;

use kernel::views::Parked;
use shared::view_store::memory::Memory;
use shared::view_store::{Advance, Applied, GenerationId};
use tests::Own;

use super::updates::note;
use super::{Views, apply, change, generation, stream};

async fn only(views: &Views, id: &GenerationId) -> Parked {
    let mut notes = views.parked(id).await.unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    notes.remove(0)
}

async fn a_note_stays_when_a_change_applies_after_all(views: Views) {
    let (id, a) = (generation(&views).await, stream());
    apply(&views, &id, change(&a, 0, 2)).await;
    views.park(&id, &Parked { let_go: 5, ..note(&a, 3) }).await.unwrap();
    assert_eq!(apply(&views, &id, change(&a, 2, 3)).await, Applied::StillParked);
    let raised = only(&views, &id).await;
    assert_eq!((raised.version, raised.build.as_str(), raised.let_go), (4, "", 5));
    assert_eq!(raised.reason, "because");
    assert_eq!(apply(&views, &id, change(&a, 2, 3)).await, Applied::Duplicate);
    assert_eq!(apply(&views, &id, change(&a, 3, 5)).await, Applied::StillParked);
    assert!(views.unpark(&id, &a, 5).await.unwrap());
    assert_eq!(views.parked(&id).await.unwrap(), []);
    assert_eq!(apply(&views, &id, change(&a, 5, 6)).await, Applied::Applied);
}

async fn a_note_goes_only_when_nothing_was_let_go_meanwhile(views: Views) {
    let (id, a, b) = (generation(&views).await, stream(), stream());
    views.park(&id, &note(&a, 1)).await.unwrap();
    assert_eq!(views.let_go(&id, &[(&a, 4), (&b, 9)]).await.unwrap(), [true, false]);
    assert_eq!(views.let_go(&id, &[(&a, 2)]).await.unwrap(), [true]);
    assert_eq!(only(&views, &id).await.let_go, 4);
    assert!(!views.unpark(&id, &a, 1).await.unwrap(), "4 was let go since");
    // The checkpoint lets go of what it passes.
    assert_eq!(views.advance(&id, 0, 7, &[(&a, 6)]).await.unwrap(), Advance::Moved);
    assert!(!views.unpark(&id, &a, 4).await.unwrap(), "6 was let go since");
    assert!(views.unpark(&id, &a, 6).await.unwrap());
    assert!(views.unpark(&id, &a, 6).await.unwrap(), "it is not parked any more");
    assert_eq!(views.let_go(&id, &[(&a, 7)]).await.unwrap(), [false]);
}

async fn what_the_view_has_reached_is_not_parked(views: Views) {
    let (id, a) = (generation(&views).await, stream());
    apply(&views, &id, change(&a, 0, 3)).await;
    views.park(&id, &note(&a, 3)).await.unwrap();
    assert_eq!(views.parked(&id).await.unwrap(), []);
    views.park(&id, &note(&a, 4)).await.unwrap();
    assert_eq!(only(&views, &id).await.version, 4);
}

async fn a_removed_generation_has_no_notes(views: Views) {
    let (id, a) = (generation(&views).await, stream());
    views.remove(&id).await.unwrap();
    views.park(&id, &note(&a, 1)).await.unwrap();
    assert_eq!(views.parked(&id).await.unwrap(), []);
    assert_eq!(views.let_go(&id, &[(&a, 1)]).await.unwrap(), [false]);
}

contract! {
    a_note_stays_when_a_change_applies_after_all
    a_note_goes_only_when_nothing_was_let_go_meanwhile
    what_the_view_has_reached_is_not_parked
    a_removed_generation_has_no_notes
}
