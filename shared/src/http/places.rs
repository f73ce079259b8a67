//! Places for connections: how many may be open at a time, in all and from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::rate::caller;
use super::{Limits, ListenerOptions, refused};

pub struct Places {
    usual: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    all: usize,
    addresses: Option<Addresses>,
}

/// Open connections of each address that has any, and how many each may have.
#[derive(Clone)]
struct Addresses {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// It is free again once this is dropped.
pub struct Place {
    pub is_spare: bool,
    _permit: OwnedSemaphorePermit,
    _address: Option<Address>,
}

struct Address {
    addresses: Addresses,
    address: IpAddr,
}

impl Places {
    pub fn new(limits: &Limits, options: &ListenerOptions) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let all = limits.connections + limits.spare;
        let most = options.connections_per_address;
        let addresses = most.map(|most| Addresses { open: Arc::default(), most });
        Self {
            usual: semaphore(limits.connections),
            spare: semaphore(limits.spare),
            all,
            addresses,
        }
    }

    /// A spare one when all others are taken; none when those are, too, or when the address has all
    /// that it may have. The error is the reason.
    pub fn take(&self, address: IpAddr) -> Result<Place, &'static str> {
        let address = match &self.addresses {
            Some(addresses) => Some(addresses.take(address)?),
            None => None,
        };
        let take = |places: &Arc<Semaphore>| places.clone().try_acquire_owned();
        let (is_spare, permit) = match take(&self.usual) {
            Ok(permit) => (false, permit),
            Err(_) => (true, take(&self.spare).map_err(|_| refused::CONNECTIONS)?),
        };
        Ok(Place { is_spare, _permit: permit, _address: address })
    }

    pub fn taken(&self) -> usize {
        self.all - self.usual.available_permits() - self.spare.available_permits()
    }
}

impl Addresses {
    fn take(&self, address: IpAddr) -> Result<Address, &'static str> {
        let address = caller(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return Err(refused::CONNECTIONS_PER_ADDRESS);
        }
        *count += 1;
        Ok(Address { addresses: self.clone(), address })
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
