//! The same load with something beside it and without, in turns on the same services: what else the machine does
//! meanwhile, and what becomes slower as the log grows, counts the same for both.

use std::collections::BTreeMap;

use crate::subject::Driven;

/// Whether there is something beside each load.
pub const TURNS: [bool; 4] = [false, true, true, false];

/// Loads of one kind.
#[derive(Default)]
pub struct Turns {
    pub accepted: u64,
    pub created: u64,
    pub unsure: u64,
    pub seconds: f64,
    pub p99_ms: f64,
    /// CPU time of each process, in microseconds.
    cpu: BTreeMap<String, f64>,
}

impl Turns {
    pub fn add(&mut self, driven: &Driven) {
        let report = &driven.report;
        self.accepted += report.accepted;
        self.created += report.created;
        self.unsure += report.broken + report.refused + report.shed;
        self.seconds += report.seconds + driven.catch_up.as_secs_f64();
        self.p99_ms = self.p99_ms.max(report.p99_ms);
        for (name, micros) in &driven.cpu {
            *self.cpu.entry(name.clone()).or_default() += micros * report.accepted as f64;
        }
    }

    /// Commands per second until the views had them all.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.seconds
    }

    /// CPU time of each process for a command, in microseconds.
    pub fn cpu_micros(&self) -> BTreeMap<String, f64> {
        let of_one = |micros| micros / self.accepted.max(1) as f64;
        self.cpu.iter().map(|(name, micros)| (name.clone(), of_one(micros))).collect()
    }
}
