//! What a run found, as it is written to a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::scenario::{Measurement, Scenario, Unit};
use crate::stats::Spread;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// When the run began, in UTC.
    pub date: String,
    pub machine: Machine,
    /// `release`, or `dev` where nothing means anything but that it works.
    pub profile: String,
    pub rounds: usize,
    pub seconds: f64,
    pub backlog: u64,
    /// Scenarios and yardsticks in the order in which they ran.
    pub entries: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub cores: usize,
    #[serde(default)]
    pub memory_gib: f64,
    pub processor: String,
    pub kernel: String,
}

/// One scenario or yardstick, over all rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    pub unit: Unit,
    pub yardstick: Option<String>,
    pub bar: Option<f64>,
    /// The greatest value that meets what is asked for.
    #[serde(default)]
    pub ceiling: Option<f64>,
    /// The greatest values of `more` that meet it.
    #[serde(default)]
    pub bounds: BTreeMap<String, f64>,
    pub value: Spread,
    /// To the yardstick of the same round; more is better.
    pub ratio: Option<Spread>,
    /// Median microseconds of CPU per command, by process.
    pub cpu: BTreeMap<String, f64>,
    /// Medians of what else was seen.
    pub more: BTreeMap<String, f64>,
    pub rounds: Vec<Measurement>,
}

