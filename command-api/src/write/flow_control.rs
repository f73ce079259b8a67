//! Holds groups back while the live views are too far behind the log: what is acknowledged can then be
//! read within a bounded time. Commands wait in the bounded queue meanwhile, and are turned away when
//! that is full.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::log::Position;
use shared::event_store::EventStore;
use shared::service::config::{Settings, duration};
use shared::service::health::Health;
use shared::service::vital::panics;
use tokio::sync::watch;

use super::appended::Appended;
use super::lag_gauge::LagGauge;
use crate::metrics;

/// Between two looks at how far the views are, while there are commits that they lack.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Less than a command may wait, so that none is turned away for want of a projector.
const DEFAULT_MAX_HOLD: Duration = Duration::from_secs(5);
/// After a fault, until the views are looked at anew.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// The name under which the service tells that groups are not held back although they should be.
const HEALTH_PART: &str = "flow control";
/// What it tells where the views stay as they are, and where it can't be read how far they are.
const STUCK: &str = "commands are not held back: no projector moves on";
const UNREADABLE: &str = "commands are not held back: how far the views are can't be read";

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
        let max_hold = settings.or("WAYBILL_MAX_HOLD", DEFAULT_MAX_HOLD, duration);
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
    /// Starts the task that looks at the views. It ends with the last of these. After a fault it begins anew;
    /// nothing is held back meanwhile.
    pub fn start(control: FlowControl, store: Arc<dyn EventStore>, health: Health) -> Self {
        let (hold, held) = watch::channel(false);
        let appended = Arc::<Mutex<Appended>>::default();
        if let Some(max_lag) = control.max_lag {
            let (appended, hold) = (appended.clone(), Hold { held: hold, health });
            tokio::spawn(async move {
                let gauge = || LagGauge::new(max_lag, control.max_hold);
                let looks = || watch_views(gauge(), &appended, store.as_ref(), &hold);
                while panics(looks()).await {
                    tracing::error!("looking at how far the views are panicked; it begins anew");
                    lock(&appended).looked(u64::MAX);
                    hold.release();
                    tokio::time::sleep(RESTART_DELAY).await;
                }
            });
        }
        Self { held, appended }
    }

    pub fn is_held(&self) -> bool {
        *self.held.borrow() || lock(&self.appended).is_too_much()
    }

    /// Returns when it begins or ends that groups are held back.
    pub async fn changed(&mut self) {
        if self.held.changed().await.is_err() {
            std::future::pending::<()>().await; // Without a bound it never does.
        }
    }

    /// There is a commit at this position: it was acknowledged, and the state of its stream has so many bytes
    /// after it; or it was read, and has none.
    pub fn appended(&self, position: Position, bytes: usize) {
        lock(&self.appended).add(position, bytes);
    }
}

/// Tells whether groups are held back, and that they are not although they should be. However the task ends
/// that has it, it tells neither any more.
struct Hold {
    held: watch::Sender<bool>,
    health: Health,
}

impl Hold {
    fn set(&self, held: bool, was_paused: bool) {
        metrics::HELD.set_to(held || was_paused);
        self.held.send_if_modified(|before| std::mem::replace(before, held) != held || was_paused);
    }

    /// Nothing is known of the views.
    fn release(&self) {
        metrics::HELD.set_to(false);
        self.held.send_replace(false);
        self.health.clear_note(HEALTH_PART);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}

fn lock(appended: &Mutex<Appended>) -> MutexGuard<'_, Appended> {
    appended.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch_views(
    mut gauge: LagGauge,
    appended: &Mutex<Appended>,
    store: &dyn EventStore,
    hold: &Hold,
) {
    while !hold.held.is_closed() {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let rests = lock(appended).rest(|| {
            gauge.rest();
            gauge.most_within(LOOK_INTERVAL)
        });
        if rests {
            continue;
        }
        let (held, why) = match store.views_report().await {
            Ok(report) => (gauge.look(report, &mut lock(appended)), STUCK),
            Err(failure) => {
                tracing::debug!(%failure, "looking at how far the views are");
                (gauge.look_again(&mut lock(appended)), UNREADABLE)
            }
        };
        // What is appended from now on is looked at the next time.
        let was_paused = lock(appended).looked(gauge.most_within(LOOK_INTERVAL));
        hold.set(held, was_paused);
        match gauge.is_given_up() {
            true => hold.health.note(HEALTH_PART, why),
            false => hold.health.clear_note(HEALTH_PART),
        }
    }
}
