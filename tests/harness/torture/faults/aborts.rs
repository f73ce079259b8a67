//! Processes that die at a named place of the code (`shared/src/service/failpoint.rs`).

use std::time::{Duration, Instant};

use http::Method;
use mongodb::bson::doc;
use rand::RngExt as _;

use super::{Cluster, Faults};
use crate::services::Service;

pub const POINTS: [&str; 23] = [
    "draw.before",
    "draw.after",
    "insert.before",
    "insert.after",
    "publish.before",
    "publish.after",
    "confirm.before",
    "confirm.after",
    "checkpoint.before",
    "checkpoint.after",
    "seal.before",
    "seal.after",
    "script.before",
    "script.after",
    "ack.before",
    "ack.after",
    "advance.before",
    "advance.after",
    "swap.before",
    "swap.after",
    "record.before",
    "record.after",
    "outcome.before",
];

/// Longest wait for the place to be reached: another process may have to lose a lease first.
const REACH_TIMEOUT: Duration = Duration::from_secs(30);

impl Faults {
    /// Restarts all processes that pass the point so that they die there; true when one did.
    pub(super) async fn abort(&mut self, cluster: &mut Cluster, point: &'static str) -> bool {
        let step = point.split('.').next().unwrap_or_default();
        let passes = match step {
            "seal" | "swap" | "record" | "outcome" => 0,
            "checkpoint" | "advance" => self.random.random_range(0..20),
            _ => self.random.random_range(0..60),
        };
        let setting = match passes {
            0 => format!("{point}=return"),
            _ => format!("{point}={passes}*off->return"),
        };
        for service in passing(cluster, step) {
            service.process.kill();
            service.restart_with(&[("FAILPOINTS", &setting)]);
        }
        let started = Instant::now();
        let mut died = false;
        while !died && started.elapsed() < REACH_TIMEOUT {
            provoke(cluster, step).await;
            self.pause(100..200).await;
            died = passing(cluster, step).iter_mut().any(|one| one.process.ended().is_some());
        }
        for service in passing(cluster, step) {
            service.process.kill();
            service.restart();
        }
        died
    }
}

fn passing<'a>(cluster: &'a mut Cluster, step: &str) -> &'a mut [Service] {
    match step {
        "script" | "ack" | "advance" | "swap" | "record" | "outcome" => &mut cluster.projectors,
        _ => &mut cluster.commands,
    }
}

/// Some steps need a reason.
async fn provoke(cluster: &Cluster, step: &str) {
    match step {
        "swap" | "record" | "outcome" => {
            let rebuild = cluster.projectors[0].client.send(Method::POST, "/rebuild", &[], "");
            drop(tokio::time::timeout(Duration::from_secs(1), rebuild).await);
        }
        // Positions that no writer will ever fill.
        "seal" => drop(tokio::time::timeout(Duration::from_secs(1), skip(cluster)).await),
        _ => {}
    }
}

async fn skip(cluster: &Cluster) {
    let control = super::servers::control(cluster).await;
    let on = doc! { "$inc": { "last": 3_i64 } };
    drop(control.update_one(doc! { "_id": "position" }, on).await);
}
