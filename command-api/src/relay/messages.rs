//! How commits become messages: in chunks of whole commits, made of what is there, never by waiting.

use kernel::log::Commit;
use kernel::{Failure, Result};
use shared::messaging::cloud_event::{BATCH_CONTENT_TYPE, CONTENT_TYPE, CloudEvent};
use shared::messaging::rabbitmq::Message;

/// Bytes of a message at most, but for one that holds a single commit.
const MAX_BYTES: usize = 64 << 10;
/// Property `type` of a message that holds several events.
const BATCH_TYPE: &str = "waybill.events";

/// Writes the messages of a log.
pub struct MessageWriter {
    /// Attribute `source` of all events.
    source: String,
    /// With 1 each event is a message of its own, else a message is an array of so many at most.
    events_per_message: usize,
}

impl MessageWriter {
    pub fn new(source: String, events_per_message: usize) -> Self {
        Self { source, events_per_message: events_per_message.max(1) }
    }

    /// The messages of these commits, in the order of their events.
    pub fn write(&self, commits: &[Commit]) -> Result<Vec<Message>> {
        if self.events_per_message == 1 {
            let single: Vec<Vec<Message>> =
                commits.iter().map(|commit| self.single(commit)).collect::<Result<_>>()?;
            return Ok(single.into_iter().flatten().collect());
        }
        let mut messages: Vec<Message> = vec![];
        let mut open: Option<Chunk> = None;
        let mut events = Vec::with_capacity(1_024);
        for commit in commits {
            self.write_events(commit, &mut events)?;
            if let Some(chunk) = open.take_if(|chunk| !self.fits(chunk, commit, events.len())) {
                messages.push(chunk.close());
            }
            open.get_or_insert_with(|| Chunk::open(commit)).add(commit, &events);
        }
        messages.extend(open.map(Chunk::close));
        Ok(messages)
    }

    fn fits(&self, chunk: &Chunk, commit: &Commit, bytes: usize) -> bool {
        chunk.events + commit.events.len() <= self.events_per_message
            && chunk.body.len() + bytes + 2 <= MAX_BYTES
    }

    /// The events of a commit, with commas between them.
    fn write_events(&self, commit: &Commit, events: &mut Vec<u8>) -> Result<()> {
        events.clear();
        for event in CloudEvent::of_commit(commit, &self.source) {
            if !events.is_empty() {
                events.push(b',');
            }
            serde_json::to_writer(&mut *events, &event).map_err(broken)?;
        }
        Ok(())
    }

    fn single(&self, commit: &Commit) -> Result<Vec<Message>> {
        let message = |event: CloudEvent<'_>| {
            Ok(Message {
                id: event.id.to_string(),
                timestamp: seconds(commit),
                content_type: CONTENT_TYPE,
                traceparent: commit.meta.traceparent.clone(),
                body: serde_json::to_vec(&event).map_err(broken)?,
                kind: event.r#type.into_owned(),
            })
        };
        CloudEvent::of_commit(commit, &self.source).map(message).collect()
    }
}

/// A message that is being written.
struct Chunk {
    id: String,
    timestamp: u64,
    events: usize,
    traceparent: Option<String>,
    body: Vec<u8>,
}

impl Chunk {
    fn open(first: &Commit) -> Self {
        let id = first.events.first().map(|event| event.id.to_string()).unwrap_or_default();
        let mut body = Vec::with_capacity(MAX_BYTES / 2);
        body.push(b'[');
        Self { id, timestamp: seconds(first), events: 0, traceparent: None, body }
    }

    fn add(&mut self, commit: &Commit, events: &[u8]) {
        if self.events > 0 {
            self.body.push(b',');
        }
        self.body.extend_from_slice(events);
        if self.traceparent.is_none() {
            self.traceparent.clone_from(&commit.meta.traceparent);
        }
        self.events += commit.events.len();
    }

    fn close(mut self) -> Message {
        self.body.push(b']');
        Message {
            id: self.id,
            kind: BATCH_TYPE.to_owned(),
            timestamp: self.timestamp,
            content_type: BATCH_CONTENT_TYPE,
            traceparent: self.traceparent,
            body: self.body,
        }
    }
}

fn seconds(commit: &Commit) -> u64 {
    u64::try_from(commit.at.as_millis() / 1_000).unwrap_or(0)
}

fn broken(error: serde_json::Error) -> Failure {
    Failure::permanent("encoding an event", error)
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use kernel::log::{Event, Meta, Position, StreamName};
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    fn commit(position: Position, events: usize, bytes: usize) -> Commit {
        let event = || Event {
            id: Uuid::now_v7(),
            kind: "Happened".to_owned(),
            schema: 1,
            data: Value::from("x".repeat(bytes)).into(),
        };
        Commit {
            position,
            stream: StreamName::new("thing", Uuid::new_v4()),
            from: 1,
            to: events as i64,
            events: (0..events).map(|_| event()).collect(),
            at: Timestamp::default(),
            meta: Meta::default(),
            key: None,
            fingerprint: String::new(),
        }
    }

    /// The positions of the events of each message.
    fn positions(commits: &[Commit], events_per_message: usize) -> Vec<Vec<Position>> {
        let writer = MessageWriter::new("/x/y".to_owned(), events_per_message);
        let position = |event: &Value| event["position"].as_str().unwrap().parse().unwrap();
        let read = |message: Message| match serde_json::from_slice(&message.body).unwrap() {
            Value::Array(events) => events.iter().map(position).collect(),
            event => vec![position(&event)],
        };
        writer.write(commits).unwrap().into_iter().map(read).collect()
    }

    #[test]
    fn a_message_holds_whole_commits_up_to_a_number_of_events() {
        let commits = [commit(1, 2, 1), commit(2, 1, 1), commit(3, 2, 1), commit(4, 9, 1)];
        let expected = vec![vec![1, 1, 2], vec![3, 3], vec![4; 9]];
        assert_eq!(positions(&commits, 4), expected);
    }

    #[test]
    fn a_message_ends_before_it_is_too_large() {
        let commits: Vec<Commit> = (1..=5).map(|n| commit(n, 1, MAX_BYTES / 3)).collect();
        assert_eq!(positions(&commits, 64), [vec![1, 2], vec![3, 4], vec![5]]);
        let large = [commit(1, 1, 2 * MAX_BYTES), commit(2, 1, 1)];
        assert_eq!(positions(&large, 64), [vec![1], vec![2]]);
    }

    #[test]
    fn each_event_may_be_a_message_of_its_own() {
        let writer = MessageWriter::new("/x/y".to_owned(), 1);
        let commit = commit(1, 2, 1);
        let messages = writer.write(std::slice::from_ref(&commit)).unwrap();
        let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
        assert_eq!(ids, [0, 1].map(|index: usize| commit.events[index].id.to_string()));
        let kinds = messages.iter().map(|it| (it.content_type, it.kind.as_str()));
        assert!(kinds.eq([(CONTENT_TYPE, "waybill.Happened"); 2]));
    }
}
