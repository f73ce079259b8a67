//! A load of many clients, as `waybill load` makes it.

use tokio_util::sync::CancellationToken;
use waybill::client::Client;
use waybill::load::{Plan, Report};

/// So many commands of 32 clients, as fast as they are answered.
pub fn plan(commands: usize) -> Plan {
    let stop = CancellationToken::new();
    Plan { commands, rate: 0, clients: 32, seed: Some(rand::random()), stop }
}

/// Sends the commands of a plan, and checks that each of them was accepted.
pub async fn drive(plan: &Plan, client: &Client) {
    let report = plan.drive(client, plan.seed.expect("a seed")).await.expect("answers");
    all_accepted(&report, plan.commands);
}

fn all_accepted(report: &Report, commands: usize) {
    assert_eq!((report.acknowledged, report.refused.len()), (commands, 0), "{:?}", report.refused);
}
