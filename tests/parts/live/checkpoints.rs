//! How far the views are, as streams of events tell it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use futures::{FutureExt as _, StreamExt as _};
use kernel::log::Position;
use shared::view_store::{Advance, ViewStore as _};
use tokio::time::Instant;

use super::{Reader, Subject};

/// Moves the checkpoint by one, and waits until each client is told; when each was.
async fn told(subject: &Subject, clients: &mut [Reader], position: Position) -> Vec<Instant> {
    let moved = subject.views.advance(&subject.live.id, position - 1, position, &[]).await;
    assert_eq!(moved.unwrap(), Advance::Moved);
    let next = clients.iter_mut().map(|client| async move {
        let text = client.next_bytes().await;
        assert!(text.contains(&format!("\"position\":{position},")), "{text}");
        Instant::now()
    });
    join_all(next).await
}

/// Each that is told something has to be woken: all at once would hold up what is told of changes.
#[tokio::test(start_paused = true)]
async fn checkpoints_are_told_to_a_few_clients_at_a_time_and_to_each_every_500_ms_at_most() {
    let subject = Subject::new().await;
    let mut clients = vec![];
    for _ in 0..100 {
        let mut client = subject.open(&[], None).await;
        while client.body.next().now_or_never().is_some() {}
        clients.push(client);
    }
    let first = told(&subject, &mut clients, 1).await;
    let mut together = BTreeMap::<Instant, usize>::new();
    first.iter().for_each(|at| *together.entry(*at).or_default() += 1);
    assert!(together.values().all(|clients| *clients <= 4), "{together:?}");
    let (earliest, latest) = (*first.iter().min().unwrap(), *first.iter().max().unwrap());
    assert!(latest - earliest < Duration::from_secs(1), "{together:?}");
    let second = told(&subject, &mut clients, 2).await;
    for (first, second) in first.iter().zip(second) {
        assert!(second - *first >= Duration::from_millis(500), "{:?}", second - *first);
    }
}
