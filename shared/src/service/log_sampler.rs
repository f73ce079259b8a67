//! Lines of the log that any request may bring about. The first of a kind are written as they come; the
//! others are counted, and their number is written once the window is over. At `debug` all are written.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::http::request_id::with_current;

/// For so long the lines of a kind are counted together, from the first one on.
const WINDOW: Duration = Duration::from_secs(5);
/// Lines of a kind that are written in a window.
const WRITTEN: usize = 5;
/// Kinds that are told apart at a time; those beyond are told as one.
const KINDS: usize = 32;
/// Characters of a subject.
const SUBJECT: usize = 80;

static PROCESS: LogSampler = LogSampler::new();

/// Lines that say the same of the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineKind {
    is_error: bool,
    line: &'static str,
    subject: String,
}

impl LineKind {
    /// Of errors with this message, and a text that begins with what failed, up to a colon.
    pub fn error(line: &'static str, text: &str) -> Self {
        let subject = text.split(": ").next().unwrap_or_default();
        Self { is_error: true, line, subject: subject.chars().take(SUBJECT).collect() }
    }

    /// The same, of warnings.
    pub fn warning(line: &'static str, text: &str) -> Self {
        Self { is_error: false, ..Self::error(line, text) }
    }
}

/// Whether a line of this kind is to be written. To be asked once for each: where it is not, it is counted.
/// The line is of this request; without one it is of the request that the task answers.
pub fn is_written(kind: &LineKind, request_id: Option<&str>) -> bool {
    let Ok(runtime) = Handle::try_current() else { return true };
    let of_task = || with_current(|request| request.request_id.to_owned());
    let request_id = request_id.map(str::to_owned).or_else(of_task);
    match PROCESS.add(kind, request_id, Instant::now()) {
        Added::Written => true,
        Added::Counted => false,
        Added::FirstCounted { of, end } => {
            runtime.spawn(async move {
                tokio::time::sleep_until(end).await;
                if let Some(counted) = PROCESS.take(&of) {
                    counted.write(&of);
                }
            });
            false
        }
    }
}

/// Writes how many lines were counted, of each kind, although its window is not over: the tasks that would do
/// so then end with the process.
pub fn flush() {
    for (kind, counted) in PROCESS.take_all() {
        counted.write(&kind);
    }
}

struct LogSampler {
    windows: Mutex<BTreeMap<LineKind, Window>>,
}

struct Window {
    end: Instant,
    written: usize,
    counted: Counted,
}

/// Lines that were not written.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    lines: usize,
    /// Of the last one.
    request_id: Option<String>,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Added {
    Written,
    Counted,
    /// How many there are of this kind is to be taken, and written, at the end of the window.
    FirstCounted {
        of: LineKind,
        end: Instant,
    },
}

impl Window {
    fn from(now: Instant) -> Self {
        Self { end: now + WINDOW, written: 0, counted: Counted::default() }
    }

    /// Whether nothing is left to do for it. What it counted is taken at its end; where that has not
    /// happened long after, the runtime that was to do so is gone.
    fn is_over(&self, now: Instant) -> bool {
        self.end <= now && (self.counted.lines == 0 || self.end + WINDOW <= now)
    }
}

impl LogSampler {
    const fn new() -> Self {
        Self { windows: Mutex::new(BTreeMap::new()) }
    }

    fn windows(&self) -> MutexGuard<'_, BTreeMap<LineKind, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, kind: &LineKind, request_id: Option<String>, now: Instant) -> Added {
        let mut windows = self.windows();
        windows.retain(|_, window| !window.is_over(now));
        let mut kind = kind.clone();
        if windows.len() >= KINDS && !windows.contains_key(&kind) {
            kind.subject = "others".to_owned();
        }
        let window = windows.entry(kind.clone()).or_insert_with(|| Window::from(now));
        if window.written < WRITTEN {
            window.written += 1;
            return Added::Written;
        }
        window.counted.lines += 1;
        window.counted.request_id = request_id;
        match window.counted.lines {
            1 => Added::FirstCounted { of: kind, end: window.end },
            _ => Added::Counted,
        }
    }

    /// Takes what was counted of a kind; its next line begins a new window.
    fn take(&self, kind: &LineKind) -> Option<Counted> {
        let mut windows = self.windows();
        let has_counted = windows.get(kind).is_some_and(|window| window.counted.lines > 0);
        has_counted.then(|| windows.remove(kind)).flatten().map(|window| window.counted)
    }

    /// Takes what was counted of all kinds.
    fn take_all(&self) -> Vec<(LineKind, Counted)> {
        let kinds: Vec<LineKind> = self.windows().keys().cloned().collect();
        kinds.into_iter().filter_map(|kind| self.take(&kind).map(|it| (kind, it))).collect()
    }
}

