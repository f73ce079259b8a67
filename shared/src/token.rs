//! `Consistency-Token`: what a client has seen, so that it is never shown less.
//!
//! `<log>.<version>@<stream>[,<version>@<stream>…]` up to 20 streams, else `<log>.<position>`.

use crate::log::{LogId, Position, StreamName, Version};

pub const HEADER: &str = "consistency-token";
/// More streams than this are replaced by a position.
pub const MAX_STREAMS: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub log: LogId,
    pub seen: Seen,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Streams(Vec<(StreamName, Version)>),
    /// Everything up to here.
    Position(Position),
}

impl Token {
    pub fn of_stream(log: &LogId, stream: &StreamName, version: Version) -> Self {
        Self { log: log.clone(), seen: Seen::Streams(vec![(stream.clone(), version)]) }
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("expected a Consistency-Token as it was answered, got {text:?}");
        let (log, seen) = text.split_once('.').ok_or_else(bad)?;
        let seen = if let Ok(position) = seen.parse() {
            Seen::Position(position)
        } else {
            let pair = |pair: &str| {
                let (version, stream) = pair.split_once('@')?;
                Some((StreamName::stored(stream), version.parse().ok()?))
            };
            let streams: Option<Vec<_>> = seen.split(',').map(pair).collect();
            Seen::Streams(streams.filter(|list| list.len() <= MAX_STREAMS).ok_or_else(bad)?)
        };
        Ok(Self { log: LogId::stored(log), seen })
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.", self.log)?;
        match &self.seen {
            Seen::Position(position) => write!(f, "{position}"),
            Seen::Streams(streams) => {
                for (index, (stream, version)) in streams.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{version}@{stream}")?;
                }
                Ok(())
            }
        }
    }
}
