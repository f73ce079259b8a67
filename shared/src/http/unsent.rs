//! Large answers that clients have not taken yet, bounded in bytes: of all clients together, and of each.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Collected};
use hyper::body::Body as _;
use warp::reply::Response;

use super::fixed::Fixed;
use super::problem::Problem;
use super::refused::ANSWERS;
use super::tally::{Share, Tally};
use super::{Client, REFUSED};

/// Bytes up to which an answer is not counted.
const SMALL: usize = 64 << 10;
/// For how long an answer waits until others have been taken.
const WAIT: Duration = Duration::from_secs(1);

/// Where large answers find room.
#[derive(Debug, Clone)]
pub struct Unsent {
    usual: Arc<Room>,
    /// For `/metrics`, which has to be told while clients hold all of the other.
    metrics: Arc<Room>,
}

impl Unsent {
    /// The room that all listeners of the process share: 128 MiB, of which one client has half at most.
    pub fn of_process() -> Self {
        static SHARED: LazyLock<Unsent> = LazyLock::new(Unsent::of_its_own);
        SHARED.clone()
    }

    /// As much, for one listener alone: no other one takes of it.
    pub fn of_its_own() -> Self {
        Self { usual: Room::new(128 << 20, 16 << 20), metrics: Room::new(16 << 20, 0) }
    }

    /// Where answers of this path find room.
    pub(super) fn room_for(&self, path: &str) -> &Arc<Room> {
        match path {
            "/metrics" => &self.metrics,
            _ => &self.usual,
        }
    }
}

#[derive(Debug)]
pub(super) struct Room {
    /// Bytes of all answers that are made and not sent to their end.
    taken: Arc<Tally>,
    /// Bytes of answers that wait for some of these, and are in memory meanwhile.
    waiting: Arc<Tally>,
}

impl Room {
    fn new(most: usize, waiting: usize) -> Arc<Self> {
        Arc::new(Self { taken: Tally::new(most), waiting: Tally::new(waiting) })
    }

    /// Room for the body of this answer, which has its length still before it is put into a coding:
    /// nothing where it is small, fixed, or a stream. One client takes half of the room at most. The error
    /// takes the place of the answer.
    pub(super) async fn take(
        &self,
        answer: &Response,
        asked: &Method,
        client: impl FnOnce() -> Option<Client>,
    ) -> Result<Held, Problem> {
        let Some(bytes) = large(answer) else { return Ok(Held(None)) };
        let client = client();
        let found = match self.taken.try_take(bytes, client.as_ref()) {
            Some(share) => Some(share),
            None => self.wait_for(bytes, client.as_ref()).await,
        };
        found.map(|share| Held(Some(share))).ok_or_else(|| {
            REFUSED.add_to(ANSWERS, 1);
            refused(answer, asked)
        })
    }

    /// All that wait look again whenever an answer was sent, so none of them stands behind one that is larger
    /// or whose client has its half. (So a large one may find none while small ones come.)
    async fn wait_for(&self, bytes: usize, client: Option<&Client>) -> Option<Share> {
        let _waiting = self.waiting.try_take(bytes, client)?;
        let found = async {
            loop {
                let mut freed = std::pin::pin!(self.taken.freed.notified());
                // From here on nothing that becomes free is missed.
                freed.as_mut().enable();
                if let Some(share) = self.taken.try_take(bytes, client) {
                    return share;
                }
                freed.await;
            }
        };
        tokio::time::timeout(WAIT, found).await.ok()
    }
}

/// The length of a body that counts.
fn large(answer: &Response) -> Option<usize> {
    if answer.extensions().get::<Fixed>().is_some() {
        return None;
    }
    let length = usize::try_from(answer.body().size_hint().exact()?).ok()?;
    (length > SMALL).then_some(length)
}

fn refused(answer: &Response, asked: &Method) -> Problem {
    match asked.is_safe() || !answer.status().is_success() {
        true => Problem::unavailable("Too many answers wait to be taken by clients; try again."),
        false => Problem::outcome_unknown(
            "It was carried out, and too many answers wait to be taken by clients to give this one.",
        ),
    }
}

/// Room that an answer has, until all of its bytes are sent or dropped.
#[derive(Debug)]
pub(super) struct Held(Option<Share>);

impl Held {
    /// The answer as it is sent, which may be shorter by now.
    pub(super) async fn keep(self, answer: Response) -> Response {
        let Some(mut share) = self.0 else { return answer };
        let Some(length) = large(&answer) else { return answer };
        share.keep(length);
        let (head, body) = answer.into_parts();
        // It is in memory, so that reading it does not fail.
        let bytes = body.collect().await.map_or_else(|_| Bytes::new(), Collected::to_bytes);
        Response::from_parts(head, Bytes::from_owner(Counted { bytes, _share: share }).into())
    }
}

