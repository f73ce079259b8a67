//! What is left of a request's body when its answer is made.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;

/// Bytes that are read of it. A client that sends more than these loses its connection, and may not see
/// the answer.
const MOST: usize = 16 << 20;

/// A body that is read to its end though the answer does not wait for it: it is thrown away behind the
/// answer, for up to `timeout`. Otherwise the connection would be closed with bytes in it that were not
/// read, which resets it (RFC 9112, section 9.6): the client would lose the answer, or the next request
/// that it sends on the connection.
pub(super) struct ReadToTheEnd {
    body: Option<Incoming>,
    timeout: Duration,
}

impl ReadToTheEnd {
    /// A client that expects `100 Continue` sends no body once it is answered otherwise, so that there
    /// would be nothing to read (RFC 9110, section 10.1.1).
    pub(super) fn wrap(request: Request<Incoming>, timeout: Duration) -> Request<Self> {
        let timeout = if waits_to_continue(&request) { Duration::ZERO } else { timeout };
        request.map(|body| Self { body: Some(body), timeout })
    }
}

/// Whether the client sends the body after it has been asked to.
pub(super) fn waits_to_continue<B>(request: &Request<B>) -> bool {
    let expected = request.headers().get(header::EXPECT);
    expected.is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

impl Body for ReadToTheEnd {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = frame {
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for ReadToTheEnd {
    fn drop(&mut self) {
        if self.is_end_stream() || self.timeout.is_zero() {
            return;
        }
        if let (Some(body), Ok(runtime)) = (self.body.take(), Handle::try_current()) {
            let rest = tokio::time::timeout(self.timeout, throw_away(body));
            // Its end, its length and its time end the task; none of them is told.
            runtime.spawn(async { drop(rest.await) });
        }
    }
}

async fn throw_away(mut body: Incoming) {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > MOST {
            return;
        }
    }
}
