//! The raw chain, and a bare handler that reads its views: from a POST to the GET that shows the order.

use async_trait::async_trait;

use crate::Result;
use crate::context::Context;
use crate::scenario::overload::maximum;
use crate::scenario::visible::measure;
use crate::scenario::{Measurement, Scenario, Unit};
use crate::subject::{Paces, Subject};

pub struct Visible;

#[async_trait(?Send)]
impl Scenario for Visible {
    fn name(&self) -> &'static str {
        "raw-visible"
    }

    fn unit(&self) -> Unit {
        Unit::Milliseconds
    }

    /// At the same rate as Waybill: half of what Waybill can take.
    async fn run(&self, context: &Context) -> Result<Measurement> {
        let rate = maximum(context).await? / 2.0;
        measure(context, Subject::raw(context, Paces::NO_DELAY).await?, rate).await
    }
}
