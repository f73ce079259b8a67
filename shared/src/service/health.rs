//! What a service still waits for: told by `/readyz`, by the log, and by `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::service::liveness::{Liveness, Work};
use crate::service::metrics::Gauge;

pub(crate) static PART_READY: Gauge = Gauge::by(
    "waybill_part_ready",
    "1 while a part of the service waits for nothing, else 0: what /readyz says.",
    &["part"],
    &[],
);

/// A service is ready when all its parts are.
#[derive(Debug, Clone, Default)]
pub struct Health {
    parts: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
    notes: Arc<Mutex<BTreeMap<&'static str, String>>>,
    liveness: Liveness,
}

impl Health {
    /// A service made of these parts, none of them ready.
    pub fn of(parts: &[&'static str]) -> Self {
        let health = Self::default();
        for part in parts {
            health.waits(part, "starting");
        }
        health
    }

    /// The same with another liveness.
    pub fn with(self, liveness: Liveness) -> Self {
        Self { liveness, ..self }
    }

    /// Which work is watched.
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// Work that must get on: see `Liveness::work`.
    pub fn work(&self, name: &'static str) -> Work {
        self.liveness.work(name)
    }

    /// Notes that the part waits for nothing.
    pub fn ready(&self, part: &'static str) {
        if self.set(part, None).is_some_and(|before| before.is_some()) {
            tracing::info!(part, "ready");
        }
    }

    /// Says it in the log too, once for each new reason.
    pub fn waits(&self, part: &'static str, why: impl ToString) {
        let why = why.to_string();
        let before = self.set(part, Some(why.clone()));
        if before.flatten().as_ref() != Some(&why) {
            tracing::info!(part, why, "waiting");
        }
    }

    fn set(&self, part: &'static str, state: Option<String>) -> Option<Option<String>> {
        PART_READY.set_of(part, if state.is_none() { 1.0 } else { 0.0 });
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(part, state)
    }

    /// The parts that are not ready, each with what it waits for.
    pub fn waiting(&self) -> BTreeMap<&'static str, String> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().filter_map(|(part, why)| Some((*part, why.clone()?))).collect()
    }

    /// Tells of something that an operator should know although the service is ready.
    pub fn note(&self, part: &'static str, text: &str) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.insert(part, text.to_owned()).is_none_or(|before| before != text) {
            tracing::warn!(part, text, "to be known");
        }
    }

    /// Tells what holds at the moment, which is nothing to worry about.
    pub fn tell(&self, part: &'static str, text: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).insert(part, text);
    }

    /// It is no longer so.
    pub fn clear_note(&self, part: &'static str) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// What an operator should know, by part.
    pub fn notes(&self) -> BTreeMap<&'static str, String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
