//! For developers: private servers, and where their programs come from.

#![allow(missing_docs, reason = "a tool of this workspace, not a library for others")]

mod deb;
pub mod install;
pub mod peers;
pub mod programs;
pub mod python;
pub mod servers;
mod wheel;

pub type Result<T> = std::result::Result<T, String>;
