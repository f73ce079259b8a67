//! The ids of events, by which a client resumes.

use std::fmt;

use kernel::log::LogId;
use shared::view_store::{Generation, GenerationId, Place};

/// `<log>.<generation>.<place>`: everything up to this place of the generation's updates was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventId {
    pub(crate) log: LogId,
    pub(crate) generation: GenerationId,
    pub(crate) place: Place,
}

impl EventId {
    pub(crate) fn new(generation: &Generation, place: Place) -> Self {
        Self { log: generation.log.clone(), generation: generation.id.clone(), place }
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (log, generation) = (parts.next()?, parts.next()?);
        let place = parts.next()?.parse().ok()?;
        let fits = |part: &str| {
            (1..=64).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_graphic())
        };
        (parts.next().is_none() && fits(log) && fits(generation)).then(|| Self {
            log: LogId::stored(log),
            generation: GenerationId::stored(generation),
            place,
        })
    }

    pub(crate) fn is_of(&self, generation: &Generation) -> bool {
        self.log == generation.log && self.generation == generation.id
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.log, self.generation, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_form() {
        let generation = Generation::new(LogId::random(), 2);
        let id = EventId::new(&generation, Place(1_700_000_000_000, 3));
        assert_eq!(EventId::parse(&id.to_string()), Some(id.clone()));
        assert!(id.is_of(&generation) && !id.is_of(&Generation::new(LogId::random(), 2)));
        for bad in [
            "",
            "a.b",
            "a.b.1",
            "a.b.1-2.c",
            "a.b.01-2",
            "a.b.+1-2",
            ".b.1-2",
            "a..1-2",
            "a b.c.1-2",
        ] {
            assert_eq!(EventId::parse(bad), None, "{bad}");
        }
    }
}
