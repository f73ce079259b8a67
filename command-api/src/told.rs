//! What the spans of a commit tell of it.

use kernel::log::Commit;
use shared::service::traces::Attributes;

/// The trace of the request that led to it, and what it is.
pub fn told(commit: &Commit) -> (Option<&str>, impl FnOnce() -> Attributes) {
    let about = || {
        vec![
            ("waybill.stream", commit.stream.to_string()),
            ("waybill.version", commit.to.to_string()),
            ("waybill.position", commit.position.to_string()),
            ("waybill.correlation", commit.meta.correlation.clone()),
        ]
    };
    (commit.meta.traceparent.as_deref(), about)
}
