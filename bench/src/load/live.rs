//! Streams of live changes beside the mixed flow. Each stream follows a customer, and has to show every
//! version of the customer's orders, by itself or with a later one.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::task::JoinSet;
use waybill::client::Client;
use waybill::live::{Live, News};

use super::connection::{Connection, connect};
use super::ids::{Ids, LENGTH};
use super::pace::Pace;
use super::report::{Counts, Report};
use super::requests::{Request, prepare};
use super::{Mix, Plan};
use crate::Result;
use crate::proc::own_cpu;

/// Connections that send commands.
const SENDERS: usize = 64;
/// Streams that are opened at a time: a listener keeps some more that wait to be accepted.
const AT_A_TIME: usize = 100;
/// How long what was not shown when the load ended is waited for, and between two looks at it.
const GOODBYE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// An order that was sent: when each of its commands was.
struct Sent {
    customer: Rc<str>,
    commands: Vec<Instant>,
}

#[derive(Default)]
struct Shared {
    sent: RefCell<HashMap<String, Sent>>,
    counts: RefCell<Counts>,
    bytes: Cell<u64>,
}

/// What a stream has shown: the version of each order.
struct Stream {
    customer: Rc<str>,
    shown: RefCell<HashMap<String, usize>>,
}

/// What is read of an event.
#[derive(Deserialize)]
struct View<'a> {
    stream: &'a str,
    version: usize,
}

pub async fn run(plan: &Plan, ids: Ids, seed: u64, limit: Duration) -> Result<Report> {
    let orders = prepare(plan, seed);
    let customers = orders.iter().filter_map(|order| order.first()?.customer());
    let customers: Vec<Rc<str>> = customers.map(Rc::from).collect();
    let shared = Rc::new(Shared::default());
    let mut followers = JoinSet::new();
    let mut followed = customers.clone();
    if plan.mix == Mix::Live {
        let mut seen = HashSet::new();
        followed.retain(|customer| seen.insert(customer.clone()));
    }
    let streams = open(plan, &followed, &shared, &mut followers).await?;
    let senders = connect(&plan.commands, SENDERS).await?;
    let (cpu, started) = (own_cpu()?, Instant::now());
    let pace = Rc::new(Pace::new(plan.rate.unwrap_or(1_000.0)));
    let (orders, ids) = (Rc::new(orders), Rc::new(ids));
    let mut sending = JoinSet::new();
    for connection in senders {
        let sender = Sender {
            ids: ids.clone(),
            orders: orders.clone(),
            customers: customers.clone(),
            pace: pace.clone(),
            shared: shared.clone(),
        };
        sending.spawn_local(sender.run(connection));
    }
    let unsent = pace.run(started + limit).await;
    while let Some(done) = sending.join_next().await {
        done??;
    }
    let (seconds, end) = (started.elapsed().as_secs_f64(), Instant::now() + GOODBYE);
    while missed(&shared, &streams) > 0 && Instant::now() < end && followers.len() == streams.len()
    {
        tokio::time::sleep(LOOK).await;
    }
    while let Some(ended) = followers.try_join_next() {
        ended??;
    }
    let missed = missed(&shared, &streams);
    let counts = std::mem::take(&mut *shared.counts.borrow_mut());
    let (told_bytes, cpu) = (shared.bytes.get(), own_cpu()? - cpu);
    let cpu_seconds = cpu.as_secs_f64();
    Ok(Report { seconds, unsent, missed, told_bytes, cpu_seconds, ..counts.report() })
}

async fn open(
    plan: &Plan,
    customers: &[Rc<str>],
    shared: &Rc<Shared>,
    followers: &mut JoinSet<Result<()>>,
) -> Result<Vec<Rc<Stream>>> {
    let client = Client::new(&plan.queries);
    let mut streams = vec![];
    while streams.len() < plan.clients {
        let more = (streams.len()..plan.clients).take(AT_A_TIME).map(async |number| -> Result<_> {
            let customer = customers[number % customers.len()].clone();
            let path = format!("/live?customer_id={customer}");
            let mut live = Live::new(client.clone(), path, None);
            match live.next().await? {
                News::Open { .. } => Ok((customer, live)),
                other => Err(format!("a stream was not opened: {other:?}").into()),
            }
        });
        for (customer, live) in futures::future::try_join_all(more).await? {
            let stream = Rc::new(Stream { customer, shown: RefCell::default() });
            followers.spawn_local(follow(shared.clone(), stream.clone(), live));
            streams.push(stream);
        }
    }
    Ok(streams)
}

