//! What clients take of something bounded, counted for all of them together and for each: bytes, mostly.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Client;

/// So many bytes may be taken at a time; half of them by one client.
#[derive(Debug)]
pub struct Tally {
    most: usize,
    taken: Mutex<Taken>,
    /// Some of them were given back.
    pub freed: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) all: usize,
    /// Of each client that has any.
    pub(super) clients: HashMap<Client, usize>,
}

impl Taken {
    fn of(&self, client: &Client) -> usize {
        self.clients.get(client).copied().unwrap_or(0)
    }
}

impl Tally {
    /// Nothing of so many is taken.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), freed: Notify::new() })
    }

    pub(super) fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing more of it can be taken for this client.
    pub fn is_full(&self, client: Option<&Client>) -> bool {
        let taken = self.taken();
        let has_half = client.is_some_and(|client| taken.of(client) >= self.most / 2);
        has_half || taken.all >= self.most
    }

    /// Takes them, unless they are too many.
    pub fn try_take(self: &Arc<Self>, bytes: usize, client: Option<&Client>) -> Option<Share> {
        let is_there = self.add(bytes, client);
        is_there.then(|| Share { tally: self.clone(), client: client.cloned(), bytes })
    }

    /// Counts them, unless they are too many.
    fn add(&self, bytes: usize, client: Option<&Client>) -> bool {
        let mut taken = self.taken();
        let has_share = client.is_none_or(|client| taken.of(client) + bytes <= self.most / 2);
        if taken.all + bytes > self.most || !has_share {
            return false;
        }
        taken.all += bytes;
        if let Some(client) = client {
            if let Some(of_client) = taken.clients.get_mut(client) {
                *of_client += bytes;
            } else {
                taken.clients.insert(client.clone(), bytes);
            }
        }
        true
    }
}

/// Some of the bytes, which are given back once this is dropped.
#[derive(Debug)]
pub struct Share {
    tally: Arc<Tally>,
    client: Option<Client>,
    bytes: usize,
}

impl Share {
    /// Takes more, so that it is so many bytes at least, unless they are too many: then it stays as it is.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let is_there = more == 0 || self.tally.add(more, self.client.as_ref());
        if is_there {
            self.bytes += more;
        }
        is_there
    }

    /// Gives back what is more than this.
    pub fn keep(&mut self, bytes: usize) {
        let given_back = self.bytes.saturating_sub(bytes);
        self.bytes -= given_back;
        let mut taken = self.tally.taken();
        taken.all -= given_back;
        if let Some(client) = &self.client
            && let Entry::Occupied(mut of_client) = taken.clients.entry(client.clone())
        {
            *of_client.get_mut() -= given_back;
            if *of_client.get() == 0 {
                of_client.remove();
            }
        }
        drop(taken);
        self.tally.freed.notify_waiters();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.keep(0);
    }
}
