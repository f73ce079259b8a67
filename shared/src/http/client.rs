//! Whose what a client takes of a service is counted.

use std::net::IpAddr;

use crate::auth::Caller;

/// Those whose streams of events, and whose answers that are not taken yet, are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// The principal of this name.
    Principal(String),
    /// Where it is not known who a client is: all that come from this address.
    Address(IpAddr),
}

impl Client {
    /// Who sent a request; none where it came by no connection.
    pub fn of(caller: &Caller, address: Option<IpAddr>) -> Option<Self> {
        match caller.actor() {
            Some(name) => Some(Self::Principal(name.to_owned())),
            None => address.map(Self::Address),
        }
    }
}
