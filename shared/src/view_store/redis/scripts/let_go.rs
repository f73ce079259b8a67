use kernel::log::{StreamName, Version};

use super::{Call, layout};

layout! {
    /// Notes up to which version events of parked streams were let go. Returns for each stream 1, or 0
    /// where it is not parked.
    LetGo("let_go.lua"): keys parked, let_go;
}

impl LetGo {
    /// Behind the layout: stream and version, again and again.
    pub fn call(self, events: &[(&StreamName, Version)]) -> Call {
        let mut call = self.fixed();
        for (stream, version) in events {
            call.text(stream.as_str());
            call.number(*version);
        }
        call
    }
}
