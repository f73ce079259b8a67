//! The results as a picture: ratios with their spread and bars, CPU time by process, and times by load.

mod knee;

use std::fmt::Write as _;

use crate::results::{Entry, Results};
use crate::scenario::Unit;

const WIDTH: f64 = 900.0;
/// Where names end and drawings begin.
const LEFT: f64 = 130.0;
const ROW: f64 = 26.0;
/// Names of processes with their colours, from the client to the views; the raw loops' parts have those
/// of the services whose place they take.
const COLOURS: [(&str, &str); 11] = [
    ("load", "#9e9e9e"),
    ("loop", "#4e79a7"),
    ("command-api", "#4e79a7"),
    ("api", "#4e79a7"),
    ("mongod", "#59a14f"),
    ("RabbitMQ", "#f28e2b"),
    ("projector", "#b07aa1"),
    ("worker", "#b07aa1"),
    ("Redis", "#e15759"),
    ("query-api", "#76b7b2"),
    ("query", "#76b7b2"),
];

/// An SVG.
pub fn render(results: &Results) -> String {
    let mut svg = Svg::default();
    svg.title(&format!(
        "Waybill and its yardsticks, {}, {} cores, median of {} rounds",
        results.date, results.machine.cores, results.rounds
    ));
    let ratios: Vec<&Entry> = results.entries.iter().filter(|it| it.ratio.is_some()).collect();
    svg.title("Ratio to the yardstick (1 = as good; whiskers min..max; | the bar)");
    let most = ratios.iter().filter_map(|it| it.ratio).map(|ratio| ratio.max).fold(1.2, f64::max);
    let scale = (WIDTH - LEFT - 60.0) / most;
    svg.line(LEFT + scale, svg.y, ROW * ratios.len() as f64, "#333");
    for entry in ratios {
        svg.ratio(entry, scale);
    }
    // Where one client waits for one answer most of the cost is waking up: it would dwarf the others.
    let under_load = |it: &&Entry| !it.cpu.is_empty() && it.unit != Unit::Milliseconds;
    let costly: Vec<&Entry> = results.entries.iter().filter(under_load).collect();
    svg.title("CPU, µs per command, request or event, by process");
    let most = costly.iter().map(|entry| entry.cpu_sum()).fold(1.0, f64::max);
    for entry in costly {
        svg.cpu(entry, (WIDTH - LEFT - 60.0) / most);
    }
    svg.legend();
    if let Some(entry) = results.entry("knee") {
        knee::draw(&mut svg, entry);
    }
    svg.finish()
}

#[derive(Default)]
struct Svg {
    body: String,
    y: f64,
}

impl Svg {
    fn text(&mut self, x: f64, anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let y = self.y + 0.7 * ROW;
        // Writing to a String never fails; the same below.
        writeln!(self.body, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#)
            .ok();
    }

    fn rectangle(&mut self, x: f64, width: f64, colour: &str) {
        let (y, height) = (self.y + 0.2 * ROW, 0.6 * ROW);
        writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        )
        .ok();
    }

    /// From `y` down.
    fn line(&mut self, x: f64, y: f64, height: f64, colour: &str) {
        let end = y + height;
        writeln!(
            self.body,
            r#"<line x1="{x:.1}" y1="{y:.1}" x2="{x:.1}" y2="{end:.1}" stroke="{colour}"/>"#
        )
        .ok();
    }

    fn title(&mut self, text: &str) {
        self.y += 0.4 * ROW;
        self.text(10.0, "start", text);
        self.y += 1.2 * ROW;
    }

    fn ratio(&mut self, entry: &Entry, scale: f64) {
        let Some(ratio) = entry.ratio else { return };
        self.text(LEFT - 8.0, "end", &entry.name);
        self.rectangle(LEFT, ratio.median * scale, "#4e79a7");
        let (y, from, to) =
            (self.y + ROW / 2.0, LEFT + ratio.min * scale, LEFT + ratio.max * scale);
        writeln!(
            self.body,
            r##"<line x1="{from:.1}" y1="{y:.1}" x2="{to:.1}" y2="{y:.1}" stroke="#000" stroke-width="2"/>"##
        )
        .ok();
        if let Some(bar) = entry.bar {
            self.line(LEFT + bar * scale, self.y + 2.0, ROW - 4.0, "#e15759");
        }
        self.text(
            LEFT + ratio.max.max(ratio.median) * scale + 6.0,
            "start",
            &format!("{:.2}", ratio.median),
        );
        self.y += ROW;
    }

    fn cpu(&mut self, entry: &Entry, scale: f64) {
        self.text(LEFT - 8.0, "end", &entry.name);
        let mut x = LEFT;
        for (name, colour) in COLOURS {
            let width = entry.cpu.get(name).copied().unwrap_or_default() * scale;
            self.rectangle(x, width, colour);
            x += width;
        }
        self.text(x + 6.0, "start", &format!("{:.0}", entry.cpu_sum()));
        self.y += ROW;
    }

    fn legend(&mut self) {
        let mut x = LEFT;
        for (name, colour) in
            COLOURS.iter().filter(|(name, _)| !["loop", "api", "worker", "query"].contains(name))
        {
            self.rectangle(x, 14.0, colour);
            self.text(x + 18.0, "start", name);
            x += 34.0 + 8.0 * name.len() as f64;
        }
        self.y += ROW;
    }

    fn finish(self) -> String {
        let (height, body) = (self.y + 10.0, self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{entry, results};

    #[test]
    fn every_process_that_is_measured_has_a_colour() {
        let svg = render(&results(vec![entry("a<b", Some(0.5)), entry("c", None)]));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("a&lt;b") && svg.contains("#59a14f") && svg.contains("#9e9e9e"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert!(!svg.contains("polyline"), "the knee was not measured");
    }

    #[test]
    fn the_knee_is_drawn_by_what_was_seen_at_each_load() {
        let mut knee = entry("knee", None);
        for (load, [rate, taken, p99]) in
            [(50, [500.0, 500.0, 10.0]), (100, [1_000.0, 900.0, 20_000.0])]
        {
            let [offered, accepted, _, late] = crate::scenario::knee::names(load);
            knee.more.extend([(offered, rate), (accepted, taken), (late, p99)]);
        }
        let svg = render(&results(vec![knee]));
        assert_eq!(svg.matches("<polyline").count(), 3);
        assert!(svg.contains(">20000</text>") && svg.contains(">500</text>"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert!(!render(&results(vec![entry("knee", None)])).contains("polyline"));
    }
}
