use kernel::log::StreamName;
use kernel::log::Version;

use super::{Call, layout};
use crate::view_store;
use crate::view_store::redis::keys::GenerationKeys;

layout! {
    /// Moves the checkpoint when every stream of a page has reached its version, or is parked. Returns
    /// {-1} moved, {-2} no such generation, {-3, checkpoint} it stands somewhere else, else the indices
    /// (from 0) of the views that are behind.
    Advance("advance.lua"): keys checkpoint, parked, updates, let_go; arguments from, to;
}

impl Advance<'_> {
    /// Behind the layout: the view of each stream; its name and version.
    pub fn call_for(self, keys: &GenerationKeys, reached: &[(&StreamName, Version)]) -> Call {
        let mut call = self.call();
        for (stream, version) in reached {
            call.key(keys.view(stream));
            call.text(stream.as_str());
            call.number(*version);
        }
        call
    }

    /// What the script returned.
    pub fn outcome(codes: &[i64]) -> view_store::Advance {
        match codes {
            [-1] => view_store::Advance::Moved,
            [-2] => view_store::Advance::NoGeneration,
            [-3, position] => view_store::Advance::Elsewhere(*position),
            behind => view_store::Advance::Behind(
                behind.iter().filter_map(|&index| usize::try_from(index).ok()).collect(),
            ),
        }
    }
}
