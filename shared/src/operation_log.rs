//! Port: what operators did, and who they were. Adapters: MongoDB and SQLite, beside the log; one
//! contract suite for both.

use async_trait::async_trait;
use kernel::{Result, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event_store::READ_BYTES;

/// Longest subject or detail, in bytes; what is longer is cut.
const MAX_TEXT: usize = 500;

/// The acts of operators, one entry each.
///
/// *Ordering*: ids are UUIDs of version 7 (RFC 9562), so their order is that of the clocks of those who
/// recorded them, by the millisecond. *Durability*: what `record` and `finish` returned from survives
/// the loss of the process, and of a minority of nodes. *Reads* return only what is that durable, and
/// see everything that was recorded before they began. *Errors*: after a failure of `record` the entry
/// may be there or not; every other call may be repeated. *Deadlines*: every call ends within 20 s.
/// *Bounds*: entries are kept for ever; one takes up to about 2 KiB.
#[async_trait]
pub trait OperationLog: Send + Sync + 'static {
    /// Keeps an entry, without an outcome so far. Each id is recorded once.
    async fn record(&self, entry: &Entry) -> Result<()>;

    /// Adds to an entry what the act came to. The first outcome of an entry stays. A permanent failure
    /// where there is no such entry.
    async fn finish(&self, id: Uuid, outcome: &Outcome) -> Result<()>;

    /// The newest entries with ids below `before`, newest first, at most `limit` and about `READ_BYTES`;
    /// at least one when there is any.
    async fn list(&self, before: Option<Uuid>, limit: usize) -> Result<Page>;
}

/// What operators do. Each is called as the command of the command line that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Begins a new generation of views. Its subject is the generation.
    Rebuild,
    /// Gives a log a new identity. Its subject is the log by its old one.
    LogRenew,
    /// Tries a parked stream again. Its subject is the stream.
    ParkedRetry,
    /// Removes a dead letter. Its subject is the dead letter.
    DeadLettersDiscard,
    /// Makes a token. Its subject is the id of the token.
    TokenNew,
    /// Takes a token back. Its subject is the id of the token.
    TokenRevoke,
    /// Removes a token that is over from its file, or old changes. Its subject is the id of the token.
    TokenPurge,
}

impl Act {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::LogRenew => "log-renew",
            Self::ParkedRetry => "parked-retry",
            Self::DeadLettersDiscard => "dead-letters-discard",
            Self::TokenNew => "token-new",
            Self::TokenRevoke => "token-revoke",
            Self::TokenPurge => "token-purge",
        }
    }
}

/// An act of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Entry {
    /// Names the entry.
    pub id: Uuid,
    /// When it was recorded, which was before it was carried out.
    pub at: Timestamp,
    /// Who did it: the name of the principal; `anonymous` where clients are not asked who they are.
    pub actor: String,
    /// What carries it out.
    pub service: String,
    /// What is done: `rebuild`, `log-renew`, `parked-retry` or `dead-letters-discard`. Later versions may
    /// know others.
    pub act: String,
    /// To what; up to 500 bytes of its name.
    pub subject: String,
    /// What it came to. `null` while it is being carried out, and for ever where that could not be
    /// recorded, as when the service was killed: then it may have been carried out or not.
    pub outcome: Option<Outcome>,
}

impl Entry {
    /// An act of now, without an outcome so far.
    pub fn new(actor: &str, service: &str, act: Act, subject: &str) -> Self {
        let id = Uuid::now_v7();
        // Its first 48 bits (RFC 9562, section 5.7).
        let millis = i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX);
        Self {
            id,
            at: Timestamp::from_millis(millis),
            actor: cut(actor),
            service: service.to_owned(),
            act: act.as_str().to_owned(),
            subject: cut(subject),
            outcome: None,
        }
    }

    /// Of its texts, and about those of the rest.
    fn bytes(&self) -> usize {
        let detail = self.outcome.as_ref().map_or(0, |outcome| outcome.detail.len());
        256 + self.actor.len() + self.service.len() + self.act.len() + self.subject.len() + detail
    }
}

/// What an act came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// In a word.
    pub result: ActResult,
    /// In words, up to 500 bytes.
    pub detail: String,
    /// When that was known.
    pub at: Timestamp,
}

/// What an act came to, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ActResult {
    /// It was carried out.
    Done,
    /// It was not possible as things were; nothing was changed.
    Refused,
    /// Something broke; it may have been carried out, or in part.
    Failed,
}

impl Outcome {
    /// It was carried out.
    pub fn done(detail: &str) -> Self {
        Self::of(ActResult::Done, detail)
    }

    /// It was not possible.
    pub fn refused(detail: &str) -> Self {
        Self::of(ActResult::Refused, detail)
    }

    /// Something broke.
    pub fn failed(detail: &str) -> Self {
        Self::of(ActResult::Failed, detail)
    }

    fn of(result: ActResult, detail: &str) -> Self {
        Self { result, detail: cut(detail), at: Timestamp::now() }
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT)].to_owned()
}

/// Some entries.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Whether there are older ones.
    pub more: bool,
}

/// Takes entries until a page is full: for adapters.
pub struct PageTaker {
    page: Page,
    limit: usize,
    bytes: usize,
}

impl PageTaker {
    /// For up to `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self { page: Page::default(), limit, bytes: 0 }
    }

    /// False where the entry finds the page full.
    pub fn take(&mut self, entry: Entry) -> bool {
        if self.page.entries.len() >= self.limit || self.bytes >= READ_BYTES {
            self.page.more = true;
            return false;
        }
        self.bytes += entry.bytes();
        self.page.entries.push(entry);
        true
    }

    /// What was taken.
    pub fn finish(self) -> Page {
        self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_entry_is_that_of_its_id_and_its_texts_are_bounded() {
        let before = Timestamp::now();
        let entry = Entry::new("ops", "projector", Act::ParkedRetry, &"ä".repeat(MAX_TEXT));
        assert!((before..=Timestamp::now()).contains(&entry.at), "{entry:?}");
        assert_eq!(entry.subject, "ä".repeat(MAX_TEXT / 2));
        assert_eq!(Outcome::done(&"x".repeat(9_999)).detail.len(), MAX_TEXT);
        let next = Entry::new("ops", "projector", Act::Rebuild, "");
        assert!(next.id > entry.id);
    }

    #[test]
    fn an_act_is_called_as_it_is_written() {
        for act in [Act::Rebuild, Act::LogRenew, Act::ParkedRetry, Act::DeadLettersDiscard]
            .into_iter()
            .chain([Act::TokenNew, Act::TokenRevoke, Act::TokenPurge])
        {
            assert_eq!(serde_json::to_value(act).unwrap(), act.as_str());
        }
    }

    #[test]
    fn a_page_ends_at_its_limit_and_at_its_bytes() {
        let entry = || Entry::new("ops", "projector", Act::Rebuild, &"x".repeat(MAX_TEXT));
        let taken = |limit: usize, given: usize| {
            let mut taker = PageTaker::new(limit);
            let taken = (0..given).take_while(|_| taker.take(entry())).count();
            let page = taker.finish();
            assert_eq!(page.entries.len(), taken);
            (taken, page.more)
        };
        assert_eq!(taken(3, 3), (3, false));
        assert_eq!(taken(3, 4), (3, true));
        let (many, more) = taken(9_999, 9_999);
        assert!(more && many * MAX_TEXT < READ_BYTES && many > 1_000, "{many}");
    }
}
