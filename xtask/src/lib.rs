//! For developers: private servers, and where their programs come from.

pub mod install;
pub mod programs;
pub mod servers;

pub type Result<T> = std::result::Result<T, String>;
