//! Calls of the domain's code. It is not to panic; where it does, it spoils its own command alone,
//! and not the group that the command is in.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::aggregate::Invalid;
use shared::service::vital::message;

/// What a call that panicked may have left half-changed is to be dropped.
pub fn guarded<T>(what: &str, call: impl FnOnce() -> T) -> Result<T, Invalid> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|cause| Invalid::new(format!("{what} panicked: {}", message(&*cause))))
}
