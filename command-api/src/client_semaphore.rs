//! A semaphore that is fair to clients: each has a share of the permits, and however many requests of one
//! client wait, one of them at a time stands in the queue that it shares with others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::http::Client;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

pub struct ClientSemaphore {
    all: Arc<Semaphore>,
    /// Permits that one client may have.
    each: usize,
    clients: Mutex<HashMap<Client, OfClient>>,
}

struct OfClient {
    share: Arc<Semaphore>,
    /// Whose turn it is to stand in the queue of all.
    turn: Arc<Semaphore>,
    /// Requests that have one of its permits, or wait for one.
    requests: usize,
}

/// Is given back once this is dropped.
pub struct Permit {
    _of_all: OwnedSemaphorePermit,
    _of_client: Option<(OwnedSemaphorePermit, Request)>,
}

/// A request of a client, of which nothing is kept behind its last one.
struct Request {
    semaphore: Arc<ClientSemaphore>,
    client: Client,
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut clients = self.semaphore.clients();
        let Some(of_client) = clients.get_mut(&self.client) else { return };
        of_client.requests -= 1;
        if of_client.requests == 0 {
            clients.remove(&self.client);
        }
    }
}

impl ClientSemaphore {
    /// So many permits, of which one client may have `each`.
    pub fn new(all: usize, each: usize) -> Arc<Self> {
        let all = Arc::new(Semaphore::new(all));
        Arc::new(Self { all, each, clients: Mutex::default() })
    }

    /// Waits for a permit. Where it is not known whose the request is, it has no share to keep to.
    pub async fn acquire(
        self: &Arc<Self>,
        client: Option<&Client>,
    ) -> Result<Permit, AcquireError> {
        let Some(client) = client else {
            return Ok(Permit {
                _of_all: self.all.clone().acquire_owned().await?,
                _of_client: None,
            });
        };
        let (request, share, turn) = self.join(client);
        let of_client = (share.acquire_owned().await?, request);
        let turn = turn.acquire_owned().await?;
        let of_all = self.all.clone().acquire_owned().await?;
        drop(turn); // The next request of the client stands behind those of others now.
        Ok(Permit { _of_all: of_all, _of_client: Some(of_client) })
    }

    fn join(self: &Arc<Self>, client: &Client) -> (Request, Arc<Semaphore>, Arc<Semaphore>) {
        let mut clients = self.clients();
        let of_client = clients.entry(client.clone()).or_insert_with(|| OfClient {
            share: Arc::new(Semaphore::new(self.each)),
            turn: Arc::new(Semaphore::new(1)),
            requests: 0,
        });
        of_client.requests += 1;
        let request = Request { semaphore: self.clone(), client: client.clone() };
        (request, of_client.share.clone(), of_client.turn.clone())
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Client, OfClient>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Time stands still until every task waits.
    const MOMENT: Duration = Duration::from_millis(1);

    fn client(name: &str) -> Client {
        Client::Principal(name.to_owned())
    }

    async fn acquire(semaphore: &Arc<ClientSemaphore>, of: &str) -> Option<Permit> {
        let of = client(of);
        tokio::time::timeout(MOMENT, semaphore.acquire(Some(&of))).await.ok()?.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_its_share_at_most_and_nothing_is_kept_of_it_afterwards() {
        let semaphore = ClientSemaphore::new(4, 2);
        let of_a = [acquire(&semaphore, "a").await, acquire(&semaphore, "a").await];
        assert!(of_a.iter().all(Option::is_some));
        assert!(acquire(&semaphore, "a").await.is_none());
        let others = [acquire(&semaphore, "b").await, acquire(&semaphore, "c").await];
        assert!(others.iter().all(Option::is_some));
        assert!(acquire(&semaphore, "d").await.is_none(), "all are taken");
        drop(of_a);
        assert!(acquire(&semaphore, "d").await.is_some());
        drop(others);
        assert!(semaphore.clients().is_empty());
        assert_eq!(semaphore.all.available_permits(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_requests_of_one_client_wait_the_next_is_another_clients() {
        let semaphore = ClientSemaphore::new(2, 2);
        let first = acquire(&semaphore, "x").await;
        let _second = acquire(&semaphore, "x").await;
        let order = Arc::new(Mutex::new(vec![]));
        let mut tasks = vec![];
        for name in ["a", "a", "a", "b"] {
            let (semaphore, order) = (semaphore.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _permit = semaphore.acquire(Some(&client(name))).await.unwrap();
                order.lock().unwrap().push(name);
            }));
            tokio::time::sleep(MOMENT).await;
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["a", "b", "a", "a"]);
    }
}
