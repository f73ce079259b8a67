//! Streams that are parked: a note stays until all that was let go is there.

use std::sync::Arc;

use kernel::log::LogId;
use kernel::views::Parked;
use shared::event_store::READ_BYTES;
use shared::view_store::memory::Memory;
use shared::view_store::{Advance, Applied, Generation, GenerationId, MAX_NOTES, ParkedPage};
use tests::Own;
use tests::stores::parked;

use super::updates::note;
use super::{Views, apply, change, generation, stream};

async fn only(views: &Views, id: &GenerationId) -> Parked {
    let mut notes = parked(&**views, id).await;
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
    assert_eq!(parked(&*views, &id).await, []);
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
    assert_eq!(parked(&*views, &id).await, []);
    views.park(&id, &note(&a, 4)).await.unwrap();
    assert_eq!(only(&views, &id).await.version, 4);
}

async fn a_removed_generation_has_no_notes(views: Views) {
    let (id, a) = (generation(&views).await, stream());
    views.remove(&id).await.unwrap();
    views.park(&id, &note(&a, 1)).await.unwrap();
    assert_eq!(parked(&*views, &id).await, []);
    assert_eq!(views.let_go(&id, &[(&a, 1)]).await.unwrap(), [false]);
}

/// Parks so many streams, and returns their notes in the order of their names.
async fn park_all(views: &Views, id: &GenerationId, count: usize, reason: &str) -> Vec<Parked> {
    let one = |_| Parked { reason: reason.to_owned(), ..note(&stream(), 1) };
    let mut notes: Vec<Parked> = (0..count).map(one).collect();
    for note in &notes {
        views.park(id, note).await.unwrap();
    }
    notes.sort_by(|one, other| one.stream.as_str().cmp(other.stream.as_str()));
    notes
}

async fn pages_show_each_note_once_in_the_order_of_names(views: Views) {
    let id = generation(&views).await;
    assert_eq!(views.parked(&id, None, 10).await.unwrap(), ParkedPage::default());
    assert_eq!(views.count_parked(&id).await.unwrap(), 0);
    let expected = park_all(&views, &id, 7, "because").await;
    views.let_go(&id, &[(&expected[3].stream, 9)]).await.unwrap();
    let mut expected = expected;
    expected[3].let_go = 9;
    assert_eq!(views.count_parked(&id).await.unwrap(), 7);
    for limit in [1, 2, 3, 6, 7, 8] {
        let (mut found, mut after) = (vec![], None);
        loop {
            let page = views.parked(&id, after.as_ref(), limit).await.unwrap();
            assert_eq!(page.total, 7);
            assert_eq!(page.notes.len(), limit.min(7 - found.len()), "{limit}");
            after = page.next().cloned();
            found.extend(page.notes);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{limit}");
    }
    // A stream that is not parked any more is a place in the order still.
    let [gone, next] = [&expected[2], &expected[3]];
    assert!(views.unpark(&id, &gone.stream, gone.let_go).await.unwrap());
    let page = views.parked(&id, Some(&gone.stream), 1).await.unwrap();
    assert_eq!(
        (page.notes.as_slice(), page.more, page.total),
        ([next.clone()].as_slice(), true, 6)
    );
    assert_eq!(views.parked(&id, None, 10).await.unwrap().notes.len(), 6);
}

async fn a_page_ends_at_a_number_of_notes_and_at_a_number_of_bytes(views: Views) {
    let id = generation(&views).await;
    let (reason, count) = ("\u{1F4E6}".repeat(500), 600);
    let large = park_all(&views, &id, count, &reason).await;
    let page = views.parked(&id, None, count).await.unwrap();
    let bytes = page.notes.len() * reason.len();
    assert!(page.more && bytes < READ_BYTES && bytes > READ_BYTES / 2, "{bytes}");
    let rest = views.parked(&id, page.next(), count).await.unwrap();
    assert_eq!((rest.more, rest.total), (false, count as u64));
    assert_eq!([page.notes, rest.notes].concat(), large);
    let other = Generation::new(LogId::random(), 1);
    assert!(views.promote(None, &id).await.unwrap());
    assert!(views.begin(&other).await.unwrap());
    park_all(&views, &other.id, MAX_NOTES + 1, "").await;
    let page = views.parked(&other.id, None, usize::MAX).await.unwrap();
    assert_eq!((page.notes.len(), page.more), (MAX_NOTES, true));
}

contract! {
    pages_show_each_note_once_in_the_order_of_names
    a_page_ends_at_a_number_of_notes_and_at_a_number_of_bytes
    a_note_stays_when_a_change_applies_after_all
    a_note_goes_only_when_nothing_was_let_go_meanwhile
    what_the_view_has_reached_is_not_parked
    a_removed_generation_has_no_notes
}

/// Workers of a build that knew no order of names run beside this one during an upgrade.
#[tokio::test]
async fn notes_that_an_earlier_build_wrote_and_removed_are_listed_as_they_are() {
    let own = Own::default();
    let views: Views = Arc::new(own.redis().await);
    let id = generation(&views).await;
    let notes = park_all(&views, &id, 4, "because").await;
    let client = ::redis::Client::open(tests::servers::redis()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = |name: &str| format!("{{{}:{id}:0}}:{name}", own.namespace);
    // All notes are of the earlier build.
    ::redis::cmd("DEL").arg(key("parked-names")).query_async::<()>(&mut connection).await.unwrap();
    assert_eq!(parked(&*views, &id).await, notes);
    // It removes one note and adds another: as many as before.
    let added = note(&stream(), 1);
    let text = serde_json::to_string(&added).unwrap();
    let mut write = ::redis::pipe();
    write.hdel(key("parked"), notes[0].stream.as_str());
    write.hset(key("parked"), added.stream.as_str(), text);
    write.query_async::<()>(&mut connection).await.unwrap();
    let mut expected = [&notes[1..], &[added]].concat();
    expected.sort_by(|one, other| one.stream.as_str().cmp(other.stream.as_str()));
    let mut found = parked(&*views, &id).await;
    found.iter_mut().for_each(|note| note.let_go = 0);
    expected.iter_mut().for_each(|note| note.let_go = 0);
    assert_eq!(found, expected);
    own.remove().await;
}
