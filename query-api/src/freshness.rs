//! How old what the views lack may be, as far as projectors tell: query-api reads the views alone.

use std::time::Duration;

use kernel::Timestamp;
use shared::service::config::{Settings, duration};
use shared::service::health::Health;
use shared::view_store::GenerationId;
use tokio_util::sync::CancellationToken;

use crate::Service;
use crate::metrics::STALENESS;

/// Between two looks at the views.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// A bound must be greater: projectors tell every second, and a healthy system may be so late.
const MIN_BOUND: Duration = Duration::from_secs(5);

/// Watches the live views, and keeps `/readyz` true.
pub struct Freshness {
    /// Beyond it the service is not ready.
    max_lag: Option<Duration>,
    told: Option<(GenerationId, Timestamp)>,
}

impl Freshness {
    /// `max_lag`: from which staleness on the service is not ready; `None` for never.
    pub fn new(max_lag: Option<Duration>) -> Self {
        Self { max_lag, told: None }
    }

    /// Reads `WAYBILL_READY_MAX_LAG`, a time or `off`.
    pub fn read(settings: &mut Settings) -> Option<Duration> {
        settings.or("WAYBILL_READY_MAX_LAG", None, |value| {
            let expected = |expected| format!("{expected} of at least 5s, or off");
            match value {
                "off" => Ok(None),
                _ => match duration(value).map_err(expected)? {
                    bound if bound >= MIN_BOUND => Ok(Some(bound)),
                    _ => Err(expected(format!("expected a time, got {value:?}; it must be one"))),
                },
            }
        })
    }

    /// Looks again and again until `stop`, and keeps the parts `redis` and `views` of the health true.
    pub async fn watch(mut self, service: &Service, health: &Health, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let looked = self.look(service, health).await;
            self.judge(looked, health);
            stop.run_until_cancelled(tokio::time::sleep(LOOK_INTERVAL)).await;
        }
    }

    /// The same without a judgement: it is measured and told alone.
    pub async fn measure(mut self, service: &Service, health: &Health, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(failure) = self.look(service, health).await {
                tracing::debug!(%failure, "looking how far the views are");
            }
            stop.run_until_cancelled(tokio::time::sleep(LOOK_INTERVAL)).await;
        }
    }

    /// Measures how far the live views are.
    async fn look(&mut self, service: &Service, health: &Health) -> kernel::Result<Looked> {
        let Some((generation, progress)) = service.live_progress().await? else {
            return Ok(Looked::NoViews);
        };
        // What was told holds on when it is told no longer: it becomes older.
        if let Some(complete) = progress.and_then(|progress| progress.complete_until) {
            self.told = Some((generation.clone(), complete));
        }
        let told = self.told.as_ref().filter(|(of, _)| *of == generation);
        let staleness = told.map(|(_, complete)| complete.age());
        STALENESS.set(staleness.map_or(f64::INFINITY, |staleness| staleness.as_secs_f64()));
        health.tell("behind", describe(staleness));
        let is_fresh = |max| staleness.is_some_and(|staleness| staleness <= max);
        Ok(if self.max_lag.is_none_or(is_fresh) { Looked::Fresh } else { Looked::Stale })
    }

    fn judge(&self, looked: kernel::Result<Looked>, health: &Health) {
        let looked = match looked {
            Ok(looked) => looked,
            Err(failure) => return health.waits("redis", failure),
        };
        health.ready("redis");
        match looked {
            Looked::Fresh => health.ready("views"),
            Looked::NoViews => {
                health.waits("views", "there are no views yet: a projector makes them");
            }
            Looked::Stale => {
                let max = self.max_lag.unwrap_or_default();
                let why = "they are not known to hold what was recorded up to";
                health.waits("views", format!("{why} {max:?} ago (WAYBILL_READY_MAX_LAG)"));
            }
        }
    }
}

/// What a look came to.
enum Looked {
    NoViews,
    /// Further behind than is allowed.
    Stale,
    Fresh,
}

fn describe(staleness: Option<Duration>) -> String {
    match staleness {
        Some(staleness) => {
            let seconds = staleness.as_secs_f64();
            format!("the views hold what was recorded up to {seconds:.1} s ago")
        }
        None => "no projector has told yet how far the views are".to_owned(),
    }
}
