//! Large answers that clients have not taken yet, bounded in bytes for the whole process.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Collected};
use hyper::body::Body as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use warp::reply::Response;

use super::REFUSED;
use super::problem::Problem;
use super::refused::ANSWERS;

/// Bytes up to which an answer is not counted.
const SMALL: usize = 64 << 10;
/// For how long an answer waits until others have been taken.
const WAIT: Duration = Duration::from_secs(1);

/// For answers of all listeners.
static ROOM: Room = Room::new(128 << 20, 16 << 20);
/// For `/metrics`, which has to be told while clients hold all of the other.
static ROOM_OF_METRICS: Room = Room::new(16 << 20, 0);

/// Where answers of this path find room.
pub(super) fn room_for(path: &str) -> &'static Room {
    match path {
        "/metrics" => &ROOM_OF_METRICS,
        _ => &ROOM,
    }
}

pub(super) struct Room {
    /// Bytes of answers that are made and not sent to their end.
    unsent: Semaphore,
    /// Bytes of answers that wait for that, and are in memory meanwhile.
    waiting: Semaphore,
}

impl Room {
    const fn new(unsent: usize, waiting: usize) -> Self {
        Self { unsent: Semaphore::const_new(unsent), waiting: Semaphore::const_new(waiting) }
    }

    /// Room for the body of this answer, which has its length still before it is put into a coding:
    /// nothing where it is small, or a stream. The error takes the place of the answer.
    pub(super) async fn take(
        &self,
        answer: &Response,
        asked: &Method,
    ) -> Result<Held<'_>, Problem> {
        let Some(length) = large(answer) else { return Ok(Held(None)) };
        let found = match self.unsent.try_acquire_many(length) {
            Ok(permit) => Some(permit),
            Err(_) => self.wait_for(length).await,
        };
        found.map(|permit| Held(Some(permit))).ok_or_else(|| {
            REFUSED.add_to(ANSWERS, 1);
            refused(asked)
        })
    }

    async fn wait_for(&self, length: u32) -> Option<SemaphorePermit<'_>> {
        let _waiting = self.waiting.try_acquire_many(length).ok()?;
        tokio::time::timeout(WAIT, self.unsent.acquire_many(length)).await.ok()?.ok()
    }
}

/// The length of a body that counts.
fn large(answer: &Response) -> Option<u32> {
    let length = answer.body().size_hint().exact()?;
    u32::try_from(length).ok().filter(|_| length > SMALL as u64)
}

fn refused(asked: &Method) -> Problem {
    match asked.is_safe() {
        true => Problem::unavailable("Too many answers wait to be taken by clients; try again."),
        false => Problem::outcome_unknown(
            "It was carried out, and too many answers wait to be taken by clients to give this one.",
        ),
    }
}

/// Room that an answer has, until all of its bytes are sent or dropped.
pub(super) struct Held<'a>(Option<SemaphorePermit<'a>>);

impl Held<'static> {
    /// The answer as it is sent, which may be shorter by now.
    pub(super) async fn keep(self, answer: Response) -> Response {
        let Some(mut permit) = self.0 else { return answer };
        let Some(length) = large(&answer) else { return answer };
        let surplus = permit.num_permits().saturating_sub(length as usize);
        drop(permit.split(surplus));
        let (head, body) = answer.into_parts();
        // It is in memory, so that reading it does not fail.
        let bytes = body.collect().await.map_or_else(|_| Bytes::new(), Collected::to_bytes);
        Response::from_parts(head, Bytes::from_owner(Counted { bytes, _permit: permit }).into())
    }
}

/// Bytes that count for as long as anything refers to them. A body is handed over as soon as the
/// connection has its bytes, which may be long before it has sent them.
struct Counted {
    bytes: Bytes,
    _permit: SemaphorePermit<'static>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FULL: Room = Room::new(300 << 10, 0);
    static PATIENT: Room = Room::new(100 << 10, 100 << 10);

    fn answer(bytes: usize) -> Response {
        Response::new(vec![b'x'; bytes].into())
    }

    async fn sent(room: &'static Room, bytes: usize) -> Result<Response, Problem> {
        let answer = answer(bytes);
        let held = room.take(&answer, &Method::GET).await?;
        Ok(held.keep(answer).await)
    }

    #[tokio::test]
    async fn large_answers_count_until_their_bytes_are_dropped() {
        let first = sent(&FULL, 200 << 10).await.ok().unwrap();
        let bytes = first.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len(), 200 << 10);
        let problem = sent(&FULL, 101 << 10).await.err().unwrap();
        assert_eq!(&*problem.r#type, "/problems/unavailable");
        let problem = FULL.take(&answer(101 << 10), &Method::POST).await.err().unwrap();
        assert_eq!(&*problem.r#type, "/problems/outcome-unknown");
        let fits = sent(&FULL, 100 << 10).await;
        assert!(fits.is_ok() && sent(&FULL, SMALL).await.is_ok(), "small ones do not count");
        drop((bytes, fits));
        assert!(sent(&FULL, 300 << 10).await.is_ok(), "all of it is free again");
    }

    #[tokio::test]
    async fn what_a_coding_saves_is_free_at_once() {
        static ROOM: Room = Room::new(300 << 10, 0);
        let plain = answer(300 << 10);
        let held = ROOM.take(&plain, &Method::GET).await.ok().unwrap();
        let coded = held.keep(answer(100 << 10)).await;
        assert_eq!(ROOM.unsent.available_permits(), 200 << 10);
        drop(coded);
        assert_eq!(ROOM.unsent.available_permits(), 300 << 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_a_moment_for_room() {
        let first = sent(&PATIENT, 100 << 10).await.ok().unwrap();
        let mut second = std::pin::pin!(sent(&PATIENT, 90 << 10));
        assert!(futures::poll!(&mut second).is_pending());
        assert!(sent(&PATIENT, 90 << 10).await.is_err(), "what waits is bounded, too");
        drop(first);
        let second = second.await;
        assert!(second.is_ok());
        assert!(sent(&PATIENT, 90 << 10).await.is_err(), "it does not wait for ever");
    }
}
