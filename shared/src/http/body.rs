//! Request bodies, up to a limit whatever their framing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt as _};
use tokio::time::Instant;
use warp::{Filter, Rejection};

use crate::http::problem::Problem;

/// A body above the limit is still read up to here, or the client would see a reset connection
/// and not the answer.
const DRAIN: usize = 16 << 20;

/// The whole body, or a problem when it has more than `limit` bytes, ends early, or is late.
pub fn body(
    limit: usize,
) -> impl Filter<Extract = (Result<Bytes, Problem>,), Error = Rejection> + Clone {
    warp::ext::optional::<Deadline>().and(warp::body::stream()).then(
        move |deadline: Option<Deadline>, stream| async move {
            let Some(deadline) = deadline else { return collect(stream, limit).await };
            let Deadline { at, timeout } = deadline;
            let late = |_| Problem::timeout(format!("The body took longer than {timeout:?}."));
            tokio::time::timeout_at(at, collect(stream, limit)).await.map_err(late)?
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
) -> Result<Bytes, Problem> {
    let mut stream = std::pin::pin!(stream);
    let mut body = BytesMut::new();
    let mut length = 0;
    loop {
        let part = stream.try_next().await;
        let Some(mut part) = part.map_err(|_| Problem::malformed("The body ended early."))? else {
            break;
        };
        length += part.remaining();
        if length > DRAIN {
            break;
        }
        if length <= limit {
            body.extend_from_slice(&part.copy_to_bytes(part.remaining()));
        }
    }
    if length > limit {
        return Err(Problem::too_large(format!("A body may have up to {limit} bytes.")));
    }
    Ok(body.freeze())
}
