//! How much of the documents is read at a time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::sync::Mutex;

use async_trait::async_trait;
use kernel::log::StreamName;
use kernel::projection::Stored;
use kernel::query::{Error, Queries as _, Question, Views};
use kernel::views::{Answer, Answers, Batch, Read, VIEWS_BYTES};
use orders::OrderQueries;
use serde_json::json;
use uuid::Uuid;

const ORDERS: u128 = 60;

/// A list of orders whose documents all have so many bytes, and how many bytes each read answered. Every
/// tenth is paid.
struct Counting {
    bytes: usize,
    reads: Mutex<Vec<usize>>,
}

impl Counting {
    fn document(&self, stream: &StreamName) -> Vec<u8> {
        let status = if number(stream).is_multiple_of(10) { "paid" } else { "created" };
        let document =
            |note: &str| json!({ "status": status, "customer_id": "c", "note": note }).to_string();
        document(&"x".repeat(self.bytes - document("").len())).into_bytes()
    }

    /// As every store does: as many as one read returns.
    fn first(&self, streams: &[StreamName]) -> Vec<Option<Stored>> {
        let most = (VIEWS_BYTES / self.bytes).max(1).min(streams.len());
        self.reads.lock().unwrap().push(most * self.bytes);
        let stored = |stream| Some(Stored { version: 1, document: self.document(stream) });
        streams[..most].iter().map(stored).collect()
    }
}

/// Which of the orders it is.
fn number(stream: &StreamName) -> u128 {
    stream.id().parse::<Uuid>().unwrap().as_u128()
}

#[async_trait]
impl Views for Counting {
    async fn read(&self, batch: &Batch) -> Result<Answers, Error> {
        let answers = batch.reads().iter().map(|read| match read {
            Read::List(list) => {
                let entry = |number| format!("2026-01-02T03:04:05.000Z{}", Uuid::from_u128(number));
                Answer::List((0..ORDERS).rev().map(entry).take(list.limit).collect())
            }
            Read::Views(streams) => Answer::Views(self.first(streams)),
            other => panic!("{other:?}"),
        });
        Ok(Answers::new(answers.collect()))
    }
}

/// The bytes of each read that the newest 50 orders took, and how many of them fitted into the answer.
async fn reads(bytes: usize) -> (Vec<usize>, usize) {
    let (reads, shown) = reads_of(bytes, &[]).await;
    (reads, shown.len())
}

/// The same of those that `asked` asks for, and which they are.
async fn reads_of(bytes: usize, asked: &[(&str, &str)]) -> (Vec<usize>, Vec<u128>) {
    let views = Counting { bytes, reads: Mutex::default() };
    let asked = asked.iter().chain(&[("limit", "50")]);
    let question = Question {
        path: vec!["orders".to_owned()],
        parameters: asked.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        owner: None,
    };
    let reply = OrderQueries.answer(&views, &question).await.ok().flatten().unwrap();
    let shown = reply.shows.iter().map(|(stream, _)| number(stream)).collect();
    (views.reads.into_inner().unwrap(), shown)
}

#[tokio::test]
async fn documents_are_read_so_many_at_a_time_as_fit_into_memory() {
    let (first, shown) = reads(1 << 20).await;
    assert!(first.iter().all(|bytes| *bytes <= 16 << 20), "{first:?}");
    assert_eq!(shown, 1);
    for _ in 0..3 {
        let (later, shown) = reads(1 << 20).await;
        assert!(later.iter().all(|bytes| *bytes <= 2 << 20), "{later:?}");
        assert_eq!(shown, 1);
    }
    for _ in 0..4 {
        assert_eq!(reads(1_000).await.1, 50);
    }
    let (small, shown) = reads(1_000).await;
    assert_eq!((small, shown), (vec![50_000], 50), "small ones are read all at once");
    let (large, shown) = reads(100_000).await;
    assert_eq!((large.len(), shown), (1, 10), "a page that is full is not read on");
}

/// Most of what is read is not what was asked for: the page goes on where a read ended.
#[tokio::test]
async fn no_order_is_left_out_where_one_read_does_not_return_all() {
    let (reads, shown) = reads_of(100_000, &[("status", "paid")]).await;
    assert_eq!(shown, [50, 40, 30, 20, 10]);
    assert_eq!(reads, [2_000_000, 2_000_000, 1_000_000]);
}
