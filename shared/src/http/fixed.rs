//! Answers that are the same for all clients as long as the process runs.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::StatusCode;
use warp::reply::Response;

use super::answer;
use super::encoding::Coding;

/// A body that is in memory once, and once in each coding that a client has asked for, however many clients
/// are sent it. It is an extension of its answers: what they send takes no memory of their own.
#[derive(Debug, Clone)]
pub struct Fixed(Arc<Forms>);

#[derive(Debug)]
struct Forms {
    content_type: &'static str,
    plain: Bytes,
    /// None where the body gains nothing by the coding.
    zstd: OnceLock<Option<Bytes>>,
    gzip: OnceLock<Option<Bytes>>,
}

impl Fixed {
    /// A body of this type.
    pub fn new(plain: impl Into<Bytes>, content_type: &'static str) -> Self {
        let (zstd, gzip) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Forms { content_type, plain: plain.into(), zstd, gzip }))
    }

    /// An answer with this body.
    pub fn answer(&self) -> Response {
        let (plain, content_type) = (self.0.plain.clone(), self.0.content_type);
        let mut response = answer::bytes(StatusCode::OK, plain, content_type);
        response.extensions_mut().insert(self.clone());
        response
    }

    /// An answer to a client that has this body.
    pub(super) fn not_modified(&self) -> Response {
        answer::bytes(StatusCode::NOT_MODIFIED, Bytes::new(), self.0.content_type)
    }

    /// The body as it is.
    pub fn plain(&self) -> &Bytes {
        &self.0.plain
    }

    /// The body in this coding, which is made when it is asked for first; none where it gains nothing by
    /// that.
    pub fn coded(&self, coding: Coding) -> Option<Bytes> {
        self.form(coding).get_or_init(|| coding.shortest(&self.0.plain)).clone()
    }

    /// Whether it was asked for in this coding before.
    pub(super) fn is_made(&self, coding: Coding) -> bool {
        self.form(coding).get().is_some()
    }

    fn form(&self, coding: Coding) -> &OnceLock<Option<Bytes>> {
        match coding {
            Coding::Zstd => &self.0.zstd,
            Coding::Gzip => &self.0.gzip,
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn answers_share_their_bytes() {
        let text = Fixed::new("waybill", "text/plain");
        for _ in 0..2 {
            let bytes = text.answer().into_body().collect().await.unwrap().to_bytes();
            assert_eq!(bytes.as_ptr(), text.0.plain.as_ptr());
        }
    }

    #[test]
    fn a_form_is_made_once() {
        let text = Fixed::new("waybill ".repeat(1_000), "text/plain");
        for coding in [Coding::Zstd, Coding::Gzip] {
            assert!(!text.is_made(coding));
            let first = text.coded(coding).unwrap();
            assert!(first.len() < 1_000 && text.is_made(coding));
            assert_eq!(text.coded(coding).unwrap().as_ptr(), first.as_ptr());
        }
        let short = Fixed::new("x", "text/plain");
        assert!(short.coded(Coding::Gzip).is_none() && short.is_made(Coding::Gzip));
    }
}
