//! Samples on the terminal: one as text, or one after another until `q` is pressed.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use kernel::Failure;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::draw::draw;
use super::lines::{figures, generation};
use super::sample::State;
use super::{Sample, Sampler};
use crate::output::{BAD, BOLD, CARE, GOOD, Output, Table, left, right};

/// How many samples the curves show.
pub const HISTORY: usize = 300;
/// How soon a key is noticed.
const KEY_INTERVAL: Duration = Duration::from_millis(100);

/// Rates of the past, oldest first; `None` where none was told.
#[derive(Debug, Default)]
pub struct History {
    /// Positions per second.
    pub commits: VecDeque<Option<u64>>,
    /// Changes per second.
    pub changes: VecDeque<Option<u64>>,
}

impl History {
    /// Adds a sample; the oldest falls out.
    pub fn add(&mut self, sample: &Sample) {
        let log = sample.log.as_ref().and_then(|log| log.positions_per_second);
        let changes = sample.changes.as_ref().map(|changes| changes.per_second);
        for (rates, rate) in [(&mut self.commits, log), (&mut self.changes, changes)] {
            rates.push_back(rate.map(|rate| rate.round() as u64));
            if rates.len() > HISTORY {
                rates.pop_front();
            }
        }
    }
}

/// Prints one sample as text.
pub fn print(sample: &Sample, output: &mut Output) -> io::Result<()> {
    for (name, told) in figures(sample) {
        output.line(format_args!("{BOLD}{name:<13}{BOLD:#} {told}"))?;
    }
    let mut services =
        Table::new(&[left("SERVICE"), left("AT"), left("STATE"), left("SERVES"), left("NOTE")]);
    for one in &sample.services {
        let style = match one.state {
            State::Ready => GOOD,
            State::Waiting => CARE,
            State::Unreachable => BAD,
        };
        let none = anstyle::Style::new();
        let (serves, note) = (one.serves.as_deref(), one.note.as_deref());
        services.styled([
            (&one.service, none),
            (&one.url, none),
            (&one.state.as_str(), style),
            (&serves.unwrap_or_default(), none),
            (&note.unwrap_or_default(), none),
        ]);
    }
    output.line("")?;
    output.table(&services)?;
    if let Some(all) = sample.generations.as_ref().filter(|all| !all.is_empty()) {
        let columns = [left("GENERATION"), left("STATE"), right("CHECKPOINT"), right("PARKED")];
        let mut table = Table::new(&columns);
        for one in all {
            let [id, state, checkpoint, parked] = generation(one);
            table.row([&id, &state, &checkpoint, &parked]);
        }
        output.line("")?;
        output.table(&table)?;
    }
    let hottest = sample.changes.as_ref().map(|changes| &changes.hottest);
    if let Some(hottest) = hottest.filter(|hottest| !hottest.is_empty()) {
        let mut table = Table::new(&[left("HOTTEST STREAMS"), right("CHANGES")]);
        for one in hottest {
            table.row([&one.stream, &one.changes]);
        }
        output.line("")?;
        output.table(&table)?;
    }
    Ok(())
}

/// Shows samples until `q`, Esc or Ctrl-C is pressed, or until `stop`.
pub async fn show(
    mut sampler: Sampler,
    interval: Duration,
    stop: CancellationToken,
) -> kernel::Result<()> {
    let (send, samples) = watch::channel(None);
    let sampling = tokio::spawn(async move {
        sampler.until_open().await;
        loop {
            if send.send(Some(sampler.sample().await)).is_err() {
                return;
            }
            tokio::time::sleep(interval).await;
        }
    });
    let shown = tokio::task::spawn_blocking(move || run(samples, &stop));
    let what = "showing the screen";
    let shown = shown.await.map_err(|error| Failure::permanent(what, error))?;
    sampling.abort();
    shown.map_err(|error| Failure::permanent(what, error))
}

fn run(mut samples: watch::Receiver<Option<Sample>>, stop: &CancellationToken) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let (mut history, mut sample) = (History::default(), None);
    let shown = loop {
        if samples.has_changed().unwrap_or(false) {
            sample = samples.borrow_and_update().clone();
            sample.iter().for_each(|sample| history.add(sample));
        }
        if let Err(error) = terminal.draw(|frame| draw(frame, sample.as_ref(), &history)) {
            break Err(error);
        }
        match until_next(&mut samples, stop) {
            Ok(true) => {}
            ended => break ended.map(|_| ()),
        }
    };
    ratatui::try_restore()?;
    shown
}

/// Waits for a sample or for another size of the terminal; false when it is to end.
fn until_next(
    samples: &mut watch::Receiver<Option<Sample>>,
    stop: &CancellationToken,
) -> io::Result<bool> {
    loop {
        match samples.has_changed() {
            Ok(true) => return Ok(true),
            Err(_) => return Ok(false), // Sampling has ended.
            Ok(false) if stop.is_cancelled() => return Ok(false),
            Ok(false) => {}
        }
        if !event::poll(KEY_INTERVAL)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind == KeyEventKind::Press => {
                let control_c =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if control_c || [KeyCode::Char('q'), KeyCode::Esc].contains(&key.code) {
                    return Ok(false);
                }
            }
            Event::Resize(..) => return Ok(true),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Changes, Log};
    use super::*;

    #[test]
    fn a_rate_that_is_not_told_is_none_and_not_zero() {
        let log = |rate| Some(Log { head: 7, positions_per_second: rate });
        let none = Changes { per_second: 0.0, lag_ms: None, applied: None, hottest: vec![] };
        let mut history = History::default();
        for (log, changes) in [(None, None), (log(None), Some(none)), (log(Some(2.6)), None)] {
            history.add(&Sample { log, changes, ..Sample::default() });
        }
        assert_eq!(history.commits, [None, None, Some(3)]);
        assert_eq!(history.changes, [None, Some(0), None]);
        (0..HISTORY).for_each(|_| history.add(&Sample::default()));
        assert_eq!(history.commits, [None::<u64>; HISTORY]);
    }
}
