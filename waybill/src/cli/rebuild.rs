//! `waybill rebuild`.

use std::time::{Duration, Instant};

use clap::Args;
use kernel::Failure;
use serde_json::json;

use super::answer;
use super::services::Projector;
use crate::client::{BearerToken, Client};
use crate::outcome::{self, Outcome};
use crate::output::{Format, text};
use crate::progress;

pub const HELP: &str = "\
Examples:
  # Make new views, and wait until they are live
  waybill rebuild

  # Start it and look later
  waybill rebuild --no-wait
  waybill top
  curl -s http://127.0.0.1:8082/generations | jq '.items[].progress'

Queries are answered from the old views until the new ones have caught up. Ctrl-C ends the
waiting, not the rebuild.";

/// Between two looks at a generation in the making.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Ends as soon as the rebuild is begun
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    projector: Projector,
}

struct Live {
    commits: u64,
    took: Duration,
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let (projector, mut output) = (self.projector.client(token), self.format.output());
        let answer = projector.post("/rebuild", &[], "").await?;
        if !answer.status.is_success() {
            return answer::refused(&answer, &mut output);
        }
        let id = text(&answer.json()?["id"]);
        if !output.is_json() {
            output.line(format_args!("Making generation {id} beside the live one."))?;
        }
        let live = match self.no_wait {
            true => None,
            false => Some(until_live(&projector, &id).await?),
        };
        match (&live, output.is_json()) {
            (live, true) => output.document(&json!({
                "generation": id,
                "live": live.is_some(),
                "seconds": live.as_ref().map(|live| live.took.as_secs_f64()),
                "position": live.as_ref().map(|live| live.commits),
            }))?,
            (Some(Live { commits, took }), false) => output
                .line(format_args!("live after {:.1} s, {commits} commits", took.as_secs_f64()))?,
            (None, false) => {}
        }
        Ok(Outcome::Well)
    }
}

async fn until_live(projector: &Client, id: &str) -> kernel::Result<Live> {
    let (started, bar) = (Instant::now(), progress::bar(0));
    loop {
        let all = projector.get("/generations").await?;
        let mut items = all["items"].as_array().into_iter().flatten();
        let gone =
            || Failure::permanent("rebuilding", "the generation is gone: was Redis flushed?");
        let ours = items.find(|one| one["id"] == id).ok_or_else(gone)?;
        let commits = ours["checkpoint"].as_u64().unwrap_or(0);
        bar.set_length(all["head"].as_u64().unwrap_or(0));
        bar.set_position(commits);
        if ours["progress"]["outrun"] == true {
            bar.set_message("the log grows faster than it is read");
        }
        if ours["live"] == true {
            bar.finish_and_clear();
            return Ok(Live { commits, took: started.elapsed() });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
