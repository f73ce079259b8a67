//! `waybill asyncapi`.

use clap::Args;
use kernel::Namespace;
use kernel::aggregate::Aggregate as _;
use orders::OrderAggregate;
use serde_json::Value;
use shared::messaging::asyncapi;

use crate::outcome::{self, Outcome};
use crate::output::Format;
use crate::yaml;

pub const HELP: &str = "\
Examples:
  # As the repository has it
  waybill asyncapi > docs/asyncapi.yaml

  # Of a system with another namespace, for programs
  waybill asyncapi --namespace staging --json | jq .channels";

#[derive(Debug, Args)]
pub struct Arguments {
    /// The `WAYBILL_NAMESPACE` of the system, which the exchange is called by
    #[arg(long, value_name = "NAME", default_value = "waybill", value_parser = Namespace::parse)]
    namespace: Namespace,
    #[command(flatten)]
    format: Format,
}

impl Arguments {
    pub fn run(self) -> outcome::Result {
        let document = document(&self.namespace);
        let mut output = self.format.output();
        match output.is_json() {
            true => output.document(&document)?,
            false => output.line(yaml::write(&document).trim_end())?,
        }
        Ok(Outcome::Well)
    }
}

/// What `/asyncapi.json` of such a system says.
fn document(namespace: &Namespace) -> Value {
    let events = OrderAggregate::contract().events;
    asyncapi::document(namespace, OrderAggregate::CATEGORY, &events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_the_repository_is_the_one_that_is_printed() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/asyncapi.yaml");
        let kept = std::fs::read_to_string(path).expect("docs/asyncapi.yaml");
        let printed = yaml::write(&document(&Namespace::default()));
        assert_eq!(kept, printed, "write it with: waybill asyncapi > docs/asyncapi.yaml");
    }
}
