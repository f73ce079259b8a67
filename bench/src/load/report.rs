//! What became of the requests.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::stats::percentile_ms;

/// For which accepted requests are counted together, in seconds.
pub const SLOT: f64 = 0.1;

/// Counted while a run is under way.
#[derive(Debug, Default)]
pub struct Counts {
    /// How often which status was answered.
    statuses: BTreeMap<u16, u64>,
    /// Requests whose connection broke.
    pub broken: u64,
    /// Requests that had no answer when the run ended.
    pub unanswered: u64,
    /// When the first request may be sent, where it matters when which were accepted.
    started: Option<Instant>,
    /// Accepted requests in each `SLOT` since then.
    accepted_by_slot: Vec<u64>,
    /// Of answers of any kind, in microseconds from when they were sent.
    slowest: u32,
    /// Of accepted requests, in microseconds: from when they were due, and from when they were sent.
    from_due: Vec<u32>,
    from_sent: Vec<u32>,
    /// Of changes that streams showed, from when their commands were sent.
    until_told: Vec<u32>,
}

fn micros_since(from: Instant) -> u32 {
    u32::try_from(from.elapsed().as_micros()).unwrap_or(u32::MAX)
}

impl Counts {
    /// Tells for each `SLOT` from now on how many were accepted.
    pub fn from_now() -> Self {
        Self { started: Some(Instant::now()), ..Self::default() }
    }

    /// Counts an answer; true when it accepts.
    pub fn answered(&mut self, status: u16, due: Instant, sent: Instant) -> bool {
        *self.statuses.entry(status).or_default() += 1;
        self.slowest = self.slowest.max(micros_since(sent));
        let accepted = (200..300).contains(&status);
        if accepted {
            self.accepted_now();
            self.from_due.push(micros_since(due));
            self.from_sent.push(micros_since(sent));
        }
        accepted
    }

    fn accepted_now(&mut self) {
        let Some(started) = self.started else { return };
        let slot = (started.elapsed().as_secs_f64() / SLOT) as usize;
        if self.accepted_by_slot.len() <= slot {
            self.accepted_by_slot.resize(slot + 1, 0);
        }
        self.accepted_by_slot[slot] += 1;
    }

    /// Counts a change that a stream showed.
    pub fn told(&mut self, sent: Instant) {
        self.until_told.push(micros_since(sent));
    }

    pub fn report(mut self) -> Report {
        self.from_due.sort_unstable();
        self.from_sent.sort_unstable();
        self.until_told.sort_unstable();
        let of = |wanted: fn(u16) -> bool| {
            self.statuses
                .iter()
                .filter(|(status, _)| wanted(**status))
                .map(|(_, count)| count)
                .sum()
        };
        let is_shed = |status| status == 429 || status == 503;
        Report {
            accepted: of(|status| (200..300).contains(&status)),
            created: of(|status| status == 201),
            shed: of(is_shed),
            refused: of(|status| status >= 300 && status != 429 && status != 503),
            broken: self.broken + self.unanswered,
            p50_ms: percentile_ms(&self.from_due, 50),
            p99_ms: percentile_ms(&self.from_due, 99),
            max_ms: percentile_ms(&self.from_due, 100),
            sent_p50_ms: percentile_ms(&self.from_sent, 50),
            sent_p99_ms: percentile_ms(&self.from_sent, 99),
            sent_max_ms: percentile_ms(&self.from_sent, 100),
            slowest_ms: f64::from(self.slowest) / 1_000.0,
            accepted_by_slot: self.accepted_by_slot,
            told: self.until_told.len() as u64,
            told_p50_ms: percentile_ms(&self.until_told, 50),
            told_p99_ms: percentile_ms(&self.until_told, 99),
            told_max_ms: percentile_ms(&self.until_told, 100),
            ..Report::default()
        }
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Report {
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Requests that were answered with success.
    pub accepted: u64,
    /// Of these: 201.
    pub created: u64,
    /// Turned away for now: 429 or 503.
    pub shed: u64,
    /// Any other answer.
    pub refused: u64,
    /// Without an answer.
    pub broken: u64,
    /// Were due, and no connection was free in time.
    pub unsent: u64,
    /// Of accepted requests, from when they were due. (Without a rate a request is due when it is sent.)
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// The same from when they were sent.
    pub sent_p50_ms: f64,
    pub sent_p99_ms: f64,
    pub sent_max_ms: f64,
    /// The slowest answer of any kind, from when it was sent.
    pub slowest_ms: f64,
    /// When the first request was sent, in seconds since 1970, and how many were accepted in each `SLOT`
    /// from then on; nothing where that was not asked for.
    pub started_unix_s: f64,
    pub accepted_by_slot: Vec<u64>,
    /// Changes that streams showed, and changes that a stream should have shown and did not.
    pub told: u64,
    pub missed: u64,
    /// From when a command was sent until a stream showed what it did.
    pub told_p50_ms: f64,
    pub told_p99_ms: f64,
    pub told_max_ms: f64,
    /// Bytes that streams brought.
    pub told_bytes: u64,
    /// CPU time of the load generator.
    pub cpu_seconds: f64,
}

impl Report {
    /// CPU time of the load generator for an accepted request, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.accepted.max(1) as f64
    }

    /// Accepted requests per second.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "accepted  {} in {:.1} s: {:.0} per second ({} created)",
            self.accepted,
            self.seconds,
            self.rate(),
            self.created
        )?;
        writeln!(
            f,
            "not       {} refused, {} shed, {} without an answer, {} not sent",
            self.refused, self.shed, self.broken, self.unsent
        )?;
        writeln!(
            f,
            "latency   p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            self.p50_ms, self.p99_ms, self.max_ms
        )?;
        if self.told_bytes > 0 {
            writeln!(
                f,
                "streams   {} changes told, {} missed, {} MiB; p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
                self.told,
                self.missed,
                self.told_bytes >> 20,
                self.told_p50_ms,
                self.told_p99_ms,
                self.told_max_ms
            )?;
        }
        writeln!(f, "own CPU   {:.1} µs per accepted request", self.cpu_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_what_they_mean() {
        let mut counts = Counts::default();
        let now = Instant::now();
        let accepted = [201, 200, 409, 429, 503, 500].map(|code| counts.answered(code, now, now));
        assert_eq!(accepted, [true, true, false, false, false, false]);
        counts.broken = 1;
        let report = counts.report();
        assert_eq!((report.accepted, report.created, report.shed), (2, 1, 2));
        assert_eq!((report.refused, report.broken), (2, 1));
    }
}
