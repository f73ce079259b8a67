//! Progress bars, on standard error. Where that is no terminal nothing is drawn.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many steps; 0 where their number is not known yet.
pub fn bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    let style = "{bar:40} {pos}/{len} {per_sec} {eta} left {msg}";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
