//! Places where a test may kill the process: before and after every step that must lose nothing.
//!
//! Without the feature `failpoints` there is nothing here. With it, the variable `FAILPOINTS`
//! names places and the passes that survive: `publish.after=20*off->return` dies at the 21st
//! (<https://docs.rs/fail>).

/// Reads the variable; before anything else happens.
pub(crate) fn set_up() {
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
}

/// Aborts the process when `FAILPOINTS` says so of the place `name`.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    fail::fail_point!(name, |_| std::process::abort());
}

/// Does nothing in this build.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_: &str) {}
