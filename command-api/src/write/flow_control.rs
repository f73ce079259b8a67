//! Holds groups back while the live views are too far behind the log: what is acknowledged can then be
//! read within a bounded time. Commands wait in the bounded queue meanwhile, and are turned away when
//! that is full.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::log::Position;
use shared::event_store::{EventStore, ViewsReport};
use shared::service::config::{Settings, duration};
use shared::service::health::Health;
use tokio::sync::watch;
use tokio::time::Instant;

/// Between two looks at how far the views are, while there are commits that they lack.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Appends within so short a time count as one.
const SAMPLE: Duration = Duration::from_millis(10);
/// Appends that are remembered; later ones count to the last of them.
const MAX_SAMPLES: usize = 10_000;
/// The name under which the service tells that groups are not held back although they should be.
const HEALTH_PART: &str = "flow control";

/// How far the views may be behind.
#[derive(Debug, Clone, Copy)]
pub struct FlowControl {
    /// The age of the oldest commit that the views lack; `None` for no bound.
    pub max_lag: Option<Duration>,
    /// How long groups are held back without any progress of the views: no projector runs then, and
    /// the log stays available.
    pub max_hold: Duration,
}

impl FlowControl {
    /// Reads `WAYBILL_MAX_LAG`, a time or `off`, and `WAYBILL_MAX_HOLD`, a time.
    pub fn read(settings: &mut Settings) -> Self {
        let default = Some(Duration::from_secs(1));
        let max_lag = settings.or("WAYBILL_MAX_LAG", default, |value| match value {
            "off" => Ok(None),
            _ => duration(value).map(Some).map_err(|expected| format!("{expected}, or off")),
        });
        let max_hold = settings.or("WAYBILL_MAX_HOLD", Duration::from_secs(10), duration);
        Self { max_lag, max_hold }
    }

    /// No group is ever held back.
    pub fn off() -> Self {
        Self { max_lag: None, max_hold: Duration::MAX }
    }
}

/// Tells the scheduler whether groups are held back, and is told what was appended.
#[derive(Clone)]
pub struct Flow {
    held: watch::Receiver<bool>,
    appended: Arc<Mutex<Appended>>,
}

impl Flow {
    /// Starts the task that looks at the views. It ends with the last of these.
    pub fn start(control: FlowControl, store: Arc<dyn EventStore>, health: Health) -> Self {
        let (hold, held) = watch::channel(false);
        let appended = Arc::<Mutex<Appended>>::default();
        if let Some(max_lag) = control.max_lag {
            let gauge = Gauge::new(max_lag, control.max_hold);
            tokio::spawn(watch_views(gauge, appended.clone(), store, hold, health));
        }
        Self { held, appended }
    }

    pub fn is_held(&self) -> bool {
        *self.held.borrow()
    }

    /// Returns when it begins or ends that groups are held back.
    pub async fn changed(&mut self) {
        if self.held.changed().await.is_err() {
            std::future::pending::<()>().await; // Without a bound it never does.
        }
    }

    /// A group was acknowledged; `position` is its highest.
    pub fn appended(&self, position: Position) {
        lock(&self.appended).add(position);
    }
}

fn lock(appended: &Mutex<Appended>) -> MutexGuard<'_, Appended> {
    appended.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch_views(
    mut gauge: Gauge,
    appended: Arc<Mutex<Appended>>,
    store: Arc<dyn EventStore>,
    hold: watch::Sender<bool>,
    health: Health,
) {
    while !hold.is_closed() {
        tokio::time::sleep(LOOK_INTERVAL).await;
        if lock(&appended).samples.is_empty() {
            continue;
        }
        let report = match store.views_report().await {
            Ok(report) => report,
            Err(failure) => {
                tracing::debug!(%failure, "looking at how far the views are");
                continue;
            }
        };
        let held = gauge.look(report, &mut lock(&appended));
        hold.send_if_modified(|before| std::mem::replace(before, held) != held);
        match gauge.is_given_up() {
            true => health.note(HEALTH_PART, "commands are not held back: no projector moves on"),
            false => health.clear_note(HEALTH_PART),
        }
    }
}

