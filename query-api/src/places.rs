//! Places for questions whose answers may be large: few of them are answered at a time, and each client
//! has its share of these.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use kernel::Failure;
use kernel::query::{Error, Views};
use kernel::views::{Answers, Batch, Read};
use shared::http::{Client, LISTS, REFUSED};
use shared::view_store::GenerationViews;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// Such questions that are answered at a time. Each holds some MiB: a page, what was read for it last, and
/// the answer.
const AT_A_TIME: usize = 24;
/// Of these, questions of one client: others find a place beside them.
const OF_ONE: usize = AT_A_TIME / 2;
/// For how long a question waits for its place.
const WAIT: Duration = Duration::from_secs(10);
/// Clients that are remembered before those are dropped that have no question any more.
const CLIENTS: usize = 1_000;

pub struct Places {
    all: Arc<Semaphore>,
    clients: Mutex<Clients>,
}

/// The places of each client, as long as it has a question.
struct Clients {
    places: HashMap<Client, Weak<Semaphore>>,
    /// How many there may be until they are looked through again.
    most: usize,
}

/// It is free again once this is dropped.
struct Place {
    _of_client: Option<OwnedSemaphorePermit>,
    _of_all: OwnedSemaphorePermit,
}

impl Default for Places {
    fn default() -> Self {
        let clients = Clients { places: HashMap::new(), most: CLIENTS };
        Self { all: Arc::new(Semaphore::new(AT_A_TIME)), clients: Mutex::new(clients) }
    }
}

impl Clients {
    fn of(&mut self, client: &Client) -> Arc<Semaphore> {
        if let Some(places) = self.places.get(client).and_then(Weak::upgrade) {
            return places;
        }
        if self.places.len() >= self.most {
            self.places.retain(|_, places| places.strong_count() > 0);
            self.most = CLIENTS.max(2 * self.places.len());
        }
        let places = Arc::new(Semaphore::new(OF_ONE));
        self.places.insert(client.clone(), Arc::downgrade(&places));
        places
    }
}

impl Places {
    /// Waits a while for a place; none when there is none by then. All have theirs in the order in which
    /// they came; of one client no more than its share wait among the others.
    async fn take(&self, client: Option<&Client>) -> Option<Place> {
        let of_client = client
            .map(|client| self.clients.lock().unwrap_or_else(PoisonError::into_inner).of(client));
        let found = async {
            let of_client = match of_client {
                Some(places) => Some(places.acquire_owned().await.ok()?),
                None => None,
            };
            let of_all = self.all.clone().acquire_owned().await.ok()?;
            Some(Place { _of_client: of_client, _of_all: of_all })
        };
        tokio::time::timeout(WAIT, found).await.ok().flatten()
    }
}

/// The views for one question. Before its first read that may return much it waits for a place, which it
/// keeps until this is dropped.
pub struct PlacedViews<'a> {
    views: &'a GenerationViews<'a>,
    places: &'a Places,
    client: Option<&'a Client>,
    place: OnceCell<Place>,
    found_none: AtomicBool,
}

impl<'a> PlacedViews<'a> {
    pub fn new(
        views: &'a GenerationViews<'a>,
        places: &'a Places,
        client: Option<&'a Client>,
    ) -> Self {
        Self { views, places, client, place: OnceCell::new(), found_none: AtomicBool::new(false) }
    }

    /// Whether the question found no place, and so has no answer.
    pub fn found_none(&self) -> bool {
        self.found_none.load(Ordering::Relaxed)
    }

    async fn take_place(&self) -> Result<Place, Error> {
        let found = self.places.take(self.client).await;
        found.ok_or_else(|| {
            self.found_none.store(true, Ordering::Relaxed);
            REFUSED.add_to(LISTS, 1);
            Error::Failure(Failure::transient("reading views", "there is no place"))
        })
    }
}

#[async_trait]
impl Views for PlacedViews<'_> {
    async fn read(&self, batch: &Batch) -> Result<Answers, Error> {
        if batch.reads().iter().any(may_be_large) {
            self.place.get_or_try_init(|| self.take_place()).await?;
        }
        self.views.read(batch).await
    }
}

/// Whether it may return more than one thing that has a size of its own.
fn may_be_large(read: &Read) -> bool {
    match read {
        Read::Views(streams) => streams.len() > 1,
        Read::Records(names) => names.len() > 1,
        Read::List(list) => list.limit > 1,
        Read::Versions(_) | Read::Parked(_) | Read::FieldCounts(_) | Read::Count(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_kept_of_clients_whose_questions_were_answered() {
        let places = Places::default();
        let client = |number: usize| Client::Principal(number.to_string());
        let held = places.take(Some(&client(0))).await;
        for number in 1..5 * CLIENTS {
            assert!(places.take(Some(&client(number))).await.is_some());
        }
        let clients = places.clients.lock().unwrap();
        assert!(clients.places.len() <= CLIENTS, "{}", clients.places.len());
        assert!(held.is_some() && clients.places.contains_key(&client(0)), "it has one");
    }
}
