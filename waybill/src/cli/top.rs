//! `waybill top`.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use shared::service::shutdown;

use super::services::All;
use crate::client::BearerToken;
use crate::outcome::{self, Outcome};
use crate::output::Format;
use crate::top::{Sampler, screen};

pub const HELP: &str = "\
Examples:
  # Until `q` is pressed
  waybill top

  # Several processes of a kind
  waybill top --projector http://10.0.0.7:8082 --projector http://10.0.0.8:8082

  # One look, for people or for programs; rates are of the second between two looks
  waybill top --once
  waybill top --json | jq .views.behind

  # Wait until the views have caught up
  until [ \"$(waybill top --json | jq .views.behind)\" = 0 ]; do sleep 1; done

All figures come from the services, by HTTP. What cannot be told is left out, with the reason. The
exit code of a single look is 1 when a service is not ready.";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Seconds between two looks
    #[arg(long, default_value_t = 1, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    interval: u64,
    /// Prints one look and ends, as it does with --json, or where standard output is no terminal
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    services: All,
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let Self { interval, once, format, services } = self;
        let interval = Duration::from_secs(interval);
        let all =
            (services.command_apis(token), services.query_apis(token), services.projectors(token));
        let mut sampler = Sampler::new(all.0, all.1, all.2);
        let stop = shutdown::on_signal();
        if !once && !format.json && std::io::stdout().is_terminal() {
            screen::show(sampler, interval, stop).await?;
            return Ok(Outcome::Well);
        }
        let look = async {
            sampler.until_open().await;
            sampler.sample().await;
            tokio::time::sleep(interval).await;
            sampler.sample().await
        };
        let Some(sample) = stop.run_until_cancelled(look).await else {
            return Ok(Outcome::Stopped);
        };
        let mut output = format.output();
        match output.is_json() {
            true => output.document(&sample)?,
            false => screen::print(&sample, &mut output)?,
        }
        Ok(Outcome::well_if(sample.is_ready()))
    }
}
