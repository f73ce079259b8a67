//! How smoothly a browser draws a page: its frames, and the tasks that hold them up.

use crate::browser::Browser;

/// Frames a second that a page has to have: 60, less one in twenty.
pub const MIN_PER_SECOND: f64 = 57.0;

/// Notes when each frame begins, and each task of 50 ms or more (<https://w3c.github.io/longtasks/>), until
/// `framesSeen` is called. Times are in milliseconds.
const NOTE: &str = "
    const begun = performance.now(), frames = [], tasks = [];
    const observer = new PerformanceObserver(list => tasks.push(...list.getEntries()));
    observer.observe({ entryTypes: ['longtask'] });
    let next = requestAnimationFrame(function frame(now) {
        frames.push(now);
        next = requestAnimationFrame(frame);
    });
    window.framesSeen = () => {
        cancelAnimationFrame(next);
        tasks.push(...observer.takeRecords());
        observer.disconnect();
        return [begun, frames, performance.now(), tasks.map(task => task.duration)];
    };";

/// The frames of some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frames {
    pub per_second: f64,
    /// The longest time between two of them, or from the last one to the end, in milliseconds.
    pub longest: f64,
    /// Tasks of 50 ms or more.
    pub long_tasks: usize,
    /// How long all of these took, in milliseconds.
    pub long_tasks_took: f64,
}

impl Frames {
    /// Of the page that is open, until something is over.
    pub async fn during(browser: &Browser, something: impl Future<Output = ()>) -> Self {
        browser.run(NOTE).await;
        something.await;
        let seen = browser.run("return framesSeen()").await;
        let (begun, frames, ended, tasks): (f64, Vec<f64>, f64, Vec<f64>) =
            serde_json::from_value(seen).expect("times");
        Self::of((begun, ended), &frames, &tasks)
    }

    /// Of what began at these times from one time to another, with tasks that took so long.
    pub fn of((begun, ended): (f64, f64), frames: &[f64], tasks: &[f64]) -> Self {
        let times: Vec<f64> = [&[begun][..], frames, &[ended]].concat();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        Self {
            per_second: frames.len() as f64 * 1_000.0 / (ended - begun),
            longest: gaps.fold(0.0, f64::max),
            long_tasks: tasks.len(),
            long_tasks_took: tasks.iter().sum(),
        }
    }

    /// Whether it has 60 a second, but for a few.
    pub fn are_enough(&self) -> bool {
        self.per_second >= MIN_PER_SECOND
    }
}
