//! Open dashboards: each follows all changes, as the page `Now` does, and reads the figures once a second.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt as _;
use tokio::task::JoinSet;
use waybill::client::Client;

use super::Plan;
use super::report::Report;
use crate::Result;
use crate::proc::own_cpu;

const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

pub async fn run(plan: &Plan, limit: Duration) -> Result<Report> {
    let (cpu, started) = (own_cpu()?, Instant::now());
    let bytes = Rc::<Cell<u64>>::default();
    let mut watching = JoinSet::new();
    for _ in 0..plan.clients {
        let client = Client::new(&plan.queries);
        watching.spawn_local(follow(client.clone(), bytes.clone()));
        watching.spawn_local(refresh(client));
    }
    let ended = tokio::time::timeout(limit, watching.join_next()).await;
    if let Ok(Some(ended)) = ended {
        return Err(format!("a dashboard was cut off: {:?}", ended?.err()).into());
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu_seconds = (own_cpu()? - cpu).as_secs_f64();
    Ok(Report { seconds, cpu_seconds, told_bytes: bytes.get(), ..Report::default() })
}

async fn follow(client: Client, bytes: Rc<Cell<u64>>) -> Result<()> {
    let mut answer = client.open(Method::GET, PATH, &[], "").await?.into_body();
    while let Some(frame) = answer.frame().await {
        let length = frame?.data_ref().map_or(0, bytes::Bytes::len);
        bytes.set(bytes.get() + length as u64);
    }
    Err("the stream has ended".into())
}

/// What the page asks for.
const PATH: &str = "/live?max_per_second=100";

async fn refresh(client: Client) -> Result<()> {
    let mut interval = tokio::time::interval(REFRESH_INTERVAL);
    loop {
        interval.tick().await;
        client.get("/stats").await?;
    }
}
