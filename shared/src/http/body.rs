//! Request bodies, up to a limit whatever their framing.

use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt as _};
use warp::{Filter, Rejection};

use crate::problem::Problem;

/// Bytes of the largest body.
pub const LIMIT: usize = 1 << 20;
/// A body above the limit is still read up to here, or the client would see a reset connection
/// and not the answer.
const DRAIN: usize = 16 << 20;

/// The whole body, or a problem when it is too large or ends early.
pub fn body() -> impl Filter<Extract = (Result<Bytes, Problem>,), Error = Rejection> + Clone {
    warp::body::stream().then(collect)
}

async fn collect<B: bytes::Buf>(
    stream: impl Stream<Item = Result<B, warp::Error>>,
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
        if length <= LIMIT {
            body.extend_from_slice(&part.copy_to_bytes(part.remaining()));
        }
    }
    if length > LIMIT {
        return Err(Problem::too_large(format!("A body may have up to {LIMIT} bytes.")));
    }
    Ok(body.freeze())
}
