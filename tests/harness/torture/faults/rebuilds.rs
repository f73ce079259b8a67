//! New views while much is to be done, or much can't be.

use std::time::Duration;

use futures::FutureExt as _;
use lapin::Connection;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use super::plant::plant;
use super::{Cluster, Do, Faults};
use crate::comes;
use crate::torture::NAMESPACE;

pub const FAULTS: &[(&str, Do)] = &[
    ("rebuild under a backlog", |faults, cluster| faults.rebuild_behind(cluster).boxed()),
    ("rebuild with 300 poisoned streams", |faults, cluster| {
        faults.rebuild_poisoned(cluster).boxed()
    }),
];

/// Orders that are written while no projector runs.
const BACKLOG: usize = 2_000;

/// Streams that are poisoned at a time: a projector parks up to 100 within a minute.
const PORTION: usize = 75;
const PORTIONS: usize = 4;

/// For one step of a rebuild.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);

impl Faults {
    async fn rebuild_behind(&mut self, cluster: &mut Cluster) {
        cluster.projectors.iter().for_each(|projector| projector.process.signal("STOP"));
        plant(cluster, BACKLOG, false).await;
        self.pause(500..3_000).await;
        cluster.projectors.iter().for_each(|projector| projector.process.signal("CONT"));
        self.rebuild(cluster, "under a backlog").await;
    }

    /// The streams stay poisoned: later rebuilds meet them too.
    async fn rebuild_poisoned(&mut self, cluster: &mut Cluster) {
        let shared = cluster.shared.clone();
        let poisoned = || shared.known.lock().unwrap().parked.len();
        while poisoned() < PORTION * PORTIONS {
            restart_projectors(cluster);
            plant(cluster, PORTION, true).await;
            let parked =
                || async { cluster.parked().await.filter(|parked| parked.len() >= poisoned()) };
            if comes(STEP_TIMEOUT, parked).await.is_none() {
                let told = format!("not all of {} poisoned streams are parked", poisoned());
                return self.violations.push(told);
            }
        }
        restart_projectors(cluster);
        self.rebuild(cluster, "with poisoned streams").await;
    }

    /// Asks for new views until they are begun; every worker must serve them before long.
    async fn rebuild(&mut self, cluster: &Cluster, how: &str) {
        let begun = comes(STEP_TIMEOUT, || begin(cluster)).await;
        let Some(wanted) = begun else {
            return self.violations.push(format!("a rebuild {how} did not begin"));
        };
        let served = || async {
            let consumers = consumers(cluster, &wanted).await?;
            (live(cluster).await? == wanted && consumers == cluster.projectors.len()).then_some(())
        };
        if comes(STEP_TIMEOUT, served).await.is_none() {
            let (live, consumers) = (live(cluster).await, consumers(cluster, &wanted).await);
            self.violations.push(format!(
                "a rebuild {how}: {wanted} is not served by all {} projectors: {live:?} is live, \
                 {consumers:?} consume the queue of the new views",
                cluster.projectors.len()
            ));
        }
    }
}

/// Each may park another 100 streams then.
fn restart_projectors(cluster: &mut Cluster) {
    for projector in &mut cluster.projectors {
        projector.process.kill();
        projector.restart();
    }
}

/// The id of the new views; nothing while others are being made, or something is away.
async fn begin(cluster: &Cluster) -> Option<String> {
    let answer = cluster.projectors[0].client.post("/rebuild", &[], "").await.ok()?;
    let begun = answer.status.is_success().then(|| answer.json().ok()).flatten()?;
    Some(begun["id"].as_str()?.to_owned())
}

async fn live(cluster: &Cluster) -> Option<String> {
    let all = cluster.projectors[0].client.get("/generations").await.ok()?;
    let live = all["items"].as_array()?.iter().find(|one| one["live"] == true)?;
    Some(live["id"].as_str()?.to_owned())
}

/// Workers that take events from the queue of these views, as the broker knows.
async fn consumers(cluster: &Cluster, generation: &str) -> Option<usize> {
    let url = cluster.servers.rabbitmq.url();
    let connection = Connection::connect(&url, Default::default()).await.ok()?;
    let channel = connection.create_channel().await.ok()?;
    let queue = format!("{NAMESPACE}.views.{generation}");
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
    let consumers = found.ok().and_then(|queue| usize::try_from(queue.consumer_count()).ok());
    drop(connection.close(200, "".into()).await);
    consumers
}
