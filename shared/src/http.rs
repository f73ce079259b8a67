//! The small HTTP kit of the services: serving with limits and a deadline, bodies, answers.

mod accept;
pub mod answer;
pub mod api;
pub mod body;
pub mod consistency_token;
pub mod cors;
pub mod fields;
mod front;
mod handshake;
pub mod hosts;
pub mod limits;
pub mod listener;
mod measured;
pub mod origin;
pub mod path;
mod places;
pub mod probes;
pub mod problem;
pub mod rate;
mod refused;
pub mod serve;
pub mod strict_json;
mod timed;
pub mod wait;

pub use answer::{Answer, close, json};
pub use body::body;
pub use cors::{Cors, Origins};
pub use front::Callers;
pub use hosts::Hosts;
pub use limits::Limits;
pub use listener::{Listener, ListenerOptions};
pub(crate) use measured::REQUESTS;
use refused::REFUSED;
pub use serve::{OverTls, serve};