impl Counted {
    fn write(&self, kind: &LineKind) {
        let (times, request_id) = (self.lines, self.request_id.as_deref());
        let (line, what) = (kind.line, kind.subject.as_str());
        match kind.is_error {
            true => tracing::error!(what, times, request_id, "{line}, and more of the same"),
            false => tracing::warn!(what, times, request_id, "{line}, and more of the same"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(sampler: &LogSampler, subject: &str, now: Instant) -> Added {
        sampler.add(&LineKind::warning("it failed", subject), Some("r-7".to_owned()), now)
    }

    #[test]
    fn the_first_of_a_kind_are_written_and_the_others_counted_until_the_window_ends() {
        let (sampler, start) = (LogSampler::new(), Instant::now());
        let kind = LineKind::warning("it failed", "reading: refused");
        let end = start + WINDOW;
        for round in 0..2 {
            let now = start + WINDOW * round;
            for _ in 0..WRITTEN {
                assert_eq!(add(&sampler, "reading: refused", now), Added::Written);
            }
            let first = add(&sampler, "reading: timed out", now + WINDOW / 2);
            assert_eq!(first, Added::FirstCounted { of: kind.clone(), end: end + WINDOW * round });
            assert_eq!(add(&sampler, "reading: refused", now + WINDOW / 2), Added::Counted);
            assert_eq!(add(&sampler, "writing: refused", now), Added::Written, "of another kind");
            // Its end is told a little late.
            assert_eq!(add(&sampler, "reading: refused", now + WINDOW), Added::Counted);
            let request_id = Some("r-7".to_owned());
            assert_eq!(sampler.take(&kind), Some(Counted { lines: 3, request_id }));
            assert_eq!(sampler.take(&kind), None);
        }
    }

    #[test]
    fn what_is_counted_of_all_kinds_can_be_taken_before_their_windows_end() {
        let (sampler, now) = (LogSampler::new(), Instant::now());
        let lines = [("few", WRITTEN), ("many", WRITTEN + 2), ("more", WRITTEN + 7)];
        for (subject, lines) in lines {
            for _ in 0..lines {
                add(&sampler, subject, now);
            }
        }
        let taken = sampler.take_all().into_iter().map(|(kind, it)| (kind.subject, it.lines));
        assert_eq!(taken.collect::<Vec<_>>(), [("many".to_owned(), 2), ("more".to_owned(), 7)]);
        assert_eq!(sampler.take_all(), []);
        let of_few = add(&sampler, "few", now);
        assert!(matches!(of_few, Added::FirstCounted { .. }), "its window goes on");
    }

    #[test]
    fn a_kind_of_which_few_come_is_always_written() {
        let (sampler, start) = (LogSampler::new(), Instant::now());
        for number in 0..100 {
            assert_eq!(add(&sampler, "reading", start + WINDOW / 4 * number), Added::Written);
        }
        assert_eq!(sampler.take(&LineKind::warning("it failed", "reading")), None);
    }

    #[test]
    fn a_count_that_is_not_taken_does_not_silence_its_kind() {
        let (sampler, start) = (LogSampler::new(), Instant::now());
        for _ in 0..=WRITTEN {
            add(&sampler, "reading", start);
        }
        assert_eq!(add(&sampler, "reading", start + WINDOW * 2), Added::Written);
    }

    #[test]
    fn however_many_kinds_there_are_few_are_told_apart() {
        let (sampler, now) = (LogSampler::new(), Instant::now());
        let written = (0..1_000)
            .filter(|number| add(&sampler, &format!("reading {number}"), now) == Added::Written);
        assert_eq!(written.count(), KINDS + WRITTEN);
        assert_eq!(sampler.windows().len(), KINDS + 1);
        let others = sampler.take(&LineKind::warning("it failed", "others"));
        assert_eq!(others.map(|counted| counted.lines), Some(1_000 - KINDS - WRITTEN));
        assert_eq!(add(&sampler, "reading 1000", now + WINDOW), Added::Written);
        assert_eq!(sampler.windows().len(), 1, "those that are over are forgotten");
        assert!(LineKind::error("it failed", &"ü".repeat(1_000)).subject.len() <= 2 * SUBJECT);
    }
}
