//! `bench peers`: Waybill beside other software that carries out the same order commands, under the same
//! load, with the same durability, in turns. bench/peers/README.md says what is the same and what is not.

mod cqrs_es;
mod emmett;
mod measure;
mod outcome;
mod table;
mod versions;

use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use xtask::servers::Folder;

use self::cqrs_es::CqrsEs;
use self::emmett::Emmett;
use self::measure::{Peer, Software};
use self::outcome::{Flow, Measured, Outcome};
use crate::Result;
use crate::context::Context;
use crate::load::Mix;
use crate::run::{measure, until_stopped};
use crate::scenario::{self, Scenario};

#[derive(Debug, Args)]
pub struct Peers {
    /// How often Waybill and its peers take turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each load lasts
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Only flows whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Where results are written
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// The program of the peer on cqrs-es
    #[arg(long, default_value = "target/peers/cqrs-es/release/cqrs-es-peer")]
    cqrs_es: PathBuf,
    /// Connections that it keeps to PostgreSQL
    #[arg(long, default_value_t = 16)]
    cqrs_es_connections: u32,
    /// The folder of the peer on Emmett, with its packages
    #[arg(long, default_value = "target/peers/emmett")]
    emmett: PathBuf,
    /// Its processes
    #[arg(long, default_value_t = 1)]
    emmett_processes: u32,
    /// Connections that each of them keeps to MongoDB
    #[arg(long, default_value_t = 16)]
    emmett_connections: u32,
}

/// What is sent to each: its name is that of Waybill's scenario.
const FLOWS: [(&str, Mix); 2] = [("create-256", Mix::Create), ("mixed-256", Mix::Mixed)];
const CLIENTS: usize = 256;

/// True when every measurement was made.
pub fn run(peers: &Peers) -> Result<bool> {
    until_stopped(measure_all(peers))
}

async fn measure_all(peers: &Peers) -> Result<bool> {
    let date = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let context = Context::start(peers.seconds, 0).await?;
    let folder = Folder::new()?;
    let software = software(peers, &context, &folder).await?;
    let wanted = |name: &str| peers.only.as_deref().is_none_or(|part| name.contains(part));
    let flows: Vec<_> = FLOWS.into_iter().filter(|(name, _)| wanted(name)).collect();
    if flows.is_empty() {
        return Err("no flow is called so; there are create-256 and mixed-256".into());
    }
    let turns: Vec<(&str, Vec<Box<dyn Scenario>>)> =
        flows.into_iter().map(|(name, mix)| (name, turns(name, mix, &software))).collect();
    let mut measured = Measured::new();
    for round in 1..=peers.rounds {
        println!("round {round} of {}", peers.rounds);
        for scenario in turns.iter().flat_map(|(_, scenarios)| scenarios) {
            let found = measure(scenario.as_ref(), &context).await;
            measured.entry(scenario.name()).or_default().push(found);
        }
    }
    drop(context);
    let flows = turns.iter().filter_map(|(name, turns)| Flow::new(name, turns, &measured));
    let outcome = Outcome::new(date, peers, flows.collect());
    report(peers, &outcome)?;
    Ok(measured.values().flatten().all(Option::is_some))
}

async fn software(
    peers: &Peers,
    context: &Context,
    folder: &Folder,
) -> Result<[Rc<dyn Software>; 2]> {
    let cqrs_es = CqrsEs::start(&peers.cqrs_es, peers.cqrs_es_connections, folder)?;
    let emmett =
        Emmett::new(&peers.emmett, peers.emmett_processes, peers.emmett_connections, context)
            .await?;
    Ok([Rc::new(cqrs_es), Rc::new(emmett)])
}

/// Waybill's scenario and its peers', in the order in which they run.
fn turns(name: &str, mix: Mix, software: &[Rc<dyn Software>]) -> Vec<Box<dyn Scenario>> {
    let waybill = scenario::all().into_iter().filter(|scenario| scenario.name() == name);
    let peers = software.iter().map(|one| -> Box<dyn Scenario> {
        Box::new(Peer { software: one.clone(), mix, clients: CLIENTS })
    });
    waybill.chain(peers).collect()
}

/// Prints and writes everything.
fn report(peers: &Peers, outcome: &Outcome) -> Result<()> {
    println!("\n{}\n{}", table::text(outcome), table::markdown(outcome));
    std::fs::create_dir_all(&peers.out)?;
    let file = peers.out.join(format!("peers-{}.json", outcome.date.replace(':', "")));
    let mut json = serde_json::to_string_pretty(outcome)?;
    json.push('\n');
    std::fs::write(&file, json)?;
    std::fs::write(file.with_extension("md"), table::markdown(outcome))?;
    println!("written to {} (and .md)", file.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flow_is_a_scenario_of_waybill() {
        for (name, mix) in FLOWS {
            assert_eq!(turns(name, mix, &[]).len(), 1, "{name}");
        }
    }
}