/// When commits were acknowledged that the views may lack, ascending.
#[derive(Debug, Default)]
struct Appended {
    samples: VecDeque<(Instant, Position)>,
}

impl Appended {
    fn add(&mut self, position: Position) {
        let is_full = self.samples.len() >= MAX_SAMPLES;
        match self.samples.back_mut() {
            Some((since, last)) if is_full || since.elapsed() < SAMPLE => {
                *last = position.max(*last);
            }
            _ => self.samples.push_back((Instant::now(), position)),
        }
    }

    /// Forgets what the views hold. Returns the age of the oldest commit that they lack.
    fn lag(&mut self, checkpoint: Position) -> Duration {
        while self.samples.front().is_some_and(|(_, position)| *position <= checkpoint) {
            self.samples.pop_front();
        }
        self.samples.front().map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }
}

/// Decides whether groups are held back.
struct Gauge {
    /// Half of what is allowed: reports come a moment late, and what is under way is still appended.
    hold_above: Duration,
    max_hold: Duration,
    checkpoint: Option<Position>,
    moved: Instant,
    held: bool,
}

impl Gauge {
    fn new(max_lag: Duration, max_hold: Duration) -> Self {
        let hold_above = max_lag / 2;
        Self { hold_above, max_hold, checkpoint: None, moved: Instant::now(), held: false }
    }

    fn look(&mut self, report: Option<ViewsReport>, appended: &mut Appended) -> bool {
        let checkpoint = report.map(|report| report.checkpoint);
        if checkpoint != self.checkpoint {
            self.checkpoint = checkpoint;
            self.moved = Instant::now();
        }
        let lag = appended.lag(checkpoint.unwrap_or(0));
        let is_behind = lag > self.hold_above;
        if !is_behind {
            self.moved = self.moved.max(Instant::now());
        }
        self.held = is_behind && checkpoint.is_some() && !self.is_given_up();
        self.held
    }

    fn is_given_up(&self) -> bool {
        self.moved.elapsed() > self.max_hold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_LAG: Duration = Duration::from_secs(1);
    const MAX_HOLD: Duration = Duration::from_secs(10);

    fn at(checkpoint: Position) -> Option<ViewsReport> {
        Some(ViewsReport { checkpoint })
    }

    #[tokio::test(start_paused = true)]
    async fn groups_are_held_back_while_the_views_are_behind() {
        let (mut gauge, mut appended) = (Gauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        appended.add(5);
        assert!(!gauge.look(at(0), &mut appended), "they may be behind for a moment");
        tokio::time::advance(MAX_LAG).await;
        appended.add(9);
        assert!(gauge.look(at(4), &mut appended));
        assert!(!gauge.look(at(5), &mut appended), "what they lack is new");
        tokio::time::advance(MAX_LAG).await;
        assert!(gauge.look(at(8), &mut appended));
        assert!(!gauge.look(at(9), &mut appended));
        assert!(appended.samples.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_projector_nothing_is_held_back_for_long() {
        let (mut gauge, mut appended) = (Gauge::new(MAX_LAG, MAX_HOLD), Appended::default());
        appended.add(5);
        tokio::time::advance(MAX_LAG).await;
        assert!(!gauge.look(None, &mut appended), "there were never any views");
        assert!(gauge.look(at(1), &mut appended));
        tokio::time::advance(MAX_HOLD).await;
        assert!(gauge.look(at(2), &mut appended), "they move on, if slowly");
        tokio::time::advance(MAX_HOLD + MAX_LAG).await;
        assert!(!gauge.look(at(2), &mut appended));
        assert!(gauge.is_given_up());
        assert!(gauge.look(at(3), &mut appended), "one is there again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_of_appends_is_bounded() {
        let mut appended = Appended::default();
        for position in 1..=2 * MAX_SAMPLES as Position {
            appended.add(position);
            tokio::time::advance(SAMPLE).await;
        }
        assert_eq!(appended.samples.len(), MAX_SAMPLES);
        assert_eq!(appended.lag(2 * MAX_SAMPLES as Position), Duration::ZERO);
    }
}
