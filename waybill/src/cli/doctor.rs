//! `waybill doctor`.

use clap::Args;

use crate::outcome;
use crate::output::Format;

pub const HELP: &str = "\
Examples:
  # In the environment of a service, which tells where the servers are
  docker compose exec projector waybill doctor

  # From a checkout: the clients of the servers are compiled on demand
  export WAYBILL_MONGODB_URL='mongodb://127.0.0.1:27017/?replicaSet=rs0'
  export WAYBILL_RABBITMQ_URL='amqp://guest:guest@127.0.0.1:5672/%2f'
  export WAYBILL_REDIS_URL='redis://127.0.0.1:6379/'
  cargo run --release --features servers -- doctor

  # What is to be mended, for programs
  waybill doctor --json | jq '.findings[] | select(.verdict == \"error\")'

Exit codes:
  0  all is well
  1  something is to be mended
  2  it can't run: no server is named, or a variable is wrong

Only servers are checked of which the variable is set. Nothing is changed on them, but for a queue
of its own on RabbitMQ, which is removed again.";

/// It is configured by the variables of the services.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    format: Format,
}

impl Arguments {
    #[cfg(feature = "servers")]
    pub async fn run(self) -> outcome::Result {
        crate::doctor::run(&mut self.format.output()).await
    }

    #[cfg(not(feature = "servers"))]
    pub async fn run(self) -> outcome::Result {
        let Self { format: _ } = self;
        let why = "this build holds no clients of the servers; from a checkout run\n  \
                   cargo run --release --features servers -- doctor";
        Err(outcome::Error::Usage(why.to_owned()))
    }
}
