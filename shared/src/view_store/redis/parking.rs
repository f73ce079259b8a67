//! Streams that can't be applied: a hash of notes, and one of the versions that were let go.

use std::collections::BTreeMap;

use kernel::log::{StreamName, Version};
use kernel::views::Parked;
use kernel::{Failure, Result};
use redis::Pipeline;

use super::{Redis, commands};
use crate::view_store::GenerationId;

impl Redis {
    pub(super) async fn park_stream(&self, generation: &GenerationId, note: &Parked) -> Result<()> {
        let what = "parking a stream";
        let stored = Parked { let_go: 0, ..note.clone() }; // That has a hash of its own.
        let text = serde_json::to_string(&stored).map_err(|e| Failure::permanent(what, e))?;
        let keys = self.keys.of(generation);
        let view = keys.view(&note.stream);
        let keys = [keys.checkpoint(), keys.parked(), keys.let_go(), keys.updates(), view];
        let mut call = commands::evalsha(&self.scripts.park, &keys);
        call.arg(note.stream.as_str()).arg(note.version).arg(text).arg(note.let_go);
        let _parked: i64 = self.call(what, &self.scripts.park, call).await?;
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
        let mut call = commands::evalsha(&self.scripts.let_go, &[keys.parked(), keys.let_go()]);
        for (stream, version) in events {
            call.arg(stream.as_str()).arg(*version);
        }
        self.call("letting events of parked streams go", &self.scripts.let_go, call).await
    }

    pub(super) async fn unpark_stream(
        &self,
        generation: &GenerationId,
        stream: &StreamName,
        let_go: Version,
    ) -> Result<bool> {
        let keys = self.keys.of(generation);
        let mut call = commands::evalsha(&self.scripts.unpark, &[keys.parked(), keys.let_go()]);
        call.arg(stream.as_str()).arg(let_go);
        self.call("unparking a stream", &self.scripts.unpark, call).await
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
