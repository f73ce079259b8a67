//! How long it takes from a POST until query-api shows the order. A probe asks again and again, a
//! millisecond after each answer, so it notices up to about 2 ms late.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Plan;
use super::connection::{Connection, connect, host};
use super::ids::Ids;
use super::report::{Counts, Report};
use super::requests::{Request, creates, get};
use crate::Result;

/// Between an answer that does not show the order and the next question.
const AGAIN: Duration = Duration::from_millis(1);
/// Between two probes of a client.
const PAUSE: Duration = Duration::from_millis(20);
/// After that an order counts as lost.
const VISIBLE_TIMEOUT: Duration = Duration::from_secs(30);

struct Probe {
    ids: Ids,
    create: Vec<Vec<Request>>,
    get: Request,
    counts: RefCell<Counts>,
    end: Instant,
}

pub async fn run(plan: &Plan, ids: Ids, limit: Duration) -> Result<Report> {
    let commands = connect(&plan.commands, plan.clients).await?;
    let queries = connect(&plan.queries, plan.clients).await?;
    let started = Instant::now();
    let probe = Rc::new(Probe {
        ids,
        create: creates(host(&plan.commands)),
        get: get(host(&plan.queries)),
        counts: RefCell::default(),
        end: started + limit,
    });
    let mut clients = JoinSet::new();
    for (commands, queries) in commands.into_iter().zip(queries) {
        clients.spawn_local(work(probe.clone(), commands, queries));
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    let counts = std::mem::take(&mut *probe.counts.borrow_mut());
    Ok(Report { seconds: started.elapsed().as_secs_f64(), ..counts.report() })
}

async fn work(probe: Rc<Probe>, mut commands: Connection, mut queries: Connection) -> Result<()> {
    let mut bytes = vec![];
    while Instant::now() < probe.end {
        let number = probe.ids.next();
        let id = probe.ids.text(number);
        probe.create[number as usize % probe.create.len()][0].render(&id, &mut bytes);
        let sent = Instant::now();
        let status = commands.exchange(&bytes).await?;
        if status != 201 {
            probe.counts.borrow_mut().answered(status, sent, sent);
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        probe.get.render(&id, &mut bytes);
        while queries.exchange(&bytes).await? != 200 {
            if sent.elapsed() > VISIBLE_TIMEOUT {
                return Err("an order was not visible after 30 s".into());
            }
            tokio::time::sleep(AGAIN).await;
        }
        probe.counts.borrow_mut().answered(201, sent, sent);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
