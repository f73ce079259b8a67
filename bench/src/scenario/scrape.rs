//! What Prometheus costs: the same load with and without a scrape of every service each second.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::Method;
use waybill::client::Client;

use super::turns::{TURNS, Turns};
use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::proc::Cpu;
use crate::subject::Subject;

/// As often as the shortest interval that operators use.
const INTERVAL: Duration = Duration::from_secs(1);
const CLIENTS: usize = 64;
/// Scrapes of all services, one after another, whose CPU time is taken: enough for the kernel's ticks of 10 ms.
const MEASURED: u32 = 300;

pub struct Scrape;

#[async_trait(?Send)]
impl Scenario for Scrape {
    fn name(&self) -> &'static str {
        "scrape"
    }

    fn unit(&self) -> Unit {
        Unit::Share
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let subject = Subject::waybill(context, &[]).await?;
        let plan = subject.plan(Mix::Create, CLIENTS, context.seconds / 2.0)?;
        let mut created = subject.warm_up(context, &plan).await?;
        let (mut plain, mut scraped) = (Turns::default(), Turns::default());
        let mut scrapes = Scrapes::default();
        for (turn, with_scrapes) in TURNS.into_iter().enumerate() {
            let plan = Plan { seed: Some(turn as u64 + 1), ..plan.clone() };
            if !with_scrapes {
                plain.add(&subject.drive(context, &plan).await?);
            } else {
                let clients = subject.clients();
                let driven = tokio::select! {
                    driven = subject.drive(context, &plan) => driven?,
                    broken = scrapes.go_on(&clients) => return Err(broken),
                };
                scraped.add(&driven);
            }
        }
        let percent = cpu_percent(&subject).await?;
        created += plain.created + scraped.created;
        subject.check(created, plain.unsure + scraped.unsure).await?;
        let measurement = Measurement::new(scraped.rate() / plain.rate(), Default::default())
            .with("without_per_s", plain.rate())
            .with("with_per_s", scraped.rate())
            .with("without_p99_ms", plain.p99_ms)
            .with("with_p99_ms", scraped.p99_ms)
            .with("cpu_percent", percent)
            .with("scrapes", scrapes.count as f64)
            .with("scrape_mean_ms", scrapes.mean_ms())
            .with("scrape_max_ms", scrapes.max.as_secs_f64() * 1e3)
            .with("scrape_kib", scrapes.max_bytes as f64 / 1024.0);
        subject.end(context).await?;
        Ok(measurement)
    }
}

/// What scrapes took, of all services together.
#[derive(Default)]
struct Scrapes {
    count: u32,
    total: Duration,
    max: Duration,
    max_bytes: usize,
}

impl Scrapes {
    /// Each second, until it is dropped; ends with what went wrong.
    async fn go_on(&mut self, clients: &[Client]) -> Box<dyn std::error::Error + Send + Sync> {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            if let Err(broken) = self.once(clients).await {
                return broken;
            }
        }
    }

    /// All services, one after another.
    async fn once(&mut self, clients: &[Client]) -> Result<()> {
        for client in clients {
            let began = Instant::now();
            let answer = client.send(Method::GET, "/metrics", &[], "").await?;
            if !answer.status.is_success() {
                return Err(format!("a scrape was answered {}", answer.status).into());
            }
            let took = began.elapsed();
            self.count += 1;
            self.total += took;
            self.max = self.max.max(took);
            self.max_bytes = self.max_bytes.max(answer.body.len());
        }
        Ok(())
    }

    fn mean_ms(&self) -> f64 {
        self.total.as_secs_f64() * 1e3 / f64::from(self.count.max(1))
    }
}

/// The share of the machine that one scrape of all services per second takes of them, in percent: what they use
/// for it while nothing else is asked of them.
async fn cpu_percent(subject: &Subject) -> Result<f64> {
    let (clients, groups) = (subject.clients(), subject.own_groups());
    let (before, mut scrapes) = (Cpu::of(&groups)?.total(), Scrapes::default());
    for _ in 0..MEASURED {
        scrapes.once(&clients).await?;
    }
    let used = Cpu::of(&groups)?.total().saturating_sub(before) / MEASURED;
    let machine = INTERVAL.as_secs_f64() * std::thread::available_parallelism()?.get() as f64;
    Ok(100.0 * used.as_secs_f64() / machine)
}
