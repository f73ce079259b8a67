//! The clients of a run: each has one connection and one request under way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::connection::Connection;
use super::ids::Ids;
use super::pace::Pace;
use super::report::{Counts, Report};
use super::requests::Request;
use super::{Mix, Plan};
use crate::Result;

/// Before a connection that broke is opened again.
const PAUSE: Duration = Duration::from_millis(10);
/// How long answers are waited for after the end.
const GOODBYE: Duration = Duration::from_secs(15);

/// What all clients share; one thread has them all.
struct Shared {
    ids: Ids,
    /// For reads: how many orders there are to choose from.
    known: Option<u64>,
    orders: Vec<Vec<Request>>,
    pace: Option<Pace>,
    counts: RefCell<Counts>,
    /// Requests that may still be sent.
    left: Cell<u64>,
    end: Instant,
}

pub async fn run(
    plan: &Plan,
    ids: Ids,
    orders: Vec<Vec<Request>>,
    connections: Vec<Connection>,
    end: Instant,
) -> Result<Report> {
    let shared = Rc::new(Shared {
        ids,
        known: (plan.mix == Mix::Get).then_some(plan.known.max(1)),
        orders,
        pace: plan.rate.map(Pace::new),
        counts: RefCell::new(Counts::from_now()),
        left: Cell::new(plan.count.unwrap_or(u64::MAX)),
        end,
    });
    let mut clients = JoinSet::new();
    for connection in connections {
        clients.spawn_local(client(shared.clone(), connection));
    }
    let given_up = match &shared.pace {
        Some(pace) => pace.run(end).await,
        None => 0,
    };
    let rest = end.saturating_duration_since(Instant::now()) + GOODBYE;
    let ended = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(rest, ended).await.is_err() {
        shared.counts.borrow_mut().unanswered += clients.len() as u64;
    }
    let counts = std::mem::take(&mut *shared.counts.borrow_mut());
    Ok(Report { unsent: given_up, ..counts.report() })
}

async fn client(shared: Rc<Shared>, mut connection: Connection) {
    let mut bytes = vec![];
    while shared.may_send() {
        let number = shared.ids.next();
        let order = &shared.orders[number as usize % shared.orders.len()];
        let id = match shared.known {
            // Goes round them in large steps, so that no cache sees the same one soon.
            Some(known) => shared.ids.text(number.wrapping_mul(7_919) % known),
            None => shared.ids.text(number),
        };
        for request in order {
            request.render(&id, &mut bytes);
            if !shared.may_send() || !shared.send(&mut connection, &bytes).await {
                break;
            }
        }
    }
}

impl Shared {
    fn may_send(&self) -> bool {
        self.left.get() > 0 && Instant::now() < self.end
    }

    /// Sends one request when it is due; false when the order's next ones make no sense any more.
    async fn send(&self, connection: &mut Connection, request: &[u8]) -> bool {
        let due = match &self.pace {
            Some(pace) => match pace.next().await {
                Some(due) => due,
                None => return false,
            },
            None => Instant::now(),
        };
        let Some(left) = self.left.get().checked_sub(1) else { return false };
        self.left.set(left);
        let sent = if self.pace.is_some() { Instant::now() } else { due };
        match connection.exchange(request).await {
            Ok(status) => self.counts.borrow_mut().answered(status, due, sent),
            Err(_) => {
                self.counts.borrow_mut().broken += 1;
                tokio::time::sleep(PAUSE).await;
                // Where it cannot be opened, the next request breaks as this one did.
                drop(connection.reopen().await);
                false
            }
        }
    }
}
