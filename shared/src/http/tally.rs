//! Bytes that are counted, of all clients together and of each.

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
pub struct Taken {
    pub all: usize,
    /// Of each client that has any.
    pub clients: HashMap<Client, usize>,
}

impl Tally {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), freed: Notify::new() })
    }

    pub fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes them, unless they are too many.
    pub fn try_take(self: &Arc<Self>, bytes: usize, client: Option<&Client>) -> Option<Share> {
        let mut taken = self.taken();
        let of_client = client.and_then(|client| taken.clients.get(client)).copied().unwrap_or(0);
        let has_share = client.is_none() || of_client + bytes <= self.most / 2;
        if taken.all + bytes > self.most || !has_share {
            return None;
        }
        taken.all += bytes;
        if let Some(client) = client {
            taken.clients.insert(client.clone(), of_client + bytes);
        }
        drop(taken);
        Some(Share { tally: self.clone(), client: client.cloned(), bytes })
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
