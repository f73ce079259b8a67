//! Places where a test may kill the process: before and after every step that must lose nothing.
//!
//! Without the feature `failpoints` there is nothing here. With it, the variable `FAILPOINTS` names
//! places, separated by `;`, and how many passes the process survives: `publish.after=20*off->return`
//! aborts at the 21st, `publish.after=return` at the first.

#[cfg(feature = "failpoints")]
mod armed;

#[cfg(feature = "failpoints")]
pub use self::armed::hit;

/// Reads the variable; before anything else happens.
pub(crate) fn set_up() {
    #[cfg(feature = "failpoints")]
    armed::set_up();
}

/// Does nothing in this build.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_: &str) {}
