//! Orders taken, and how long their answers take, over the rate that is asked for.

use std::fmt::Write as _;

use super::{LEFT, ROW, Svg, WIDTH};
use crate::results::Entry;
use crate::scenario::knee::{LOADS, names};

const HEIGHT: f64 = 200.0;
/// Milliseconds at the bottom and at the top; equal factors have equal heights.
const TIMES: (f64, f64) = (1.0, 10_000.0);
const TAKEN: &str = "#4e79a7";
const P99: &str = "#e15759";

/// What was seen at one load.
struct Step {
    offered: f64,
    accepted: f64,
    p99_ms: f64,
}

fn steps(entry: &Entry) -> Vec<Step> {
    let step = |load| {
        let [offered, accepted, _, p99_ms] = names(load).map(|name| entry.more.get(&name).copied());
        Some(Step { offered: offered?, accepted: accepted?, p99_ms: p99_ms? })
    };
    LOADS.into_iter().filter_map(step).collect()
}

/// Adds the two lines below what is there; nothing where it was not measured.
pub fn draw(svg: &mut Svg, entry: &Entry) {
    let steps = steps(entry);
    let most = steps.iter().map(|step| step.offered).fold(0.0, f64::max);
    if most <= 0.0 {
        return;
    }
    svg.title(
        "Orders taken per second (blue; grey: all) and p99 in ms (red), by orders due per second",
    );
    let bottom = svg.y + HEIGHT;
    let across = |rate: f64| LEFT + rate / most * (WIDTH - LEFT - 90.0);
    let up = |rate: f64| bottom - rate / most * HEIGHT;
    let (least, greatest) = (TIMES.0.ln(), TIMES.1.ln());
    let slow = |ms: f64| {
        let height = (ms.clamp(TIMES.0, TIMES.1).ln() - least) / (greatest - least);
        bottom - height * HEIGHT
    };
    let line = |svg: &mut Svg, colour: &str, points: &[(f64, f64)]| {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        // Writing to a String never fails.
        writeln!(
            svg.body,
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>"#
        )
        .ok();
    };
    line(svg, "#ccc", &[(across(0.0), up(0.0)), (across(most), up(most))]);
    let of = |height: &dyn Fn(&Step) -> f64| -> Vec<(f64, f64)> {
        steps.iter().map(|step| (across(step.offered), height(step))).collect()
    };
    line(svg, TAKEN, &of(&|step| up(step.accepted)));
    line(svg, P99, &of(&|step| slow(step.p99_ms)));
    for step in &steps {
        svg.y = slow(step.p99_ms) - ROW;
        svg.text(across(step.offered), "middle", &format!("{:.0}", step.p99_ms));
        svg.y = bottom;
        svg.text(across(step.offered), "middle", &format!("{:.0}", step.offered));
    }
    svg.y = bottom + ROW;
}
