//! How much of the room for commands that wait one client may fill.

use std::sync::Arc;

use ::orders::OrderAggregate;
use command_api::write::{Outcome, Rejected, Request, WAITING, WAITING_BYTES, Writer};
use futures::future::join_all;
use shared::event_store::EventStore;
use shared::http::Client;
use shared::service::health::Health;
use tests::held::Held;
use tests::orders;
use tests::requests::request;
use tests::serving::Serving;
use tests::stores::TempDir;
use tokio::sync::oneshot::Receiver;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// Of a client at an address that ends so, as if its JSON had so many bytes.
fn create_of(last: u8, bytes: usize) -> Request<OrderAggregate> {
    let client = Some(Client::Address([127, 0, 0, last].into()));
    Request { client, bytes, ..request(orders::create(100), Uuid::new_v4(), None) }
}

async fn all_accepted(waiting: Vec<Receiver<Outcome>>) {
    for outcome in join_all(waiting).await {
        outcome.unwrap().unwrap();
    }
}

/// However many commands it sends, in batches and alone.
async fn one_client_leaves_room_for_the_commands_of_others(store: Store) {
    for (bytes, most) in [(1, WAITING), (WAITING_BYTES / 16, 16)] {
        let held = Held::over(store.clone());
        let (writer, scheduler) = Writer::start(held.clone(), Health::default());
        let submit = |last, of_batch| writer.submit(Request { of_batch, ..create_of(last, bytes) });
        let mut taken = vec![];
        for of_batch in [true, false] {
            taken.extend((0..most / 4).map(|_| submit(2, of_batch)));
            let one_more = submit(2, of_batch).await.unwrap();
            assert_eq!(one_more, Err(Rejected::Overloaded), "of a batch: {of_batch}");
            taken.push(submit(3, of_batch));
        }
        held.hooks.release();
        all_accepted(taken).await;
        all_accepted(vec![submit(2, true), submit(2, false)]).await;
        drop(writer);
        scheduler.await.unwrap();
    }
}

/// Where it is not known who asks, all that come from an address are one client.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_fills_its_half_of_the_room_is_answered_with_429() {
    let folder = TempDir::default();
    let held = Held::over(Arc::new(folder.sqlite()));
    let serving = Serving::start(held.clone()).await;
    let submit = |last| serving.service().writer.submit(create_of(last, WAITING_BYTES / 16));
    let mut waiting: Vec<_> = (0..8).map(|_| submit(1)).collect();
    for (path, body) in [("/orders", orders::order(100).to_string()), ("/commands", "[]".into())] {
        let answer = serving.api.post(path, body).await;
        let told = (answer.status, answer.problem(), answer.header("retry-after"));
        assert_eq!(told, (429, "too-many-requests".to_owned(), Some("1")), "{:?}", answer.body);
    }
    waiting.push(submit(2));
    held.hooks.release();
    all_accepted(waiting).await;
    assert_eq!(serving.api.create_order(&orders::order(100)).await.status, 201);
    serving.stop().await;
}

tests::on_both_logs! {
    one_client_leaves_room_for_the_commands_of_others
}
