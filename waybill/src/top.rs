//! `waybill top`: what the services tell of themselves by HTTP, put together once a second.
//!
//! Nothing is estimated: what no service tells is missing, with the reason.

mod draw;
mod hot;
mod lines;
pub mod sample;
mod sampler;
pub mod screen;
mod watcher;

pub use self::sample::Sample;
pub use self::sampler::Sampler;