impl Machine {
    pub fn this() -> Self {
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let processor = info.lines().find_map(|line| line.strip_prefix("model name"));
        let processor = processor.and_then(|line| line.split_once(':')).map(|(_, name)| name);
        let memory = read("/proc/meminfo");
        let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = memory.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        Self {
            memory_gib: kib.unwrap_or(0.0) / f64::from(1 << 20),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: processor.unwrap_or("unknown").trim().to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

impl Entry {
    /// `None` without any measurement. The yardstick's are those of the same rounds.
    pub fn new(
        scenario: &dyn Scenario,
        rounds: &[Option<Measurement>],
        yardstick: Option<&[Option<Measurement>]>,
    ) -> Option<Self> {
        let ratios = rounds.iter().enumerate().filter_map(|(round, measured)| {
            let yardstick = yardstick.map(|all| all.get(round)?.as_ref());
            let yardstick = match yardstick {
                Some(None) => return None,
                Some(Some(measured)) => Some(measured.value),
                None => None,
            };
            scenario.unit().ratio(measured.as_ref()?.value, yardstick)
        });
        let ratio = Spread::of(ratios);
        let rounds: Vec<Measurement> = rounds.iter().flatten().cloned().collect();
        Some(Self {
            name: scenario.name().to_owned(),
            unit: scenario.unit(),
            yardstick: scenario.yardstick().map(str::to_owned),
            bar: scenario.bar(),
            ceiling: scenario.ceiling(),
            bounds: scenario.bounds().iter().map(|(of, most)| ((*of).to_owned(), *most)).collect(),
            value: Spread::of(rounds.iter().map(|one| one.value))?,
            ratio,
            cpu: medians(&rounds, |one| &one.cpu),
            more: medians(&rounds, |one| &one.more),
            rounds,
        })
    }

    /// Whether the median is above what is asked for.
    pub fn exceeds(&self) -> bool {
        self.ceiling.is_some_and(|ceiling| self.value.median > ceiling)
    }

    /// What is above what is asked for, or was not seen at all.
    pub fn missed(&self) -> Vec<String> {
        let (median, unit) = (self.value.median, self.unit.symbol());
        let own = self.exceeds().then(|| format!("{}: {median:.2} {unit}", self.name));
        let more = self.bounds.iter().filter_map(|(of, most)| match self.more.get(of) {
            Some(found) if found <= most => None,
            Some(found) => Some(format!("{}: {of} {found:.2}", self.name)),
            None => Some(format!("{}: no {of}", self.name)),
        });
        own.into_iter().chain(more).collect()
    }

    /// CPU of all processes together.
    pub fn cpu_sum(&self) -> f64 {
        self.cpu.values().sum()
    }
}

fn medians(
    rounds: &[Measurement],
    of: impl Fn(&Measurement) -> &BTreeMap<String, f64>,
) -> BTreeMap<String, f64> {
    let names: BTreeSet<&String> = rounds.iter().flat_map(|one| of(one).keys()).collect();
    let median = |name: &String| {
        let values = rounds.iter().filter_map(|one| of(one).get(name).copied());
        Some((name.clone(), Spread::of(values)?.median))
    };
    names.into_iter().filter_map(median).collect()
}

impl Results {
    /// What does not meet the ceilings and bounds of its scenario.
    pub fn missed(&self) -> Vec<String> {
        self.entries.iter().flat_map(Entry::missed).collect()
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// `None` where there is no such file.
    pub fn read(file: &Path) -> Result<Option<Self>> {
        match std::fs::read(file) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", file.display()).into()),
        }
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        Ok(std::fs::write(file, json)?)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An entry with this ratio in all rounds.
    pub fn entry(name: &str, ratio: Option<f64>) -> Entry {
        let spread = |value| Spread { median: value, min: value, max: value };
        Entry {
            name: name.to_owned(),
            unit: Unit::PerSecond,
            yardstick: ratio.map(|_| "raw".to_owned()),
            bar: Some(0.8),
            ceiling: None,
            bounds: BTreeMap::new(),
            value: spread(1_000.0),
            ratio: ratio.map(spread),
            cpu: BTreeMap::from([("mongod".to_owned(), 10.0), ("load".to_owned(), 5.0)]),
            more: BTreeMap::new(),
            rounds: vec![],
        }
    }

    pub fn results(entries: Vec<Entry>) -> Results {
        let machine = Machine::this();
        let (date, profile) = ("2026-11-25T00:00:00Z".to_owned(), "release".to_owned());
        Results { date, machine, profile, rounds: 5, seconds: 10.0, backlog: 1, entries }
    }

    #[test]
    fn a_ratio_is_to_the_yardstick_of_the_same_round() {
        let measured = |value| Some(Measurement::new(value, BTreeMap::new()));
        let scenarios = crate::scenario::all();
        let scenario = scenarios[0].as_ref();
        let rounds = [measured(5.0), None, measured(8.0), measured(9.0)];
        let yardstick = [measured(10.0), measured(1.0), measured(10.0), None];
        let entry = Entry::new(scenario, &rounds, Some(&yardstick)).unwrap();
        assert_eq!(entry.ratio.unwrap(), Spread { median: 0.65, min: 0.5, max: 0.8 });
        assert_eq!(entry.value.median, 8.0);
        assert!(Entry::new(scenario, &[None], Some(&yardstick)).is_none());
    }

    #[test]
    fn a_bound_that_is_missed_fails_the_run() {
        let with = |name: &str, found: &[(&str, f64)]| {
            let of = |pairs: &[(&str, f64)]| -> BTreeMap<String, f64> {
                pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
            };
            let bounds = of(&[("slowest_ms", 10.0), ("recovery_s", 5.0)]);
            Entry { bounds, more: of(found), ..entry(name, None) }
        };
        let found = results(vec![
            with("met", &[("slowest_ms", 10.0), ("recovery_s", 0.5)]),
            with("slow", &[("slowest_ms", 10.5), ("recovery_s", 0.5)]),
            with("lost", &[("slowest_ms", 1.0), ("recovery_s", 20.0)]),
            with("none", &[("slowest_ms", 1.0)]),
        ]);
        let missed = ["slow: slowest_ms 10.50", "lost: recovery_s 20.00", "none: no recovery_s"];
        assert_eq!(found.missed(), missed);
    }

    #[test]
    fn results_survive_a_file() {
        let file = std::env::temp_dir().join(format!("waybill-bench-{}", std::process::id()));
        results(vec![entry("a", Some(0.5))]).write(&file).unwrap();
        let read = Results::read(&file).unwrap().unwrap();
        assert_eq!(read.entry("a").unwrap().ratio.unwrap().median, 0.5);
        std::fs::remove_file(&file).unwrap();
        assert!(Results::read(&file).unwrap().is_none());
    }
}
