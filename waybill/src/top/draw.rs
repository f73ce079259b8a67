//! The screen.

use std::collections::VecDeque;

use anstream::{AutoStream, ColorChoice};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, RenderDirection, Row, Sparkline, Table};

use super::Sample;
use super::lines::{figures, generation, or_nothing};
use super::sample::State;
use super::screen::History;
use crate::output::plain;

/// Colours only where the user and the terminal want any, as for all that commands print.
fn color(color: Color) -> Style {
    match AutoStream::choice(&std::io::stdout()) {
        ColorChoice::Never => Style::new(),
        _ => Style::new().fg(color),
    }
}

/// Lines of the title, and of the figures.
const TITLE: u16 = 1;
const FIGURES: u16 = 6;
/// Lines of a table beside its rows: its border and its headings.
const AROUND_ROWS: u16 = 3;
/// Lines that the hottest streams have at least, and those that they have before there are curves.
const FEW_STREAMS: u16 = AROUND_ROWS + 1;
const SOME_STREAMS: u16 = AROUND_ROWS + 4;
/// Lines of the curves, their border included: at least and at most.
const CURVES: [u16; 2] = [3, 6];

/// Lines of what may be higher or lower. The hottest streams have all others.
struct Heights {
    services: u16,
    generations: u16,
    curves: u16,
}

impl Heights {
    /// On a low terminal there are no curves, which only show what the figures were before; on a lower
    /// one not every service is shown.
    fn of(height: u16, sample: &Sample) -> Self {
        let table =
            |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(AROUND_ROWS);
        let left = height.saturating_sub(TITLE + FIGURES);
        let generations = table(sample.generations.as_ref().map_or(0, Vec::len)).clamp(4, 6);
        let for_services = left.saturating_sub(generations + FEW_STREAMS).clamp(4, 12);
        let services = table(sample.services.len()).min(for_services);
        let [least, most] = CURVES;
        let curves = left.saturating_sub(generations + services + SOME_STREAMS).min(most);
        Self { services, generations, curves: if curves < least { 0 } else { curves } }
    }
}

/// Draws a sample; until there is one, that it is being taken.
pub fn draw(frame: &mut Frame<'_>, sample: Option<&Sample>, history: &History) {
    let Some(sample) = sample else {
        return frame.render_widget("Asking the services …", frame.area());
    };
    let heights = Heights::of(frame.area().height, sample);
    let [title, numbers, curves, workers, views, streams] = Layout::vertical([
        Constraint::Length(TITLE),
        Constraint::Length(FIGURES),
        Constraint::Length(heights.curves),
        Constraint::Length(heights.services),
        Constraint::Length(heights.generations),
        Constraint::Min(0),
    ])
    .areas(frame.area());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(
        Line::from(vec![
            Span::styled("waybill top", bold),
            format!("  {}  q ends it", sample.at).into(),
        ]),
        title,
    );
    let lines = figures(sample).into_iter().map(|(name, told)| {
        let is_missing = told.starts_with("not told");
        let style = if is_missing { color(Color::Yellow) } else { Style::new() };
        Line::from(vec![Span::styled(format!("{name:<13}"), bold), Span::styled(told, style)])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), numbers);
    let [one, other] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(curves);
    curve(frame, one, "commits per second", &history.commits, Color::Cyan);
    curve(frame, other, "changes per second", &history.changes, Color::Green);
    draw_services(frame, workers, sample);
    draw_generations(frame, views, sample);
    draw_streams(frame, streams, sample);
}

/// The newest rate is at the right. Where none was told there are dots.
fn curve(frame: &mut Frame<'_>, area: Rect, title: &str, rates: &VecDeque<Option<u64>>, of: Color) {
    let most = or_nothing(rates.iter().flatten().max(), "");
    let block = Block::bordered().title(format!("{title}, at most {most}"));
    let curve = Sparkline::default()
        .block(block)
        .style(color(of))
        .direction(RenderDirection::RightToLeft)
        .absent_value_symbol("·")
        .data(rates.iter().rev());
    frame.render_widget(curve, area);
}

fn draw_services(frame: &mut Frame<'_>, area: Rect, sample: &Sample) {
    let rows = sample.services.iter().map(|one| {
        let style = match one.state {
            State::Ready => color(Color::Green),
            State::Waiting => color(Color::Yellow),
            State::Unreachable => color(Color::Red),
        };
        let cells = [
            one.service.to_owned(),
            plain(&one.url),
            one.state.as_str().to_owned(),
            plain(one.serves.as_deref().unwrap_or_default()),
            plain(one.note.as_deref().unwrap_or_default()),
        ];
        Row::new(cells).style(style)
    });
    let widths = [
        Constraint::Length(12),
        Constraint::Length(28),
        Constraint::Length(12),
        Constraint::Length(14),
        Constraint::Fill(1),
    ];
    let header = Row::new(["service", "at", "state", "serves", "note"]);
    table(frame, area, "services", header, rows.collect(), &widths);
}

