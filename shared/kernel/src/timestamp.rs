//! Points in time: milliseconds, UTC, written as RFC 3339 in one fixed width, so that their text
//! sorts as they do.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z, within the years 0000 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Bytes of every timestamp's text.
pub const WIDTH: usize = "2026-01-02T03:04:05.678Z".len();

const FIRST: i64 = -62_167_219_200_000;
const LAST: i64 = 253_402_207_199_999;

impl Timestamp {
    /// The time of the system's clock, cut to milliseconds.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// The nearest timestamp within the years 0000 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(FIRST, LAST))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// How long ago it was by the system's clock; nothing for a time to come.
    pub fn age(self) -> Duration {
        Duration::from_millis(u64::try_from(Self::now().0 - self.0).unwrap_or(0))
    }

    /// Reads RFC 3339 with any offset; what is finer than a millisecond is cut off.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            format!("expected a time as in RFC 3339, such as 2026-01-02T03:04:05Z, got {text:?}")
        };
        let millis = text.parse::<jiff::Timestamp>().map_err(|_| expected())?.as_millisecond();
        if (FIRST..=LAST).contains(&millis) { Ok(Self(millis)) } else { Err(expected()) }
    }

    /// The UTC day, as `2026-01-02`.
    pub fn date(self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_one_width_and_sorts_like_time() {
        for text in
            ["0000-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "9999-12-30T21:59:59.999Z"]
        {
            let time = Timestamp::parse(text).expect("a valid time");
            assert_eq!(time.to_string(), text);
            assert_eq!(time.to_string().len(), WIDTH);
        }
    }

    #[test]
    fn offsets_are_converted_and_fractions_cut() {
        let time = Timestamp::parse("2026-01-02T03:04:05.6789+02:00").expect("a valid time");
        assert_eq!(time.to_string(), "2026-01-02T01:04:05.678Z");
        assert_eq!(time.date(), "2026-01-02");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "-000001-01-01T00:00:00Z"]
        {
            assert!(Timestamp::parse(text).is_err(), "{text:?}");
        }
    }
}
