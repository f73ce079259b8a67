//! How much of the documents is read at a time, in a program of its own: what is learned of their size
//! counts for the whole process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use kernel::projection::Stored;
use kernel::query::{Error, Queries as _, Question, Views};
use kernel::views::{Answer, Answers, Batch, Read};
use orders::OrderQueries;
use uuid::Uuid;

const ORDERS: u128 = 60;

/// A list of orders whose documents all have so many bytes, and how many bytes each read answered.
struct Counting {
    bytes: usize,
    reads: Mutex<Vec<usize>>,
}

#[async_trait]
impl Views for Counting {
    async fn read(&self, batch: &Batch) -> Result<Answers, Error> {
        let answers = batch.reads().iter().map(|read| match read {
            Read::List(list) => {
                let entry = |number| format!("2026-01-02T03:04:05.000Z{}", Uuid::from_u128(number));
                Answer::List((0..ORDERS).rev().map(entry).take(list.limit).collect())
            }
            Read::Views(streams) => {
                self.reads.lock().unwrap().push(streams.len() * self.bytes);
                let document = format!("\"{}\"", "x".repeat(self.bytes - 2)).into_bytes();
                let stored = Stored { version: 1, document };
                Answer::Views(vec![Some(stored); streams.len()])
            }
            other => panic!("{other:?}"),
        });
        Ok(Answers::new(answers.collect()))
    }
}

/// The bytes of each read that the newest 50 orders took, and how many of them fitted into the answer.
async fn reads(bytes: usize) -> (Vec<usize>, usize) {
    let views = Counting { bytes, reads: Mutex::default() };
    let question = Question {
        path: vec!["orders".to_owned()],
        parameters: BTreeMap::from([("limit".to_owned(), "50".to_owned())]),
        owner: None,
    };
    let reply = OrderQueries.answer(&views, &question).await.ok().flatten().unwrap();
    (views.reads.into_inner().unwrap(), reply.shows.len())
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
