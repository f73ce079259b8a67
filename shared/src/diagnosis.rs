//! Findings about servers and their settings, for operators.

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::service::clock::Reading;
use crate::service::open_files;

/// What a check of a server, or of this machine, came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `mongodb`, `rabbitmq`, `redis`, `machine`.
    pub subject: &'static str,
    /// The name of the check. Names are stable.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found, in words.
    pub found: String,
    /// How to mend it.
    pub fix: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// To be known; or it can't be told.
    Note,
    /// Works, but may cost data or time later.
    Warning,
    /// Does not work, or loses what it must keep.
    Error,
}

impl Verdict {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Findings about one subject.
#[derive(Debug, Default)]
pub struct Findings {
    subject: &'static str,
    all: Vec<Finding>,
}

/// A clock that is off by more, beyond what the way to the server explains, is told of.
const MAX_SKEW_MS: u64 = 1_000;

impl Findings {
    /// None so far.
    pub fn about(subject: &'static str) -> Self {
        Self { subject, all: vec![] }
    }

    /// All of them, in the order in which they were added.
    pub fn into_all(self) -> Vec<Finding> {
        self.all
    }

    fn add(&mut self, check: &'static str, verdict: Verdict, found: String, fix: Option<&str>) {
        let fix = fix.map(str::to_owned);
        self.all.push(Finding { subject: self.subject, check, verdict, found, fix });
    }

    /// Adds what is as it should be.
    pub fn ok(&mut self, check: &'static str, found: impl ToString) {
        self.add(check, Verdict::Ok, found.to_string(), None);
    }

    /// Adds what should be known.
    pub fn note(&mut self, check: &'static str, found: impl ToString) {
        self.add(check, Verdict::Note, found.to_string(), None);
    }

    /// Adds what may cost data or time later.
    pub fn warning(&mut self, check: &'static str, found: impl ToString, fix: &str) {
        self.add(check, Verdict::Warning, found.to_string(), Some(fix));
    }

    /// Adds what does not work.
    pub fn error(&mut self, check: &'static str, found: impl ToString, fix: &str) {
        self.add(check, Verdict::Error, found.to_string(), Some(fix));
    }

    /// Adds what an operator may not see.
    pub fn untold(&mut self, check: &'static str, why: impl ToString) {
        self.note(check, format!("can't be told: {}", why.to_string()));
    }

    /// Adds the version of a server, of which the tests run on `least`.
    pub fn version(&mut self, told: &str, least: (u32, u32)) {
        let (major, minor) = least;
        match parse_version(told) {
            None => self.untold("version", format!("{told:?} is no version")),
            Some(version) if version >= least => self.ok("version", told),
            Some(_) => self.warning(
                "version",
                format!("{told} is older than {major}.{minor}, on which the tests run"),
                "upgrade the server",
            ),
        }
    }

    /// Adds how far the server's clock is from that of this machine.
    pub fn clock(&mut self, reading: Reading) {
        let (ahead, off) = (reading.ahead_ms() > 0, reading.ahead_ms().unsigned_abs());
        if off <= MAX_SKEW_MS {
            return self.ok("clock", "is that of this machine, to within a second");
        }
        let direction = if ahead { "ahead of" } else { "behind" };
        self.warning(
            "clock",
            format!("at least {off} ms {direction} that of this machine"),
            "synchronise the clocks of all machines (chrony, systemd-timesyncd): times of events \
             and the lag that is told come from them",
        );
    }

    /// Adds how full a disk or a memory is: some bytes of so many are used.
    pub fn room(&mut self, check: &'static str, used: u64, of: u64, fix: &str) {
        let percent = used.saturating_mul(100) / of.max(1);
        let size =
            if of >> 30 < 10 { format!("{} MiB", of >> 20) } else { format!("{} GiB", of >> 30) };
        let found = format!("{percent} % of {size} are used");
        match percent {
            0..85 => self.ok(check, found),
            85..95 => self.warning(check, found, fix),
            _ => self.error(check, found, fix),
        }
    }
}

/// Files and connections that a service should be able to have open: 10,000 connections of clients,
/// and its own.
const OPEN_FILES: u64 = 10_400;

/// What is well and what is not about this machine.
pub fn machine() -> Vec<Finding> {
    open_files::raise(); // As a service does at its start.
    let mut findings = Findings::about("machine");
    match open_files::limit() {
        Some(limit) if (limit as u64) < OPEN_FILES => findings.warning(
            "open-files",
            format!("a process started like this one may have {limit} files and connections open"),
            "raise the hard limit (`ulimit -Hn`, LimitNOFILE= of systemd) to 65536: a service takes fewer \
             clients otherwise",
        ),
        Some(limit) => findings.ok("open-files", format!("up to {limit}")),
        None => findings.ok("open-files", "without a limit"),
    }
    findings.into_all()
}

/// Makes these checks beside the work of a service, until `stop`, and logs what has to be mended and how.
pub fn log_findings(
    checks: impl Future<Output = Vec<Finding>> + Send + 'static,
    stop: &CancellationToken,
) {
    let stop = stop.clone();
    tokio::spawn(async move {
        let findings = stop.run_until_cancelled(checks).await.unwrap_or_default();
        for Finding { subject, check, verdict, found, fix } in findings {
            let fix = fix.unwrap_or_default();
            match verdict {
                Verdict::Error => tracing::error!(subject, check, fix, "{found}"),
                Verdict::Warning => tracing::warn!(subject, check, fix, "{found}"),
                Verdict::Ok | Verdict::Note => {}
            }
        }
    });
}

/// The first two numbers of a version.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    fn verdict(add: impl FnOnce(&mut Findings)) -> Verdict {
        let mut findings = Findings::about("test");
        add(&mut findings);
        let all = findings.into_all();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].fix.is_some(), all[0].verdict > Verdict::Note, "{all:?}");
        all[0].verdict
    }

    #[test]
    fn a_version_is_compared_by_its_first_two_numbers() {
        for (told, expected) in [
            ("3.10.8", Verdict::Ok),
            ("4.0", Verdict::Ok),
            ("3.9.27", Verdict::Warning),
            ("2.100.0-rc1", Verdict::Warning),
            ("4", Verdict::Note),
            ("", Verdict::Note),
        ] {
            assert_eq!(verdict(|it| it.version(told, (3, 10))), expected, "{told}");
        }
    }

    #[test]
    fn a_clock_is_off_only_by_what_the_way_does_not_explain() {
        for (asked, server, answered, expected) in [
            (10_000, 10_900, 10_001, Verdict::Ok),
            (10_000, 15_000, 16_000, Verdict::Ok),
            (10_000, 12_000, 10_500, Verdict::Warning),
            (10_000, 8_000, 10_500, Verdict::Warning),
        ] {
            let [asked, server, answered] = [asked, server, answered].map(Timestamp::from_millis);
            let reading = Reading { asked, server, answered };
            assert_eq!(verdict(|it| it.clock(reading)), expected, "{reading:?}");
        }
    }

    #[test]
    fn what_is_nearly_full_is_told() {
        for (used, expected) in [(0, Verdict::Ok), (90, Verdict::Warning), (99, Verdict::Error)] {
            assert_eq!(verdict(|it| it.room("disk", used, 100, "delete")), expected);
        }
        assert_eq!(verdict(|it| it.room("disk", 0, 0, "delete")), Verdict::Ok);
    }
}
