//! The small HTTP kit of the services: serving with limits and a deadline, bodies, answers.

pub mod answer;
pub mod body;
pub mod origin;
pub mod path;
pub mod probes;
pub mod serve;
pub mod wait;

pub use answer::{Answer, close, json};
pub use body::body;
pub use serve::{Limits, serve};
