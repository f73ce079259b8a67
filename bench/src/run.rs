//! `bench run`: all scenarios and their yardsticks, in turns.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::context::Context;
use crate::results::{Entry, Machine, Results};
use crate::scenario::{self, Measurement, Scenario};
use crate::{Result, compare, plot, table, yardstick};

#[derive(Debug, Args)]
pub struct Run {
    /// How often yardsticks and scenarios take turns
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// How long each load lasts
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Only scenarios whose name contains this, with their yardsticks
    #[arg(long)]
    pub only: Option<String>,
    /// Events that wait where a backlog is measured
    #[arg(long, default_value_t = 200_000)]
    pub backlog: u64,
    /// Where results are written
    #[arg(long, default_value = "target/bench")]
    pub out: PathBuf,
    /// Where the committed result is
    #[arg(long, default_value = "bench/results")]
    pub results: PathBuf,
    /// Replaces the committed result by this one
    #[arg(long)]
    pub commit_result: bool,
}

/// What was measured, by name; `None` for a round that failed.
type Measured = BTreeMap<&'static str, Vec<Option<Measurement>>>;

/// True when every measurement was made, no ratio fell, and no ceiling or bound was missed.
pub fn run(run: &Run) -> Result<bool> {
    until_stopped(measure_all(run))
}

/// Measures to the end, or until Ctrl-C.
pub fn until_stopped(measure_all: impl Future<Output = Result<bool>>) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = measure_all => done,
            _ = tokio::signal::ctrl_c() => Err("stopped".into()),
        }
    })
}

async fn measure_all(run: &Run) -> Result<bool> {
    let wanted = |scenario: &dyn Scenario| {
        run.only.as_ref().is_none_or(|part| scenario.name().contains(part.as_str()))
    };
    let scenarios: Vec<_> =
        scenario::all().into_iter().filter(|scenario| wanted(scenario.as_ref())).collect();
    if scenarios.is_empty() {
        let names: Vec<_> = scenario::all().iter().map(|scenario| scenario.name()).collect();
        return Err(format!("no scenario is called so; there are {}", names.join(", ")).into());
    }
    let date = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let context = Context::start(run.seconds, run.backlog).await?;
    let turns = turns(&scenarios);
    let mut measured = Measured::new();
    for round in 1..=run.rounds {
        println!("round {round} of {}", run.rounds);
        context.maximum.set(None);
        for scenario in &turns {
            let found = measure(scenario.as_ref(), &context).await;
            measured.entry(scenario.name()).or_default().push(found);
        }
    }
    drop(context);
    let entries = turns.iter().filter_map(|scenario| {
        let yardstick =
            scenario.yardstick().map(|name| measured.get(name).map_or(&[][..], |all| all));
        Entry::new(scenario.as_ref(), measured.get(scenario.name())?, yardstick)
    });
    let results = Results {
        date,
        machine: Machine::this(),
        profile: if cfg!(debug_assertions) { "dev" } else { "release" }.to_owned(),
        rounds: run.rounds,
        seconds: run.seconds,
        backlog: run.backlog,
        entries: entries.collect(),
    };
    let complete = measured.values().flatten().all(Option::is_some);
    Ok(report(run, &results, complete)? && complete)
}

/// Each yardstick right before the scenarios that are compared with it.
fn turns(scenarios: &[Box<dyn Scenario>]) -> Vec<Box<dyn Scenario>> {
    let mut yardsticks = yardstick::all();
    let mut turns: Vec<Box<dyn Scenario>> = vec![];
    let all = scenario::all();
    let chosen = all.into_iter().filter(|one| scenarios.iter().any(|it| it.name() == one.name()));
    for scenario in chosen {
        let named = scenario.yardstick();
        if let Some(at) = yardsticks.iter().position(|it| Some(it.name()) == named) {
            turns.push(yardsticks.remove(at));
        }
        turns.push(scenario);
    }
    turns
}

/// `None` where it fails; both are told.
pub async fn measure(scenario: &dyn Scenario, context: &Context) -> Option<Measurement> {
    match scenario.run(context).await {
        Ok(measured) => {
            let (value, unit) = (measured.value, scenario.unit().symbol());
            println!("  {:<14} {value:>12.2} {unit}", scenario.name());
            Some(measured)
        }
        Err(why) => {
            println!("  {:<14} failed: {why}", scenario.name());
            None
        }
    }
}

/// Prints and writes everything; true when no ratio fell and no ceiling or bound was missed.
fn report(run: &Run, results: &Results, complete: bool) -> Result<bool> {
    println!("\n{}", table::render(results));
    std::fs::create_dir_all(&run.out)?;
    let file = run.out.join(format!("{}.json", results.date.replace(':', "")));
    results.write(&file)?;
    std::fs::write(file.with_extension("svg"), plot::render(results))?;
    println!("written to {} (and .svg)", file.display());
    let latest = run.results.join("latest.json");
    let fell = match Results::read(&latest)? {
        _ if results.profile != "release" => {
            println!("a {} build is compared with nothing", results.profile);
            vec![]
        }
        None => {
            println!("{} is not there: compared with nothing", latest.display());
            vec![]
        }
        Some(before) => {
            println!("compared with {} of {}", latest.display(), before.date);
            compare::falls(&before, results)
        }
    };
    for fall in &fell {
        println!("FELL {}: from {:.2} to {:.2} of its yardstick", fall.name, fall.before, fall.now);
    }
    let missed = results.missed();
    for missed in &missed {
        println!("MISSED {missed}, which is not what is asked for");
    }
    // A build for trying things out is as slow as it may be.
    let missed = results.profile == "release" && !missed.is_empty();
    if run.commit_result {
        if !complete || results.profile != "release" || run.only.is_some() {
            return Err("only a complete run of a release build can be committed".into());
        }
        std::fs::create_dir_all(&run.results)?;
        results.write(&latest)?;
        std::fs::write(latest.with_extension("svg"), plot::render(results))?;
        println!("{} is new", latest.display());
    }
    Ok(fell.is_empty() && !missed)
}
