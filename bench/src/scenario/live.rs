//! Streams of live changes, and open dashboards.

use std::time::Duration;

use async_trait::async_trait;

use super::turns::{TURNS, Turns};
use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::proc::Cpu;
use crate::subject::Subject;

/// Streams of one query-api, and commands a second beside them.
const STREAMS: usize = 2_000;
const RATE: f64 = 1_000.0;

const DASHBOARDS: usize = 20;

/// From a POST until the change is shown on a stream, of 2,000.
pub struct Live {
    name: &'static str,
    mix: Mix,
    ceiling: Option<f64>,
}

/// Each customer has as many streams as every other.
pub const LIVE: Live = Live { name: "live", mix: Mix::Live, ceiling: Some(60.0) };
/// Most streams follow the few customers who order most: each command is told to many.
pub const CROWD: Live = Live { name: "live-crowd", mix: Mix::Crowd, ceiling: None };

#[async_trait(?Send)]
impl Scenario for Live {
    fn name(&self) -> &'static str {
        self.name
    }

    fn unit(&self) -> Unit {
        Unit::Milliseconds
    }

    fn ceiling(&self) -> Option<f64> {
        self.ceiling
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let subject = Subject::waybill(context, &[]).await?;
        let plan = subject.plan(self.mix, STREAMS, context.seconds)?;
        let plan = Plan { rate: Some(RATE), ..plan };
        let groups = subject.groups(context);
        let before = Cpu::of(&groups)?;
        let report = context.load(&plan).await?;
        let mut cpu = Cpu::of(&groups)?.per_command(&before, report.accepted);
        cpu.insert("load".to_owned(), report.cpu_seconds * 1e6 / report.accepted.max(1) as f64);
        if report.missed > 0 {
            return Err(format!("streams missed {} changes", report.missed).into());
        }
        subject.check(report.created, report.broken).await?;
        let measurement = Measurement::new(report.told_p99_ms, cpu)
            .with("p50_ms", report.told_p50_ms)
            .with("max_ms", report.told_max_ms)
            .with("told", report.told as f64)
            .with("told_mib", report.told_bytes as f64 / f64::from(1 << 20))
            .with("commands_per_s", report.rate());
        let measurement = subject.peaks(measurement)?;
        subject.end(context).await?;
        Ok(measurement)
    }
}

/// Orders per second from 256 clients beside 20 open dashboards, as a share of those without any.
pub struct Dashboards;

#[async_trait(?Send)]
impl Scenario for Dashboards {
    fn name(&self) -> &'static str {
        "dashboards"
    }

    fn unit(&self) -> Unit {
        Unit::Share
    }

    fn bar(&self) -> Option<f64> {
        Some(0.95)
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let subject = Subject::waybill(context, &[]).await?;
        let plan = subject.plan(Mix::Create, 256, context.seconds / 2.0)?;
        let watch = subject.plan(Mix::Watch, DASHBOARDS, context.seconds / 2.0)?;
        let mut created = subject.warm_up(context, &plan).await?;
        let (mut plain, mut watched) = (Turns::default(), Turns::default());
        let (mut told_bytes, mut watching) = (0, Duration::ZERO);
        for turn in TURNS.into_iter().cycle().take(2 * TURNS.len()) {
            if turn {
                let both = tokio::join!(context.load(&watch), subject.drive(context, &plan));
                let (report, driven) = (both.0?, both.1?);
                watched.add(&driven);
                told_bytes += report.told_bytes;
                watching += Duration::from_secs_f64(report.cpu_seconds);
            } else {
                plain.add(&subject.drive(context, &plan).await?);
            }
        }
        created += plain.created + watched.created;
        subject.check(created, plain.unsure + watched.unsure).await?;
        let measurement = Measurement::new(watched.rate() / plain.rate(), watched.cpu_micros())
            .with("without_per_s", plain.rate())
            .with("with_per_s", watched.rate())
            .with("without_p99_ms", plain.p99_ms)
            .with("with_p99_ms", watched.p99_ms)
            .with("without_cpu_us", plain.cpu_micros().values().sum())
            .with("told_mib_per_s", told_bytes as f64 / f64::from(1 << 20) / watched.seconds)
            .with("watching_cpu_percent", 100.0 * watching.as_secs_f64() / watched.seconds);
        let measurement = subject.peaks(measurement)?;
        subject.end(context).await?;
        Ok(measurement)
    }
}
