//! Generations: described in one hash, pointed to by two keys. A removal that a kill interrupts is
//! found again.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::{Failure, Result};
use redis::Pipeline;

use super::Redis;
use super::scripts::{Argument, Begin, CountRepaired, Lease, Promote, Retire};
use crate::view_store::{Generation, GenerationId, Progress, ViewStore as _};

fn parse_generation(text: &str) -> Result<Generation> {
    serde_json::from_str(text).map_err(|e| Failure::permanent("reading a generation", e))
}

impl Redis {
    /// The generation that a key points to.
    pub(super) async fn described(&self, pointer: &str) -> Result<Option<Generation>> {
        let mut ask = Pipeline::new();
        ask.get(pointer).hgetall(&self.keys.generations);
        let (id, known): (Option<String>, BTreeMap<String, String>) =
            self.run("reading the generations", &ask).await?;
        id.and_then(|id| known.get(&id).map(|text| parse_generation(text))).transpose()
    }

    pub(super) async fn all_generations(&self) -> Result<Vec<Generation>> {
        let mut ask = Pipeline::new();
        ask.hgetall(&self.keys.generations);
        let (known,): (BTreeMap<String, String>,) =
            self.run("reading the generations", &ask).await?;
        known.values().map(|text| parse_generation(text)).collect()
    }

    pub(super) async fn begin_generation(&self, generation: &Generation) -> Result<bool> {
        let what = "beginning a generation";
        let text = serde_json::to_string(generation).map_err(|e| Failure::permanent(what, e))?;
        let checkpoint = self.keys.of(&generation.id).checkpoint();
        let begin = Begin {
            building: self.keys.building.clone(),
            generations: self.keys.generations.clone(),
            checkpoint,
            id: Argument::Text(generation.id.as_str()),
            description: Argument::Text(&text),
        };
        self.call(what, &self.scripts.begin, &begin.call()).await
    }

    pub(super) async fn promote_generation(
        &self,
        from: Option<&GenerationId>,
        to: &GenerationId,
    ) -> Result<bool> {
        let promote = Promote {
            live: self.keys.live.clone(),
            building: self.keys.building.clone(),
            generations: self.keys.generations.clone(),
            checkpoint: self.keys.of(to).checkpoint(),
            expected: Argument::Text(from.map_or("", GenerationId::as_str)),
            new: Argument::Text(to.as_str()),
        };
        self.call("making a generation live", &self.scripts.promote, &promote.call()).await
    }

    /// Fences it, removes its keys, and forgets it: in this order.
    pub(super) async fn remove_generation(&self, generation: &GenerationId) -> Result<()> {
        let what = "removing a generation";
        self.retire(generation).await?;
        self.unlink(what, &self.keys.of(generation).pattern()).await?;
        let mut forget = Pipeline::new();
        forget.hdel(&self.keys.generations, generation.as_str()).ignore();
        self.run(what, &forget).await
    }

    /// Fences it: nothing is written to it any more, and it can't go live. An error when it is live.
    pub async fn retire(&self, generation: &GenerationId) -> Result<()> {
        let what = "removing a generation";
        let retire = Retire {
            live: self.keys.live.clone(),
            building: self.keys.building.clone(),
            checkpoint: self.keys.of(generation).checkpoint(),
            id: Argument::Text(generation.as_str()),
        };
        match self.call(what, &self.scripts.retire, &retire.call()).await? {
            true => Ok(()),
            false => Err(Failure::permanent(what, "it is live")),
        }
    }

    pub(super) async fn lease_generation(
        &self,
        generation: &GenerationId,
        holder: &str,
        term: Duration,
    ) -> Result<bool> {
        let keys = self.keys.of(generation);
        let lease = Lease {
            checkpoint: keys.checkpoint(),
            lease: keys.builder(),
            holder: Argument::Text(holder),
            term: Argument::Number(i64::try_from(term.as_millis()).unwrap_or(i64::MAX)),
        };
        self.call("leasing a generation", &self.scripts.lease, &lease.call()).await
    }

    pub(super) async fn add_repaired(&self, generation: &GenerationId, count: u64) -> Result<()> {
        let keys = self.keys.of(generation);
        let add = CountRepaired {
            checkpoint: keys.checkpoint(),
            repaired: keys.repaired(),
            count: Argument::Number(i64::try_from(count).unwrap_or(i64::MAX)),
        };
        let _added: i64 =
            self.call("counting repairs", &self.scripts.count_repaired, &add.call()).await?;
        Ok(())
    }

    pub(super) async fn repaired_count(&self, generation: &GenerationId) -> Result<u64> {
        let mut ask = Pipeline::new();
        ask.get(self.keys.of(generation).repaired());
        let (count,): (Option<u64>,) = self.run("reading how much was repaired", &ask).await?;
        Ok(count.unwrap_or(0))
    }

    pub(super) async fn report_progress(
        &self,
        generation: &GenerationId,
        progress: &Progress,
    ) -> Result<()> {
        let what = "reporting progress";
        let text = serde_json::to_string(progress).map_err(|e| Failure::permanent(what, e))?;
        let mut report = Pipeline::new();
        let key = self.keys.of(generation).progress();
        // A builder that stopped leaves nothing behind for long.
        report.cmd("SET").arg(key).arg(text).arg("EX").arg(60).ignore();
        self.run(what, &report).await
    }

    pub(super) async fn reported_progress(
        &self,
        generation: &GenerationId,
    ) -> Result<Option<Progress>> {
        let what = "reading progress";
        let mut ask = Pipeline::new();
        ask.get(self.keys.of(generation).progress());
        let (text,): (Option<String>,) = self.run(what, &ask).await?;
        let parse = |text: String| serde_json::from_str(&text);
        text.map(parse).transpose().map_err(|e| Failure::permanent(what, e))
    }

    async fn unlink(&self, what: &str, pattern: &str) -> Result<()> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = Pipeline::new();
            scan.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
            let ((next, found),): ((u64, Vec<String>),) = self.run(what, &scan).await?;
            if !found.is_empty() {
                let mut unlink = Pipeline::new();
                unlink.unlink(found).ignore();
                self.run::<()>(what, &unlink).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Removes all keys of the namespace. For tests.
    pub async fn remove_all(&self) -> Result<()> {
        let what = "removing everything";
        for generation in self.generations().await? {
            self.unlink(what, &self.keys.of(&generation.id).pattern()).await?;
        }
        let mut forget = Pipeline::new();
        forget.del(&[&self.keys.live, &self.keys.building, &self.keys.generations]).ignore();
        self.run(what, &forget).await
    }
}
