//! The whole system in one process (`up`), and the operators' commands, which speak HTTP to the
//! services alike in both modes.

pub mod cli;
pub mod client;
#[cfg(feature = "servers")]
pub mod doctor;
pub mod import;
pub mod live;
pub mod load;
pub mod outcome;
pub mod output;
pub mod progress;
pub mod top;
pub mod up;
pub mod verify;
pub mod yaml;
