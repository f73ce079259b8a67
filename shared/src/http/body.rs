//! Request bodies, up to a limit whatever their framing.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt as _};
use http::header;
use tokio::time::Instant;
use warp::{Filter, Rejection};

use super::refused::BODIES;
use super::tally::{Share, Tally};
use super::{Client, REFUSED, client};
use crate::http::problem::Problem;

/// Bytes of a body for which there always is room: as many as a command may have. So no large bodies keep
/// out commands that come alone.
const FREE: usize = 64 << 10;
/// For further bytes of bodies that are not complete, of all requests of the process. One client has half of
/// it at most, so that the large bodies of others find room beside those that it does not end.
static ROOM: LazyLock<Arc<Tally>> = LazyLock::new(|| Tally::new(256 << 20));

/// The whole body, or a problem when it has more than `limit` bytes, ends early, or is late.
pub fn body(
    limit: usize,
) -> impl Filter<Extract = (Result<Bytes, Problem>,), Error = Rejection> + Clone {
    let encoding = warp::header::optional::<String>(header::CONTENT_ENCODING.as_str());
    warp::ext::optional::<Deadline>().and(encoding).and(client()).and(warp::body::stream()).then(
        move |deadline: Option<Deadline>, encoding: Option<String>, client, stream| async move {
            if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
                let detail = "A body is taken as it is: send it without Content-Encoding.";
                return Err(Problem::unsupported_media_type(detail));
            }
            let body = collect(stream, limit, client);
            let Some(deadline) = deadline else { return body.await };
            let Deadline { at, timeout } = deadline;
            let late = |_| Problem::timeout(format!("The body took longer than {timeout:?}."));
            tokio::time::timeout_at(at, body).await.map_err(late)?
        },
    )
}

/// When the body of a request has to be there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    timeout: Duration,
}

impl Deadline {
    pub(crate) fn within(timeout: Duration) -> Self {
        Self { at: Instant::now() + timeout, timeout }
    }
}

async fn collect<B: bytes::Buf>(
    stream: impl Stream<Item = Result<B, warp::Error>>,
    limit: usize,
    client: Option<Client>,
) -> Result<Bytes, Problem> {
    let mut stream = std::pin::pin!(stream);
    let mut body = BytesMut::new();
    let mut length = 0;
    let mut room: Option<Share> = None;
    loop {
        let part = stream.try_next().await;
        let Some(mut part) = part.map_err(|_| Problem::malformed("The body ended early."))? else {
            break;
        };
        length += part.remaining();
        if length > limit {
            return Err(Problem::too_large(format!("A body may have up to {limit} bytes.")));
        }
        let bytes = length.saturating_sub(FREE);
        let has_room = match &mut room {
            _ if bytes == 0 => true,
            Some(share) => share.grow(bytes),
            None => {
                room = ROOM.try_take(bytes, client.as_ref());
                room.is_some()
            }
        };
        if !has_room {
            REFUSED.add_to(BODIES, 1);
            return Err(Problem::unavailable("Too many large bodies are on their way; try again."));
        }
        body.extend_from_slice(&part.copy_to_bytes(part.remaining()));
    }
    Ok(body.freeze())
}
