//! New views from the whole log, beside the live ones.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::proc::Cpu;
use crate::subject::Subject;

const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Longest filling of the log and longest rebuild, in seconds.
const TIMEOUT_SECONDS: f64 = 300.0;

pub struct Rebuild;

#[async_trait(?Send)]
impl Scenario for Rebuild {
    fn name(&self) -> &'static str {
        "rebuild"
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    fn yardstick(&self) -> Option<&'static str> {
        Some("raw-apply")
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let subject = Subject::waybill(context, &[]).await?;
        let plan = subject.plan(Mix::Create, 256, TIMEOUT_SECONDS)?;
        let filled = context.load(&Plan { count: Some(context.backlog), ..plan }).await?;
        subject.lag().catch_up().await?;
        context.quiet().await?;
        let groups = subject.groups(context);
        let (before, started) = (Cpu::of(&groups)?, Instant::now());
        rebuild(&subject).await?;
        let took = started.elapsed();
        let cpu = Cpu::of(&groups)?.per_command(&before, filled.accepted);
        subject.check(filled.created, filled.broken).await?;
        let rate = filled.accepted as f64 / took.as_secs_f64();
        let measurement = subject.peaks(Measurement::new(rate, cpu))?;
        subject.end(context).await?;
        Ok(measurement)
    }
}

/// Asks for a rebuild and waits until its views are live.
async fn rebuild(subject: &Subject) -> Result<()> {
    let client = &subject.projector()?.client;
    let asked = client.post("/rebuild", &[], "").await?;
    let id = asked.json()?["id"].clone();
    if !asked.status.is_success() || id.is_null() {
        return Err(format!("a rebuild was answered {}", asked.status).into());
    }
    let started = Instant::now();
    loop {
        let told = client.get("/generations").await?;
        let items = told["items"].as_array().cloned().unwrap_or_default();
        if items.iter().any(|item| item["id"] == id && item["live"] == true) {
            return Ok(());
        }
        if started.elapsed().as_secs_f64() > TIMEOUT_SECONDS {
            return Err(format!("a rebuild does not end: {told}").into());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
