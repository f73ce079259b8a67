//! Every key in Redis, by what it holds.
//!
//! All keys of a generation share a hash tag, so that a script may touch them together.

use kernel::Namespace;
use kernel::log::StreamName;

use crate::view_store::GenerationId;

#[derive(Debug, Clone)]
pub struct Keys {
    /// String: the id of the live generation.
    pub live: String,
    /// String: the id of the generation that is being made.
    pub building: String,
    /// Hash: id → description, JSON.
    pub generations: String,
    namespace: Namespace,
}

impl Keys {
    pub fn new(namespace: &Namespace) -> Self {
        Self {
            live: format!("{namespace}:live"),
            building: format!("{namespace}:building"),
            generations: format!("{namespace}:generations"),
            namespace: namespace.clone(),
        }
    }

    pub fn of(&self, generation: &GenerationId) -> GenerationKeys {
        GenerationKeys { tag: format!("{{{}:{generation}:0}}", self.namespace) }
    }
}

#[derive(Debug, Clone)]
pub struct GenerationKeys {
    /// Shard 0, the only one so far.
    tag: String,
}

impl GenerationKeys {
    /// String: a position. It exists as long as the generation does.
    pub fn checkpoint(&self) -> String {
        format!("{}:checkpoint", self.tag)
    }

    /// String with an expiry: the worker that makes or heals the generation.
    pub fn builder(&self) -> String {
        format!("{}:builder", self.tag)
    }

    /// String: `<version> <document>`.
    pub fn view(&self, stream: &StreamName) -> String {
        format!("{}:view:{stream}", self.tag)
    }

    /// Hash: field → sum, or text.
    pub fn record(&self, name: &str) -> String {
        format!("{}:record:{name}", self.tag)
    }

    /// Sorted set, all scores 0: read by the bytes of its members.
    pub fn list(&self, index: &str) -> String {
        format!("{}:list:{index}", self.tag)
    }

    /// Stream, capped: what happened to the views lately. `a`: views of streams are at these
    /// versions, as one call wrote them; `s` and `v`: the same of one; `p`: a stream is parked;
    /// `c`: the checkpoint is at a position.
    pub fn updates(&self) -> String {
        format!("{}:updates", self.tag)
    }

    /// String: no position above it is in the views.
    pub fn applied(&self) -> String {
        format!("{}:applied", self.tag)
    }

    /// Hash: stream → why it is parked, JSON.
    pub fn parked(&self) -> String {
        format!("{}:parked", self.tag)
    }

    /// Sorted set, all scores 0: the parked streams, read by the bytes of their names.
    pub fn parked_names(&self) -> String {
        format!("{}:parked-names", self.tag)
    }

    /// Hash: parked stream → highest version of it that was let go.
    pub fn let_go(&self) -> String {
        format!("{}:let-go", self.tag)
    }

    /// String with an expiry: how far the making of the generation is, JSON.
    pub fn progress(&self) -> String {
        format!("{}:progress", self.tag)
    }

    /// String: how many views were repaired from the log.
    pub fn repaired(&self) -> String {
        format!("{}:repaired", self.tag)
    }

    /// Matches every key of the generation.
    pub fn pattern(&self) -> String {
        format!("{}:*", self.tag)
    }
}
