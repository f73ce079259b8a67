//! Streams that can't be applied: a hash of notes, their names in order, and a hash of the versions that
//! were let go.

use kernel::log::{StreamName, Version};
use kernel::views::Parked;
use kernel::{Failure, Result};
use redis::Pipeline;

use super::scripts::{Argument, LetGo, Park, ReadParked, Unpark};
use super::{Redis, commands};
use crate::event_store::READ_BYTES;
use crate::view_store::{GenerationId, MAX_NOTES, ParkedPage};

const READING: &str = "reading what is parked";

impl Redis {
    pub(super) async fn park_stream(&self, generation: &GenerationId, note: &Parked) -> Result<()> {
        let what = "parking a stream";
        let stored = Parked { let_go: 0, ..note.clone() }; // That has a hash of its own.
        let text = serde_json::to_string(&stored).map_err(|e| Failure::permanent(what, e))?;
        let keys = self.keys.of(generation);
        let park = Park {
            checkpoint: keys.checkpoint(),
            parked: keys.parked(),
            names: keys.parked_names(),
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
            names: keys.parked_names(),
            let_go: keys.let_go(),
            stream: Argument::Text(stream.as_str()),
            seen: Argument::Number(let_go),
        };
        self.call("unparking a stream", &self.scripts.unpark, &unpark.call()).await
    }

    pub(super) async fn parked_page(
        &self,
        generation: &GenerationId,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Result<ParkedPage> {
        let keys = self.keys.of(generation);
        let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let number = |number: usize| Argument::Number(i64::try_from(number).unwrap_or(i64::MAX));
        let page = ReadParked {
            checkpoint: keys.checkpoint(),
            parked: keys.parked(),
            names: keys.parked_names(),
            let_go: keys.let_go(),
            from: Argument::Text(&from),
            limit: number(limit.clamp(1, MAX_NOTES)),
            max_bytes: number(READ_BYTES),
        };
        let (total, more, notes, let_go): (u64, bool, Vec<String>, Vec<Version>) =
            self.call(READING, &self.scripts.read_parked, &page.call()).await?;
        let whole = |(note, let_go): (&String, &Version)| {
            Ok(Parked { let_go: *let_go, ..commands::parse_note(note)? })
        };
        let notes = notes.iter().zip(&let_go).map(whole).collect::<Result<_>>()?;
        Ok(ParkedPage { notes, more, total })
    }

    pub(super) async fn parked_count(&self, generation: &GenerationId) -> Result<u64> {
        let mut ask = Pipeline::new();
        ask.hlen(self.keys.of(generation).parked());
        let (count,): (u64,) = self.run(READING, &ask).await?;
        Ok(count)
    }
}
