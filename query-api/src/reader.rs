//! One reader of the updates for the whole process. It works while queries wait or live streams are
//! open, wakes the ones and tells the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::Failure;
use kernel::log::StreamName;
use kernel::views::Batch;
use shared::http::consistency_token::Seen;
use shared::service::liveness::Work;
use shared::view_store::{Generation, Reached, Reading, Update, ViewStore};
use tokio::time::Instant;

use crate::live::Hub;
use crate::wait_list::{WaitList, Waiter};

/// How often the reader looks at the views for all requests that wait: updates may be missed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Streams that one such look asks for, in turn: what it costs must not grow with the requests.
const MAX_SWEPT: usize = 2_000;
/// Streams that one read of such a look asks for.
const SWEEP_PAGE: usize = 1_000;
/// How long the reader waits before it asks for the updates again.
const RECONNECT_DELAY: Duration = Duration::from_millis(250);
/// How long the reader goes on after the last one that wanted its news.
const READER_LINGER: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Reader {
    views: Arc<dyn ViewStore>,
    waiting: WaitList,
    hub: Arc<Hub>,
    state: Arc<Mutex<State>>,
    /// Gets on while updates are read.
    work: Work,
}

/// The task that reads. Should it end by a panic, the next request or stream begins another.
struct Task(Reader);

impl Drop for Task {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.state();
            state.is_read = false;
            self.0.work.rest();
            self.0.hub.end_all(); // With the state locked: none begins before this.
        }
    }
}

#[derive(Default)]
struct State {
    /// The one to read: that of the latest request, or the live one as it was last seen.
    generation: Option<Generation>,
    is_read: bool,
    /// When news were wanted last.
    wanted: Option<Instant>,
}

impl Reader {
    pub fn new(views: Arc<dyn ViewStore>, hub: Arc<Hub>, work: Work) -> Self {
        work.rest();
        Self { views, waiting: WaitList::default(), hub, state: Arc::default(), work }
    }

    /// Adds a request to the list of those that wait, and returns at once; see `WaitList::join`.
    pub fn join(&self, generation: &Generation, seen: &Seen) -> Waiter {
        let waiter = self.waiting.join(seen);
        self.read_for(generation);
        waiter
    }

    /// Sees to it that this generation is read, for whatever joined the list or the hub before.
    /// Where a later one is read, that goes on: this one was looked up just before a swap. (Should
    /// it be live after all, as clocks differ, the next look finds it.)
    pub fn read_for(&self, generation: &Generation) {
        let mut state = self.state();
        state.wanted = Some(Instant::now());
        let is_later = |read: &Generation| read.created_at > generation.created_at;
        if !(state.is_read && state.generation.as_ref().is_some_and(is_later)) {
            state.generation = Some(generation.clone());
        }
        if !std::mem::replace(&mut state.is_read, true) {
            self.work.must_progress();
            tokio::spawn(self.clone().read());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads updates and tells them, until none has wanted them for a while. Looks at the views
    /// beside that, so that answers that take long, or do not come, hold up nothing that is told.
    async fn read(self) {
        let _task = Task(self.clone());
        while let Some(generation) = self.wanted() {
            tokio::select! {
                () = self.keep_following(&generation) => {}
                () = self.keep_sweeping(&generation) => {}
            }
        }
    }

    /// Reads updates and tells them, as long as those of this generation are wanted.
    async fn keep_following(&self, generation: &Generation) {
        while self.is_wanted(generation) {
            if let Err(failure) = self.follow(generation).await {
                tracing::warn!(%failure, "changes of the views are not told; looking for them");
                tokio::time::sleep(RECONNECT_DELAY).await;
            }
        }
    }

    async fn follow(&self, generation: &Generation) -> kernel::Result<()> {
        let mut updates = self.views.updates(&generation.id).await?;
        self.waiting.wake(&[Update::Missed]); // From before the reading began.
        self.hub.begin(generation, updates.place()).await?;
        while self.is_wanted(generation) {
            let news = updates.next().await?;
            self.waiting.wake(&news);
            self.hub.tell(news, updates.place());
        }
        Ok(())
    }

    /// Looks at the views now and then, for just as long. Where the telling does not return, in the same
    /// task, neither does this.
    async fn keep_sweeping(&self, generation: &Generation) {
        while self.is_wanted(generation) {
            self.work.progress();
            tokio::time::sleep(SWEEP_INTERVAL).await;
            self.sweep_if_possible(generation).await;
        }
    }

    async fn sweep_if_possible(&self, generation: &Generation) {
        if let Err(failure) = self.sweep(generation).await {
            tracing::debug!(%failure, "looking at the views that requests wait for");
        }
    }

    /// Looks at what is waited for, at each part of it in turn, and wakes the requests that it concerns.
    async fn sweep(&self, generation: &Generation) -> kernel::Result<()> {
        for page in self.waiting.next_streams(MAX_SWEPT).chunks(SWEEP_PAGE) {
            if !self.sweep_page(generation, page).await? {
                return self.look_for_another(generation).await;
            }
        }
        let Reached { live, checkpoint, .. } = self.views.reached(&generation.id).await?;
        match checkpoint.filter(|_| live.as_ref() == Some(&generation.id)) {
            Some(checkpoint) => self.waiting.wake(&[Update::Checkpoint(checkpoint)]),
            None => self.look_for_another(generation).await?,
        }
        Ok(())
    }

    /// False when the generation is no longer live.
    async fn sweep_page(
        &self,
        generation: &Generation,
        page: &[StreamName],
    ) -> Result<bool, Failure> {
        let mut batch = Batch::new();
        let (versions, notes) = (batch.versions(page.to_vec()), batch.parked(page.to_vec()));
        let Reading { live, mut answers, .. } = self.views.read(&generation.id, &batch).await?;
        let (versions, notes) = (answers.take(versions)?, answers.take(notes)?);
        if live.as_ref() != Some(&generation.id) {
            return Ok(false);
        }
        for ((stream, version), note) in page.iter().zip(versions).zip(notes) {
            let parked = note.map(|_| Update::Parked(stream.clone()));
            let applied = Update::Applied(stream.clone(), version);
            self.waiting.wake([&applied].into_iter().chain(&parked));
        }
        Ok(true)
    }

    /// Wakes all requests, which look at the generation that is live now, and goes on with that one.
    async fn look_for_another(&self, generation: &Generation) -> kernel::Result<()> {
        let live = self.views.live().await?;
        let mut state = self.state();
        if state.generation.as_ref() == Some(generation) && live.is_some() {
            state.generation = live;
        }
        drop(state);
        self.waiting.wake(&[Update::Missed]);
        Ok(())
    }

    /// The generation to read; ends the reading when there is none.
    fn wanted(&self) -> Option<Generation> {
        let mut state = self.state();
        let wanted = self.is_any(&state).then(|| state.generation.clone()).flatten();
        state.is_read = wanted.is_some();
        if !state.is_read {
            self.work.rest();
            self.hub.end_of_reading(); // With the state locked: none begins before this.
        }
        wanted
    }

    fn is_wanted(&self, generation: &Generation) -> bool {
        let state = self.state();
        state.generation.as_ref() == Some(generation) && self.is_any(&state)
    }

    fn is_any(&self, state: &State) -> bool {
        let recently = || state.wanted.is_some_and(|wanted| wanted.elapsed() < READER_LINGER);
        !self.waiting.is_empty() || !self.hub.is_empty() || recently()
    }
}