/// Notes what a stream shows. It has to stay open.
async fn follow(shared: Rc<Shared>, stream: Rc<Stream>, mut live: Live) -> Result<()> {
    loop {
        let event = match live.next().await? {
            News::Event(event) => event,
            News::Open { .. } => continue,
            News::Cut(why) => return Err(format!("a stream was cut off: {why}").into()),
        };
        shared.bytes.set(shared.bytes.get() + event.data.len() as u64);
        match event.name.as_str() {
            "view" => {}
            "reset" => return Err(format!("a stream has to begin anew: {}", event.data).into()),
            _ => continue,
        }
        let view: View<'_> = serde_json::from_str(&event.data)?;
        let id = view.stream.split_once('-').map_or(view.stream, |(_, id)| id);
        let sent = shared.sent.borrow();
        let Some(order) = sent.get(id) else { continue };
        let mut shown = stream.shown.borrow_mut();
        let before = shown.entry(id.to_owned()).or_default();
        let mut counts = shared.counts.borrow_mut();
        let new = order.commands.iter().take(view.version).skip(*before);
        new.for_each(|sent| counts.told(*sent));
        *before = view.version.max(*before);
    }
}

/// Versions that streams should have shown and did not.
fn missed(shared: &Shared, streams: &[Rc<Stream>]) -> u64 {
    let sent = shared.sent.borrow();
    let mut of_customer: HashMap<&str, Vec<(&String, usize)>> = HashMap::new();
    for (id, order) in &*sent {
        of_customer.entry(&order.customer).or_default().push((id, order.commands.len()));
    }
    let missed = streams.iter().map(|stream| {
        let shown = stream.shown.borrow();
        let orders = of_customer.get(&*stream.customer).into_iter().flatten();
        let behind = |(id, versions): &(&String, usize)| {
            versions.saturating_sub(shown.get(*id).copied().unwrap_or_default()) as u64
        };
        orders.map(behind).sum::<u64>()
    });
    missed.sum()
}

struct Sender {
    ids: Rc<Ids>,
    orders: Rc<Vec<Vec<Request>>>,
    customers: Vec<Rc<str>>,
    pace: Rc<Pace>,
    shared: Rc<Shared>,
}

impl Sender {
    async fn run(self, mut connection: Connection) -> Result<()> {
        let mut bytes = vec![];
        loop {
            let number = self.ids.next();
            let at = number as usize % self.orders.len();
            let id = self.ids.text(number);
            for request in &self.orders[at] {
                request.render(&id, &mut bytes);
                let Some(due) = self.pace.next().await else { return Ok(()) };
                if !self.send(&mut connection, &id, &self.customers[at], due, &bytes).await? {
                    break;
                }
            }
        }
    }

    /// False when the command was not accepted. Whatever was accepted has to be shown.
    async fn send(
        &self,
        connection: &mut Connection,
        id: &[u8; LENGTH],
        customer: &Rc<str>,
        due: Instant,
        bytes: &[u8],
    ) -> Result<bool> {
        let (id, now) = (String::from_utf8_lossy(id).into_owned(), Instant::now());
        let new = || Sent { customer: customer.clone(), commands: vec![] };
        self.shared.sent.borrow_mut().entry(id.clone()).or_insert_with(new).commands.push(now);
        let status = connection.exchange(bytes).await?;
        let accepted = self.shared.counts.borrow_mut().answered(status, due, now);
        if !accepted && let Some(order) = self.shared.sent.borrow_mut().get_mut(&id) {
            order.commands.pop();
        }
        Ok(accepted)
    }
}
