//! `Consistency-Token`: what a client has seen, so that it is never shown less.
//!
//! `<log>.<version>@<stream>[,<version>@<stream>…]` up to 20 streams, else `<log>.<position>`. What
//! names no stream or no version is no token: a query would wait for it in vain.

use kernel::log::{LogId, Position, StreamName, Version};

/// Name of the header in requests and answers.
pub const HEADER: &str = "consistency-token";
/// More streams than this are replaced by a position.
pub const MAX_STREAMS: usize = 20;

/// What a client has seen of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The log that it is of. A token of another log says nothing of this one.
    pub log: LogId,
    /// What has been seen.
    pub seen: Seen,
}

/// The events that a client has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// These streams up to these versions; at most `MAX_STREAMS`.
    Streams(Vec<(StreamName, Version)>),
    /// Everything up to here.
    Position(Position),
}

impl Token {
    /// The token of one stream up to this version.
    pub fn of_stream(log: &LogId, stream: &StreamName, version: Version) -> Self {
        Self { log: log.clone(), seen: Seen::Streams(vec![(stream.clone(), version)]) }
    }

    /// Reads a token as it is written; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("expected a Consistency-Token as it was answered, got {text:?}");
        let (log, seen) = split(text);
        let log = log.filter(|log| !log.is_empty()).ok_or_else(bad)?;
        let seen = if let Some(position) = number(seen) {
            Seen::Position(position)
        } else {
            let pair = |pair: &str| {
                let (version, stream) = pair.split_once('@')?;
                let version = number(version).filter(|version| *version >= 1)?;
                Some((StreamName::parse(stream)?, version))
            };
            let streams: Option<Vec<_>> = seen.split(',').map(pair).collect();
            Seen::Streams(streams.filter(|list| list.len() <= MAX_STREAMS).ok_or_else(bad)?)
        };
        Ok(Self { log: LogId::stored(log), seen })
    }
}

/// A place in the feed of a log: written `<log>.<position>`, as a token of a position is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedCursor {
    /// Of which log the position is; a client may leave it out.
    pub log: Option<LogId>,
    /// The feed goes on behind this position.
    pub position: Position,
}

impl FeedCursor {
    /// The place behind `position`.
    pub fn new(log: &LogId, position: Position) -> Self {
        Self { log: Some(log.clone()), position }
    }

    /// Reads what is written, or a bare position.
    pub fn parse(text: &str) -> Option<Self> {
        let (log, position) = split(text);
        Some(Self { log: log.map(LogId::stored), position: number(position)? })
    }
}

impl std::fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(log) = &self.log {
            write!(f, "{log}.")?;
        }
        write!(f, "{}", self.position)
    }
}

/// The log, and what is said of it.
fn split(text: &str) -> (Option<&str>, &str) {
    text.split_once('.').map_or((None, text), |(log, seen)| (Some(log), seen))
}

/// A version or a position: ASCII digits alone, no sign.
pub fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.seen {
            Seen::Position(position) => FeedCursor::new(&self.log, *position).fmt(f),
            Seen::Streams(streams) => {
                write!(f, "{}.", self.log)?;
                for (index, (stream, version)) in streams.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{version}@{stream}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const STREAM: &str = "order-809266d8-6c0c-4b69-812e-c155352a1fea";

    #[test]
    fn what_names_nothing_is_no_token() {
        let many = vec![format!("1@{STREAM}"); MAX_STREAMS + 1].join(",");
        let upper = STREAM.to_uppercase();
        let seen = [
            "",
            " 1",
            "-1",
            "+1",
            "1.0",
            "1_0",
            "٣",
            "9223372036854775808",
            "@",
            "1@",
            "1@~",
            "1@x",
            "1@order-",
            "1@order-1",
            "1@order",
            &format!("@{STREAM}"),
            &format!("0@{STREAM}"),
            &format!("-1@{STREAM}"),
            &format!("+1@{STREAM}"),
            &format!("1@{STREAM},"),
            &format!(",1@{STREAM}"),
            &format!("1@{STREAM}, 1@{STREAM}"),
            &format!("1@{STREAM}x"),
            &format!("1@{}", &STREAM[5..]),
            &format!("1@{}", &STREAM[6..]),
            &format!("1@{upper}"),
            &format!("1@{}", STREAM.replace("6c0c-", "6c0c")),
            &format!("1@{STREAM}@1"),
            &many,
        ];
        for seen in seen {
            assert!(Token::parse(&format!("L.{seen}")).is_err(), "{seen:?}");
        }
        for text in ["", "L", "1", ".1", &format!(".1@{STREAM}")] {
            assert!(Token::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_cursor_of_the_feed_may_leave_out_its_log() {
        let log = LogId::random();
        let written = FeedCursor::new(&log, 7).to_string();
        assert_eq!(written, Token { log: log.clone(), seen: Seen::Position(7) }.to_string());
        assert_eq!(FeedCursor::parse(&written), Some(FeedCursor::new(&log, 7)));
        assert_eq!(FeedCursor::parse("7"), Some(FeedCursor { log: None, position: 7 }));
        for bad in ["", "-1", "+1", "a", "a.", "a.b", "a.1.2", "1."] {
            assert_eq!(FeedCursor::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn whatever_is_written_is_read() {
        let log = LogId::random();
        let of = |seen| Token { log: log.clone(), seen };
        let stream = |_| (StreamName::new("order", Uuid::new_v4()), i64::MAX);
        let mut tokens = vec![Token::of_stream(&log, &StreamName::stored(STREAM), 1)];
        tokens.extend([0, 1, i64::MAX].map(|position| of(Seen::Position(position))));
        tokens.extend((1..=MAX_STREAMS).map(|n| of(Seen::Streams((0..n).map(stream).collect()))));
        for token in tokens {
            assert_eq!(Token::parse(&token.to_string()).unwrap(), token);
        }
    }
}
