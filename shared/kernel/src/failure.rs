//! Something broke. (The business saying no is a refusal, and never passes through here.)

use std::fmt;

/// A result whose error is a `Failure`, unless another is named.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A failure of a server, the network or the disk.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Whether trying again can help.
    pub kind: Kind,
    message: String,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It can: the server was unreachable, restarting, too slow.
    Transient,
    /// It cannot, until an operator changes a setting or repairs data.
    Permanent,
}

impl Failure {
    /// `what` was being done, and `why` it failed; trying again can help.
    pub fn transient(what: &str, why: impl fmt::Display) -> Self {
        Self { kind: Kind::Transient, message: format!("{what}: {why}") }
    }

    /// `what` was being done, and `why` it failed; trying again can't help.
    pub fn permanent(what: &str, why: impl fmt::Display) -> Self {
        Self { kind: Kind::Permanent, message: format!("{what}: {why}") }
    }

    /// The same, with what it comes of.
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.message = format!("{} ({cause})", self.message);
        self
    }

    /// Whether trying again can't help.
    pub fn is_permanent(&self) -> bool {
        self.kind == Kind::Permanent
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