fn draw_generations(frame: &mut Frame<'_>, area: Rect, sample: &Sample) {
    let all = sample.generations.iter().flatten();
    let widths = [
        Constraint::Length(16),
        Constraint::Fill(1),
        Constraint::Length(12),
        Constraint::Length(8),
    ];
    let header = Row::new(["generation", "state", "checkpoint", "parked"]);
    let rows = all.map(|one| Row::new(generation(one))).collect();
    table(frame, area, "views", header, rows, &widths);
}

fn draw_streams(frame: &mut Frame<'_>, area: Rect, sample: &Sample) {
    let hottest = sample.changes.iter().flat_map(|changes| &changes.hottest);
    let rows = hottest.map(|one| Row::new([plain(&one.stream), one.changes.to_string()]));
    let widths = [Constraint::Length(44), Constraint::Length(10)];
    let header = Row::new(["stream", "changes"]);
    table(frame, area, "hottest in the last 30 to 60 s", header, rows.collect(), &widths);
}

fn table(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    header: Row<'_>,
    rows: Vec<Row<'_>>,
    widths: &[Constraint],
) {
    let header = header.style(Style::new().add_modifier(Modifier::BOLD));
    let table = Table::new(rows, widths.to_vec()).header(header);
    frame.render_widget(table.block(Block::bordered().title(title.to_owned())), area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::super::sample::{Changes, Hottest, Log, Missing, Service};
    use super::*;

    fn screen(sample: Option<&Sample>, width: u16, height: u16) -> String {
        let mut history = History::default();
        sample.into_iter().for_each(|sample| history.add(sample));
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, sample, &history)).unwrap();
        terminal.backend().to_string()
    }

    fn service(service: &'static str, state: State, note: Option<&str>) -> Service {
        let url = "http://127.0.0.1:8081".to_owned();
        Service { service, url, state, note: note.map(str::to_owned), serves: None }
    }

    fn sample() -> Sample {
        let hottest = vec![Hottest { stream: "order-7\u{1b}[2J".to_owned(), changes: 42 }];
        Sample {
            log: Some(Log { head: 1_234, positions_per_second: Some(567.0) }),
            changes: Some(Changes {
                per_second: 89.0,
                lag_ms: Some(12),
                applied: Some(1_230),
                hottest,
            }),
            queue: Some(321),
            generations: Some(vec![
                json!({ "id": "v3-aa", "live": true, "checkpoint": 1_200, "parked": 0 }),
                json!({
                    "id": "v3-bb", "building": true, "checkpoint": 500, "parked": 0,
                    "progress": {
                        "at": "2026-01-02T03:04:05.000Z", "reached": 600, "head": 1_234, "outrun": true,
                    },
                }),
            ]),
            services: vec![
                service("command-api", State::Ready, None),
                service("query-api", State::Unreachable, Some("connection refused")),
                service("projector", State::Ready, None),
            ],
            missing: vec![Missing { what: "views", why: "the projector is away".to_owned() }],
            ..Sample::default()
        }
    }

    #[test]
    fn the_screen_shows_the_figures_and_what_is_missing() {
        let shown = screen(Some(&sample()), 120, 40);
        for expected in [
            "567 per second, head 1234",
            "89 per second, lag 12 ms, applied up to 1230",
            "321 messages wait for the live views",
            "not told: the projector is away",
            "commits per second, at most 567",
            "connection refused",
            "v3-aa",
            "in the making, at 600 of 1234, outrun by the log",
            "order-7\u{fffd}[2J",
        ] {
            assert!(shown.contains(expected), "{expected} is not in\n{shown}");
        }
        assert!(screen(None, 40, 3).contains("Asking the services"));
    }

    #[test]
    fn a_curve_tells_what_is_not_known_from_a_rate_of_zero() {
        let quiet = Log { head: 1, positions_per_second: Some(0.0) };
        for (log, title, dots) in [
            (None, "commits per second, at most –", true),
            (Some(quiet), "commits per second, at most 0", false),
        ] {
            let changes = sample().changes;
            let shown = screen(Some(&Sample { log, changes, ..Sample::default() }), 120, 40);
            assert_eq!(are_shown(&shown, [title, "·"]), [true, dots], "{shown}");
        }
    }

    /// Whether each is on a screen.
    fn are_shown<const N: usize>(shown: &str, texts: [&str; N]) -> [bool; N] {
        texts.map(|text| shown.contains(text))
    }

    #[test]
    fn a_low_terminal_shows_the_hottest_streams_and_all_services_before_any_curve() {
        let mut sample = sample();
        let parts = ["command-api", "query-api", "projector", "v3-bb", "order-7", "at most 567"];
        for (height, curves) in [(24, false), (30, true), (40, true)] {
            let shown = screen(Some(&sample), 80, height);
            let expected = [true, true, true, true, true, curves];
            assert_eq!(are_shown(&shown, parts), expected, "{height}:\n{shown}");
        }
        sample.services.extend((0..20).map(|_| service("projector", State::Ready, None)));
        let shown = screen(Some(&sample), 80, 24);
        assert_eq!(are_shown(&shown, ["command-api", "v3-bb", "order-7"]), [true; 3], "{shown}");
    }

    #[test]
    fn a_terminal_of_any_size_is_drawn_on() {
        for (width, height) in [(1, 1), (3, 200), (300, 2), (20, 10), (80, 24)] {
            screen(Some(&sample()), width, height);
        }
    }
}
