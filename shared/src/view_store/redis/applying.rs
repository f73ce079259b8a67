//! Applying changes: many with one call of a script, and one by one what that leaves out.

use std::collections::HashSet;

use kernel::Result;
use kernel::log::StreamName;
use kernel::projection::Change;
use redis::Pipeline;

use super::Redis;
use super::scripts::apply_batch::BatchOutcome;
use super::scripts::{Apply, ApplyBatch};
use crate::view_store::{Applied, GenerationId};

/// Streams of one call at most. A script holds up all other commands while it runs: 128 changes of
/// usual views take about 4 ms.
const MAX_STREAMS: usize = 128;
/// Sums, entries and texts of one call; a change with more is applied alone. A command of a script takes
/// up to 8,000 values, and a part is two of them (`LUAI_MAXCSTACK` in the Lua 5.1 of Redis).
const MAX_PARTS: usize = 3_000;
/// A change with a larger delta is applied alone: a script adds up with numbers that are exact up to
/// 2^53.
const MAX_DELTA: u64 = 1 << 45;
/// How often a batch is tried without those of its changes that can't be applied.
const MAX_ATTEMPTS: usize = 4;
const WHAT: &str = "applying changes to views";

impl Redis {
    pub(super) async fn apply_changes(
        &self,
        generation: &GenerationId,
        changes: &[Change],
    ) -> Result<Vec<Applied>> {
        let mut outcomes = Vec::with_capacity(changes.len());
        let mut rest = changes;
        while let Some((first, others)) = rest.split_first() {
            if is_large(first) {
                outcomes.extend(self.apply_singly(generation, &[first]).await?);
                rest = others;
            } else {
                let (part, after) = rest.split_at(batch(rest));
                outcomes.extend(self.apply_batch(generation, part).await?);
                rest = after;
            }
        }
        Ok(outcomes)
    }

    /// Applies changes of as many streams. What can't be applied is left out, and the others are tried
    /// again: another worker may come between, so not for ever.
    async fn apply_batch(
        &self,
        generation: &GenerationId,
        changes: &[Change],
    ) -> Result<Vec<Applied>> {
        let keys = self.keys.of(generation);
        let script = &self.scripts.apply_batch;
        let mut outcomes = vec![None; changes.len()];
        for _ in 0..MAX_ATTEMPTS {
            let left: Vec<usize> = (0..changes.len()).filter(|i| outcomes[*i].is_none()).collect();
            if left.is_empty() {
                break;
            }
            let batch: Vec<&Change> = left.iter().map(|i| &changes[*i]).collect();
            let told = ApplyBatch::told(&batch);
            let call = ApplyBatch::call_for(&keys, &batch, &told);
            let codes: Vec<i64> = self.call(WHAT, script, &call).await?;
            match ApplyBatch::outcome(&codes) {
                BatchOutcome::Applied => {
                    left.iter().for_each(|i| outcomes[*i] = Some(Applied::Applied));
                }
                BatchOutcome::NoGeneration => {
                    return Ok(vec![Applied::NoGeneration; changes.len()]);
                }
                BatchOutcome::OneByOne => break,
                BatchOutcome::Refused(refused) => {
                    for (place, version) in refused {
                        let Some(i) = left.get(place).copied() else { continue };
                        outcomes[i] = match version {
                            Some(stored) => Some(Applied::refused(stored, changes[i].to)),
                            None => self.apply_singly(generation, &[&changes[i]]).await?.pop(),
                        };
                    }
                }
            }
        }
        let left: Vec<usize> = (0..changes.len()).filter(|i| outcomes[*i].is_none()).collect();
        let singly: Vec<&Change> = left.iter().map(|i| &changes[*i]).collect();
        for (i, outcome) in left.iter().zip(self.apply_singly(generation, &singly).await?) {
            outcomes[*i] = Some(outcome);
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// One call for each change, in one pipeline.
    async fn apply_singly(
        &self,
        generation: &GenerationId,
        changes: &[&Change],
    ) -> Result<Vec<Applied>> {
        if changes.is_empty() {
            return Ok(vec![]);
        }
        let keys = self.keys.of(generation);
        let mut calls = Pipeline::with_capacity(changes.len());
        for change in changes {
            calls.add_command(Apply::call_for(&keys, change).command(&self.scripts.apply));
        }
        let codes: Vec<i64> = self.run_script(WHAT, &self.scripts.apply, &calls).await?;
        Ok(codes.iter().zip(changes).map(|(code, change)| Apply::outcome(*code, change)).collect())
    }
}

fn parts(change: &Change) -> usize {
    change.sums.len() + change.enter.len() + change.leave.len() + change.greatest_texts.len()
}

/// Whether it is applied alone.
fn is_large(change: &Change) -> bool {
    parts(change) > MAX_PARTS || change.sums.iter().any(|sum| sum.delta.unsigned_abs() > MAX_DELTA)
}

/// How many of the changes go into the next call: each of another stream, none of them large.
fn batch(changes: &[Change]) -> usize {
    let mut streams: HashSet<&StreamName> = HashSet::new();
    let mut sum = 0;
    for change in changes.iter().take(MAX_STREAMS) {
        sum += parts(change);
        if sum > MAX_PARTS || is_large(change) || !streams.insert(&change.stream) {
            break;
        }
    }
    streams.len()
}
