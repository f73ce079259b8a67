//! Whose what a client takes of a service is counted.

use std::convert::Infallible;
use std::net::IpAddr;

use warp::Filter;

use super::serve::address;
use crate::auth::Caller;
use crate::auth::principal::caller;

/// Those of whom what they take of a service is counted together.
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

/// Who sent the request; none where it came by no connection.
pub fn client() -> impl Filter<Extract = (Option<Client>,), Error = Infallible> + Clone {
    let of = |caller: Caller, address: Option<IpAddr>| Client::of(&caller, address);
    caller().and(address()).map(of)
}
