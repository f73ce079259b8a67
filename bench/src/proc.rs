//! What the kernel tells of processes in `/proc`: their CPU time and the most memory they had.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Result;

/// The fields of `/proc/<pid>/stat` that are used
/// (<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    group: u32,
    /// Clock ticks of all threads, of those that ended too, and of children that were waited for.
    ticks: u64,
}

impl Stat {
    /// The name of the program is in parentheses, and may hold any character itself.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // The first field here is the third of the file.
        let field = |number: usize| fields.get(number - 3);
        let ticks = |number| field(number)?.parse::<u64>().ok();
        Some(Self {
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            ticks: ticks(14)? + ticks(15)? + ticks(16)? + ticks(17)?,
        })
    }
}

/// CPU time of process groups, by the name of what each of them is; several of one name together.
#[derive(Debug, Clone, Default)]
pub struct Cpu(BTreeMap<String, Duration>);

impl Cpu {
    /// Of groups with these ids, each with all processes in it, and with the children of its leader:
    /// those of PostgreSQL are groups of their own.
    pub fn of(groups: &[(&'static str, u32)]) -> Result<Self> {
        let stats: Vec<Stat> = std::fs::read_dir("/proc")?
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok())
            .filter_map(|text| Stat::parse(&text))
            .collect();
        let mut all: BTreeMap<String, Duration> = BTreeMap::new();
        for (name, id) in groups {
            let belongs = |stat: &&Stat| stat.group == *id || stat.parent == *id;
            let ticks = stats.iter().filter(belongs).map(|stat| stat.ticks).sum();
            *all.entry((*name).to_owned()).or_default() += time(ticks);
        }
        Ok(Self(all))
    }

    /// What each used since `before`, in microseconds for each of `commands`.
    pub fn per_command(&self, before: &Self, commands: u64) -> BTreeMap<String, f64> {
        let micros = |used: Duration| used.as_secs_f64() * 1e6 / commands.max(1) as f64;
        self.since(before).map(|(name, used)| (name.to_owned(), micros(used))).collect()
    }

    /// What each used since `before`.
    pub fn since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (&'a str, Duration)> {
        self.0.iter().map(|(name, used)| {
            let used_before = before.0.get(name).copied().unwrap_or_default();
            (name.as_str(), used.saturating_sub(used_before))
        })
    }

    pub fn total(&self) -> Duration {
        self.0.values().sum()
    }
}

fn time(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// CPU time of this process.
pub fn own_cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let stat = Stat::parse(&text).ok_or("/proc/self/stat cannot be read")?;
    Ok(time(stat.ticks))
}

/// The most memory that a process had at a time, in MiB.
pub fn peak_mib(id: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let kib = parse_peak(&text).ok_or("the status of a process has no VmHWM")?;
    Ok(kib as f64 / 1_024.0)
}

fn parse_peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "71 (a) b (c)) S 1 70 70 0 -1 4194304 120 9 0 0 500 250 30 20 20 0 7 0 99";

    #[test]
    fn a_name_may_hold_parentheses_and_spaces() {
        assert_eq!(Stat::parse(STAT), Some(Stat { parent: 1, group: 70, ticks: 800 }));
        for broken in ["", "71 (a", "71 (a) S 1 70", "71 (a) S 1 x 70 0 -1 0 1 9 0 0 5 2 3 2"] {
            assert_eq!(Stat::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_peak_is_read_in_kib() {
        assert_eq!(parse_peak("Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12_345));
        assert_eq!(parse_peak("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_is_found_by_its_group() {
        let id = std::process::id();
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        let group = Stat::parse(&own).unwrap().group;
        let cpu = Cpu::of(&[("this", group), ("none", u32::MAX)]).unwrap();
        assert!(cpu.0["this"] >= Duration::ZERO && cpu.0["none"] == Duration::ZERO);
        assert!(peak_mib(id).unwrap() > 0.0);
    }
}
