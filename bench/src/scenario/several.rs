//! More services of each kind on the same machine.

use async_trait::async_trait;

use super::turns::{TURNS, Turns};
use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::Mix;
use crate::subject::Subject;

const COMMANDS: usize = 2;
const PROJECTORS: usize = 4;

/// Orders per second of two command-apis and four projectors, as a share of those of one and one. They have the
/// same processors, so there is nothing to gain: it tells what it costs that they share the work.
pub struct Several;

#[async_trait(?Send)]
impl Scenario for Several {
    fn name(&self) -> &'static str {
        "several"
    }

    fn unit(&self) -> Unit {
        Unit::Share
    }

    fn bar(&self) -> Option<f64> {
        Some(0.85)
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let (mut one, mut several) = (Turns::default(), Turns::default());
        let mut measurement = Measurement::default();
        for turn in TURNS {
            let (commands, projectors) = if turn { (COMMANDS, PROJECTORS) } else { (1, 1) };
            let subject = Subject::of_several(context, commands, projectors).await?;
            let plan = subject.plan(Mix::Create, 256, context.seconds)?;
            let warm = subject.warm_up(context, &plan).await?;
            let driven = subject.drive(context, &plan).await?;
            let unsure = driven.report.broken + driven.report.refused + driven.report.shed;
            subject.check(warm + driven.report.created, unsure).await?;
            if turn {
                several.add(&driven);
                measurement = subject.peaks(measurement)?;
            } else {
                one.add(&driven);
            }
            subject.end(context).await?;
        }
        Ok(Measurement {
            value: several.rate() / one.rate(),
            cpu: several.cpu_micros(),
            ..measurement
        }
        .with("one_per_s", one.rate())
        .with("several_per_s", several.rate())
        .with("one_cpu_us", one.cpu_micros().values().sum())
        .with("one_p99_ms", one.p99_ms)
        .with("several_p99_ms", several.p99_ms))
    }
}
