//! Streams that can't be applied: a hash of notes, and one of the versions that were let go.

use std::collections::BTreeMap;

use kernel::log::{StreamName, Version};
use kernel::views::Parked;
use kernel::{Failure, Result};
use redis::Pipeline;

use super::scripts::{Argument, LetGo, Park, Unpark};
use super::{Redis, commands};
use crate::view_store::GenerationId;

impl Redis {
    pub(super) async fn park_stream(&self, generation: &GenerationId, note: &Parked) -> Result<()> {
        let what = "parking a stream";
        let stored = Parked { let_go: 0, ..note.clone() }; // That has a hash of its own.
        let text = serde_json::to_string(&stored).map_err(|e| Failure::permanent(what, e))?;
        let keys = self.keys.of(generation);
        let park = Park {
            checkpoint: keys.checkpoint(),
            parked: keys.parked(),
            let_go: keys.let_go(),
            updates: keys.updates(),
            view: keys.view(&note.stream),
            stream: Argument::Text(note.stream.as_str()),
            version: Argument::Number(note.version),
            note: Argument::Text(&text),
            passed: Argument::Number(note.let_go),
        };
        let _parked: i64 = self.call(what, &self.scripts.park, &park.call()).await?;
        Ok(())
    }

    pub(super) async fn note_let_go(
        &self,
        generation: &GenerationId,
        events: &[(&StreamName, Version)],
    ) -> Result<Vec<bool>> {
        if events.is_empty() {
            return Ok(vec![]);
        }
        let keys = self.keys.of(generation);
        let call = LetGo { parked: keys.parked(), let_go: keys.let_go() }.call(events);
        self.call("letting events of parked streams go", &self.scripts.let_go, &call).await
    }

    pub(super) async fn unpark_stream(
        &self,
        generation: &GenerationId,
        stream: &StreamName,
        let_go: Version,
    ) -> Result<bool> {
        let keys = self.keys.of(generation);
        let unpark = Unpark {
            parked: keys.parked(),
            let_go: keys.let_go(),
            stream: Argument::Text(stream.as_str()),
            seen: Argument::Number(let_go),
        };
        self.call("unparking a stream", &self.scripts.unpark, &unpark.call()).await
    }

    pub(super) async fn parked_streams(&self, generation: &GenerationId) -> Result<Vec<Parked>> {
        let keys = self.keys.of(generation);
        let mut ask = Pipeline::new();
        ask.hvals(keys.parked()).hgetall(keys.let_go());
        let (notes, let_go): (Vec<String>, BTreeMap<String, Version>) =
            self.run("reading what is parked", &ask).await?;
        let whole = |note: &String| {
            let mut note = commands::parse_note(note)?;
            note.let_go = let_go.get(note.stream.as_str()).copied().unwrap_or(0);
            Ok(note)
        };
        notes.iter().map(whole).collect()
    }
}
