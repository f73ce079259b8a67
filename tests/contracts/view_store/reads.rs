//! How much one read of views returns.

use kernel::views::VIEWS_BYTES;

use super::*;

/// What one read returns, which is the same for `load` and for `read`.
async fn one_read(
    views: &Views,
    id: &GenerationId,
    streams: &[&StreamName],
) -> Vec<Option<Stored>> {
    let mut batch = Batch::new();
    let found = batch.views(streams.iter().map(|stream| (*stream).clone()).collect());
    let behind = batch.count("list");
    let mut answers = views.read(id, &batch).await.unwrap().answers;
    let found = answers.take(found).unwrap();
    assert_eq!(answers.take(behind).unwrap(), 1, "what is asked behind it is answered");
    assert!(views.load(id, streams).await.unwrap() == found, "both return as much");
    found
}

pub async fn one_read_of_views_has_a_bound_in_bytes(views: Views) {
    let id = generation(&views).await;
    let (small, third, larger) = (Some(10), Some(900 << 10), Some(VIEWS_BYTES + 1));
    let sizes = [small, third, third, third, None, larger, small, None, small];
    let (mut streams, mut changes, mut expected) = (vec![], vec![], vec![]);
    for bytes in sizes {
        let (stream, document) = (stream(), bytes.map(|bytes| vec![b'x'; bytes]));
        expected.push(document.clone().map(|document| Stored { version: 1, document }));
        changes.extend(document.map(|document| Change { document, ..change(&stream, 0, 1) }));
        streams.push(stream);
    }
    changes[0].enter = vec![entry("list", "x")];
    let applied = views.apply(&id, &changes).await.unwrap();
    assert!(applied.iter().all(|one| *one == Applied::Applied), "{applied:?}");
    let streams: Vec<&StreamName> = streams.iter().collect();
    let (mut found, mut parts) = (vec![], vec![]);
    while found.len() < streams.len() {
        let part = one_read(&views, &id, &streams[found.len()..]).await;
        assert!(!part.is_empty(), "one at least");
        parts.push(part.len());
        found.extend(part);
    }
    assert!(found == expected, "each in its place");
    assert_eq!(parts, [3, 2, 1, 3]);
    let many: Vec<StreamName> = (0..600).map(|_| stream()).collect();
    let changes: Vec<Change> = many.iter().map(|stream| change(stream, 0, 1)).collect();
    views.apply(&id, &changes).await.unwrap();
    let many: Vec<&StreamName> = many.iter().collect();
    let found = one_read(&views, &id, &many).await;
    assert!(found.len() == 600 && found.iter().all(Option::is_some), "small ones come together");
    let document = vec![b'x'; 100 << 10];
    let larger = Change { document: document.clone(), ..change(many[300], 1, 2) };
    assert_eq!(views.apply(&id, &[larger]).await.unwrap(), [Applied::Applied]);
    let mut expected = found;
    expected[300] = Some(Stored { version: 2, document });
    assert!(one_read(&views, &id, &many).await == expected, "one that is larger is among them");
}
