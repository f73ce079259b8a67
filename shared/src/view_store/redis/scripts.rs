//! The scripts that the server runs: each is one atomic step.

use redis::Script;

pub struct Scripts {
    pub apply: Script,
    pub advance: Script,
    pub begin: Script,
    pub promote: Script,
    pub retire: Script,
    pub lease: Script,
    pub park: Script,
    pub let_go: Script,
    pub unpark: Script,
}

impl Scripts {
    pub fn new() -> Self {
        Self {
            apply: Script::new(include_str!("apply.lua")),
            advance: Script::new(include_str!("advance.lua")),
            begin: Script::new(include_str!("begin.lua")),
            promote: Script::new(include_str!("promote.lua")),
            retire: Script::new(include_str!("retire.lua")),
            lease: Script::new(include_str!("lease.lua")),
            park: Script::new(include_str!("park.lua")),
            let_go: Script::new(include_str!("let_go.lua")),
            unpark: Script::new(include_str!("unpark.lua")),
        }
    }
}