/// Bytes that count for as long as anything refers to them. A body is handed over as soon as the
/// connection has its bytes, which may be long before it has sent them.
struct Counted {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn answer(bytes: usize) -> Response {
        Response::new(vec![b'x'; bytes].into())
    }

    async fn sent_to(
        client: Option<&str>,
        room: &Arc<Room>,
        bytes: usize,
    ) -> Result<Response, Problem> {
        let answer = answer(bytes);
        let client = || client.map(|name| Client::Principal(name.to_owned()));
        let held = room.take(&answer, &Method::GET, client).await?;
        Ok(held.keep(answer).await)
    }

    async fn sent(room: &Arc<Room>, bytes: usize) -> Result<Response, Problem> {
        sent_to(None, room, bytes).await
    }

    #[tokio::test]
    async fn large_answers_count_until_their_bytes_are_dropped() {
        let full = Room::new(300 << 10, 0);
        let first = sent(&full, 200 << 10).await.ok().unwrap();
        let bytes = first.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len(), 200 << 10);
        let problem = sent(&full, 101 << 10).await.err().unwrap();
        assert_eq!(&*problem.r#type, "/problems/unavailable");
        let problem = full.take(&answer(101 << 10), &Method::POST, || None).await.err().unwrap();
        assert_eq!(&*problem.r#type, "/problems/outcome-unknown");
        let mut invalid = answer(101 << 10);
        *invalid.status_mut() = http::StatusCode::UNPROCESSABLE_ENTITY;
        let problem = full.take(&invalid, &Method::POST, || None).await.err().unwrap();
        assert_eq!(&*problem.r#type, "/problems/unavailable", "it was not carried out");
        let fits = sent(&full, 100 << 10).await;
        assert!(fits.is_ok() && sent(&full, SMALL).await.is_ok(), "small ones do not count");
        drop((bytes, fits));
        assert!(sent(&full, 300 << 10).await.is_ok(), "all of it is free again");
    }

    #[tokio::test]
    async fn a_client_has_half_of_the_room_and_what_is_fixed_takes_none() {
        let room = Room::new(500 << 10, 0);
        let held = sent_to(Some("a"), &room, 150 << 10).await;
        assert!(held.is_ok() && sent_to(Some("a"), &room, 150 << 10).await.is_err());
        let others = [sent_to(Some("b"), &room, 250 << 10).await, sent(&room, 100 << 10).await];
        assert!(others.iter().all(Result::is_ok));
        let fixed = Fixed::new(vec![b'x'; 1 << 20], "text/plain").answer();
        assert!(room.take(&fixed, &Method::GET, || None).await.is_ok());
        drop((held, others));
        let taken = room.taken.taken();
        assert!(taken.all == 0 && taken.clients.is_empty(), "{taken:?}");
    }

    #[tokio::test]
    async fn what_a_coding_saves_is_free_at_once() {
        let room = Room::new(300 << 10, 0);
        let plain = answer(300 << 10);
        let held = room.take(&plain, &Method::GET, || None).await.ok().unwrap();
        let coded = held.keep(answer(100 << 10)).await;
        assert_eq!(room.taken.taken().all, 100 << 10);
        drop(coded);
        assert_eq!(room.taken.taken().all, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_a_moment_for_room() {
        let patient = Room::new(100 << 10, 100 << 10);
        let first = sent(&patient, 100 << 10).await.ok().unwrap();
        let mut second = std::pin::pin!(sent(&patient, 90 << 10));
        assert!(futures::poll!(&mut second).is_pending());
        assert!(sent(&patient, 90 << 10).await.is_err(), "what waits is bounded, too");
        drop(first);
        let second = second.await;
        assert!(second.is_ok());
        assert!(sent(&patient, 90 << 10).await.is_err(), "it does not wait for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_its_half_leaves_others_room_to_wait() {
        let room = Room::new(500 << 10, 200 << 10);
        let one = sent_to(Some("a"), &room, 250 << 10).await;
        let other = sent_to(Some("b"), &room, 250 << 10).await;
        assert!(one.is_ok() && other.is_ok());
        let mut waits = std::pin::pin!(sent_to(Some("a"), &room, 100 << 10));
        assert!(futures::poll!(&mut waits).is_pending());
        let more = sent_to(Some("a"), &room, 90 << 10).now_or_never();
        assert!(more.is_some_and(|it| it.is_err()), "it has half of this, too");
        let mut third = std::pin::pin!(sent_to(Some("c"), &room, 90 << 10));
        assert!(futures::poll!(&mut third).is_pending(), "it waits as well");
        drop(other);
        assert!(third.await.is_ok() && waits.await.is_err());
    }
}
