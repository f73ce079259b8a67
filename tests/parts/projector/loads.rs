//! How much of the views a worker loads at a time.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Position, Recorded, StreamName, Version};
use kernel::projection::Stored;
use kernel::views::VIEWS_BYTES;
use shared::view_store::memory::Memory;
use shared::view_store::{GenerationId, ViewStore};
use tests::orders::{NamedEvent, commit, created, created_of, item, paid, stream};
use tests::stores::TempDir;
use tests::subject::Subject;
use tests::view_decorator::{ViewDecorator, ViewHooks};

/// Bytes of the documents that each load returned.
#[derive(Default)]
struct Loads(Mutex<Vec<Vec<usize>>>);

impl Loads {
    /// Those since this was last asked, without those that were asked for nothing.
    fn take(&self) -> Vec<Vec<usize>> {
        let loads = std::mem::take(&mut *self.0.lock().unwrap());
        loads.into_iter().filter(|load| !load.is_empty()).collect()
    }
}

#[async_trait]
impl ViewHooks for Loads {
    async fn load(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        streams: &[&StreamName],
    ) -> Result<Vec<Option<Stored>>> {
        let loaded = views.load(generation, streams).await?;
        let bytes = |view: &Option<Stored>| view.as_ref().map_or(0, |view| view.document.len());
        self.0.lock().unwrap().push(loaded.iter().map(bytes).collect());
        Ok(loaded)
    }
}

fn streams(count: usize) -> Vec<StreamName> {
    (0..count).map(|_| stream()).collect()
}

/// One event of each stream, at every second position from this one on.
fn events(
    streams: &[StreamName],
    from: Position,
    version: Version,
    event: impl Fn(&StreamName) -> NamedEvent,
) -> Vec<Recorded> {
    let commits = streams.iter().zip(0..).map(|(stream, number)| {
        let commit = commit(from + 2 * number, stream, version, &event(stream));
        commit.recorded().collect::<Vec<_>>()
    });
    commits.flatten().collect()
}

#[tokio::test]
async fn views_are_loaded_by_their_bytes_however_small_those_before_were() {
    let folder = TempDir::default();
    let views = ViewDecorator::over(Arc::new(Memory::default()), Loads::default());
    let subject = Subject::new(Arc::new(folder.sqlite()), views.clone()).await;
    let small = streams(600);
    subject.apply(&events(&small, 1, 1, |stream| created(stream, 5))).await;
    assert!(views.hooks.take().is_empty(), "new ones are not loaded");
    subject.apply(&events(&small, 2_001, 2, |_| paid(1))).await;
    let counts: Vec<usize> = views.hooks.take().iter().map(Vec::len).collect();
    assert_eq!(counts, [256, 256, 88]);
    let (large, new) = (streams(12), streams(12));
    let items: Vec<_> = (0..3_000).map(|number| item(&format!("{number:0>64}"), 1, 1)).collect();
    subject.apply(&events(&large, 4_001, 1, |stream| created_of(stream, &items))).await;
    // One that is new beside each of these.
    let mut mixed = events(&large, 5_001, 2, |_| paid(1));
    mixed.extend(events(&new, 5_002, 1, |stream| created(stream, 5)));
    subject.apply(&mixed).await;
    let loads = views.hooks.take();
    assert!(loads.concat().iter().sum::<usize>() > 2 * VIEWS_BYTES, "{loads:?}");
    assert!(loads.iter().all(|load| load.iter().sum::<usize>() <= VIEWS_BYTES), "{loads:?}");
    assert_eq!(loads.concat().len(), 12, "each once: {loads:?}");
    for (streams, version) in [(&small, 2), (&large, 2), (&new, 1)] {
        for stream in streams {
            assert_eq!(subject.version(stream).await, version, "{stream}");
        }
    }
}
