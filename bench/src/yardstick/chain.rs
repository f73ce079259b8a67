//! The raw chain as a whole: orders over HTTP, until they are in the views.

use async_trait::async_trait;

use crate::Result;
use crate::context::Context;
use crate::load::Mix;
use crate::scenario::{Measurement, Scenario, Unit};
use crate::subject::{Paces, Subject};

pub struct Chain {
    name: &'static str,
    clients: usize,
    paces: Paces,
}

pub const CHAIN_256: Chain =
    Chain { name: "raw-chain-256", clients: 256, paces: Paces::MANY_CLIENTS };
pub const CHAIN_64: Chain = Chain { name: "raw-chain-64", clients: 64, paces: Paces::FEW_CLIENTS };

#[async_trait(?Send)]
impl Scenario for Chain {
    fn name(&self) -> &'static str {
        self.name
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let subject = Subject::raw(context, self.paces).await?;
        let plan = subject.plan(Mix::Create, self.clients, context.seconds)?;
        let warm = subject.warm_up(context, &plan).await?;
        let driven = subject.drive(context, &plan).await?;
        subject.check(warm + driven.report.created, driven.report.broken).await?;
        let measurement = driven.measurement();
        subject.end(context).await?;
        Ok(measurement)
    }
}
