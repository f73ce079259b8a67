//! Who may do what, on all services, embedded and as processes of their own.

mod access;
mod anonymous;
mod jwt;
mod keys_by_url;
mod owners;
mod rates;
mod rotation;
mod security_headers;
mod session;
mod sign_ins;

use tests::embedded::Embedded;
use tests::services::System;
use waybill::client::Client;

/// The three services, asked without a token.
pub struct Three {
    pub commands: Client,
    pub queries: Client,
    pub operations: Client,
}

impl From<&Embedded> for Three {
    fn from(system: &Embedded) -> Self {
        let (commands, queries) = (system.commands.clone(), system.queries.clone());
        Self { commands, queries, operations: system.operations.clone() }
    }
}

impl From<&System> for Three {
    fn from(system: &System) -> Self {
        let commands = system.commands[0].client.clone();
        let operations = system.projectors[0].client.clone();
        Self { commands, queries: system.queries.client.clone(), operations }
    }
}
