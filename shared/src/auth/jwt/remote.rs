//! The keys of a provider at their URL: fetched now and then, and early when a token names a key that is
//! not known. The last good set stays in use while no other can be fetched.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use kernel::{Failure, Result, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::fetch::Fetcher;
use super::{Config, Verifier};
use crate::auth::{KEYS_FETCHED, KEYS_READABLE, RemoteKeys};
use crate::service::backoff::Backoff;
use crate::service::health::Health;

/// Its name in `/readyz` and in the log.
const PART: &str = "jwks";

/// Keys that are fetched.
pub struct Remote {
    config: Config,
    fetcher: Fetcher,
    interval: Duration,
    early: Duration,
    health: Health,
    /// None until a set was fetched.
    current: RwLock<Option<Arc<Fetched>>>,
    /// A token names another key.
    wanted: Notify,
}

struct Fetched {
    text: Bytes,
    verifier: Arc<Verifier>,
}

impl Remote {
    /// Nothing is fetched yet; `health` waits for it.
    pub fn new(config: &Config, keys: &RemoteKeys, health: &Health) -> Result<Self> {
        health.waits(PART, "the keys of the identity provider are being fetched");
        Ok(Self {
            config: config.clone(),
            fetcher: Fetcher::new(&keys.endpoint)?,
            interval: keys.interval,
            early: keys.early,
            health: health.clone(),
            current: RwLock::default(),
            wanted: Notify::new(),
        })
    }

    fn current(&self) -> Option<Arc<Fetched>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Finds out whose a token is, by the last good set; none until one was fetched.
    pub fn verifier(&self) -> Option<Arc<Verifier>> {
        self.current().map(|current| current.verifier.clone())
    }

    /// A token names a key that is not known: the next fetch comes early.
    pub fn want_other_keys(&self) {
        self.wanted.notify_one();
    }

    /// Fetches for ever. Between the starts of two fetches there is the interval, or, where a token asked
    /// for another key or the last one failed, the time of an early one. Until the first success it is
    /// tried again as with any server.
    pub async fn follow(&self) {
        let mut at_start = Backoff::for_servers();
        let mut failing = None;
        loop {
            let began = Instant::now();
            let fetched = self.fetch().await;
            let is_good = fetched.is_ok();
            self.tell(fetched, &mut failing);
            if self.current().is_none() {
                at_start.sleep().await;
                continue;
            }
            let early = began + self.early;
            let due = if is_good { began + self.interval } else { early };
            tokio::select! {
                () = sleep_until(due) => {}
                () = async { self.wanted.notified().await; sleep_until(early).await } => {}
            }
        }
    }

    /// Whether the set is another one than before.
    async fn fetch(&self) -> Result<bool> {
        let text = self.fetcher.fetch().await?;
        if self.current().is_some_and(|current| current.text == text) {
            return Ok(false);
        }
        let verifier = Verifier::new(&self.config, &text)
            .map_err(|why| Failure::transient("using the keys of the identity provider", why))?;
        super::count(&verifier);
        let fetched = Arc::new(Fetched { text, verifier: Arc::new(verifier) });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
        Ok(true)
    }

    /// `failing` is since when none could be fetched. What fails is told once for each reason.
    fn tell(&self, fetched: Result<bool>, failing: &mut Option<(Timestamp, Instant)>) {
        KEYS_READABLE.set_to(fetched.is_ok());
        match fetched {
            Ok(is_new) => {
                #[expect(clippy::cast_precision_loss, reason = "the whole milliseconds fit")]
                KEYS_FETCHED.set(Timestamp::now().as_millis() as f64 / 1_000.0);
                self.health.ready(PART);
                self.health.clear_note(PART);
                if let Some((_, since)) = failing.take() {
                    let failed_seconds = since.elapsed().as_secs();
                    tracing::info!(failed_seconds, "the identity provider serves its keys again");
                }
                if is_new {
                    tracing::info!("other keys of the identity provider are in use");
                }
            }
            Err(failure) => match self.current() {
                None => self.health.waits(PART, failure),
                Some(_) => {
                    let (since, _) =
                        failing.get_or_insert_with(|| (Timestamp::now(), Instant::now()));
                    let told = format!("the last good keys are in use since {since}: {failure}");
                    self.health.note(PART, &told);
                }
            },
        }
    }
}
