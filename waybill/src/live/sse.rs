//! Server-sent events out of bytes as they come:
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.

/// The longest event, in bytes: the service sends no more than 4 MiB ahead.
const MAX_EVENT: usize = 16 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `message` where the stream names none.
    pub name: String,
    /// The id that stands at this event.
    pub id: Option<String>,
    /// Its data; several lines are joined by line ends.
    pub data: String,
}

/// Puts events together, in bounded memory.
#[derive(Debug, Default)]
pub struct Parser {
    /// Of the line that is not complete.
    line: Vec<u8>,
    /// The last line ended with CR; a LF behind it belongs to it.
    after_cr: bool,
    name: String,
    id: Option<String>,
    data: Vec<String>,
    data_bytes: usize,
}

impl Parser {
    /// The events that these bytes complete. An error is an event that is too large; the stream is of
    /// no use then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, String> {
        let mut events = vec![];
        for &byte in bytes {
            let was_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if was_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.end_line(&String::from_utf8_lossy(&line)));
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data_bytes > MAX_EVENT {
                return Err(format!("an event is larger than {MAX_EVENT} bytes"));
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "data" => {
                self.data_bytes += value.len() + 1;
                self.data.push(value.to_owned());
            }
            _ => {} // A comment, `retry`, or what is not known.
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let Self { name, id, data, .. } = std::mem::take(self);
        if data.is_empty() {
            self.id = id; // It belongs to the next event.
            return None;
        }
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(Event { name, id, data: data.join("\n") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: Option<&str>, data: &str) -> Event {
        Event { name: name.to_owned(), id: id.map(str::to_owned), data: data.to_owned() }
    }

    const STREAM: &[u8] = "retry: 1000\n\n: still here\n\nevent: view\ndata: {\"a\":\ndata: \"ü\"}\n\nid: 7\r\nevent:reset\r\ndata: x\r\n\r\ndata:y\r\rdata\n\n"
        .as_bytes();

    #[test]
    fn events_are_the_same_however_their_bytes_are_cut() {
        let expected = [
            event("view", None, "{\"a\":\n\"ü\"}"),
            event("reset", Some("7"), "x"),
            event("message", None, "y"),
            event("message", None, ""),
        ];
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> =
                STREAM.chunks(size).flat_map(|bytes| parser.read(bytes).unwrap()).collect();
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_an_error_and_not_kept() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1 << 20];
        let error = (0..20).find_map(|_| parser.read(&piece).err());
        assert!(error.is_some_and(|why| why.contains("larger")));
        let mut parser = Parser::default();
        let mut line = b"data:".to_vec();
        line.extend(&piece);
        line.push(b'\n');
        assert!((0..20).any(|_| parser.read(&line).is_err()));
    }
}
