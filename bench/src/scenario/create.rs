//! Clients that send one command after another: new orders alone, and orders through their lives.

use async_trait::async_trait;

use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::Mix;
use crate::subject::Subject;

pub struct Create {
    name: &'static str,
    mix: Mix,
    clients: usize,
    yardstick: &'static str,
}

pub const CREATE_256: Create =
    Create { name: "create-256", mix: Mix::Create, clients: 256, yardstick: "raw-chain-256" };
pub const CREATE_64: Create =
    Create { name: "create-64", mix: Mix::Create, clients: 64, yardstick: "raw-chain-64" };
pub const MIXED_256: Create =
    Create { name: "mixed-256", mix: Mix::Mixed, clients: 256, yardstick: "raw-chain-256" };

#[async_trait(?Send)]
impl Scenario for Create {
    fn name(&self) -> &'static str {
        self.name
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    fn yardstick(&self) -> Option<&'static str> {
        Some(self.yardstick)
    }

    fn bar(&self) -> Option<f64> {
        Some(0.8)
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let subject = Subject::waybill(context, &[]).await?;
        let plan = subject.plan(self.mix, self.clients, context.seconds)?;
        let warm = subject.warm_up(context, &plan).await?;
        let driven = subject.drive(context, &plan).await?;
        subject.check(warm + driven.report.created, driven.report.broken).await?;
        if self.name == CREATE_256.name {
            context.maximum.set(Some(driven.report.rate()));
        }
        let measurement = subject.peaks(driven.measurement())?;
        subject.end(context).await?;
        Ok(measurement)
    }
}
