//! One group: read together, decided, inserted together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kernel::Failure;
use kernel::aggregate::Aggregate;
use kernel::log::{Commit, Entry, Position};
use shared::event_store::{EventStore, Inserted, NotInserted};
use shared::service::failpoint;
use tokio::sync::mpsc;

use super::desk::News;
use super::draft::{Draft, Known, decide};
use super::job::Job;
use super::{Accepted, Outcome, Rejected, positions, read};

pub struct Group<A: Aggregate> {
    pub(super) store: Arc<dyn EventStore>,
    pub(super) report: mpsc::UnboundedSender<News<A>>,
}

type Jobs<A> = Vec<(Job<A>, Option<Known<A>>)>;

impl<A: Aggregate> Group<A> {
    pub fn new(store: Arc<dyn EventStore>, report: mpsc::UnboundedSender<News<A>>) -> Self {
        Self { store, report }
    }

    /// Answers every job, frees every stream, and reports what positions are left to fill.
    pub async fn run(self, jobs: Jobs<A>, owed: Vec<Position>) {
        let mut owed: BTreeSet<Position> = owed.into_iter().collect();
        let drafts = self.decide(jobs).await;
        self.append(drafts, &mut owed).await;
        self.tell(News::Over { owed: owed.into_iter().collect() });
    }

    pub(super) fn tell(&self, news: News<A>) {
        drop(self.report.send(news)); // The desk outlives its groups, but for a shutdown by force.
    }

    /// Answers a job, and frees its stream before that: its client may send the next command.
    pub(super) fn answer(&self, mut job: Job<A>, known: Option<Known<A>>, outcome: Outcome) {
        job.conclude(&outcome);
        let (stream, key) = (job.request.stream.clone(), job.request.key.clone());
        self.tell(News::Free { stream, known, again: None, key });
        job.answer(outcome);
    }

    pub(super) fn reject(&self, job: Job<A>, rejected: Rejected) {
        self.answer(job, None, Err(rejected));
    }

    /// Decides all jobs: first on what is known, then those that were refused on a fresh read.
    async fn decide(&self, jobs: Jobs<A>) -> Vec<Draft<A>> {
        let mut drafts = Vec::with_capacity(jobs.len());
        let mut unsure = vec![];
        for (job, known) in jobs {
            let known = known.or_else(|| job.request.fresh.then(|| Known::nothing()));
            let accepted = known.map(|known| (decide(&job.request, &known), known));
            match accepted {
                Some((Ok(events), known)) => drafts.extend(self.draft(job, known, &events)),
                Some((Err(_), known)) => unsure.push((job, Some(known))),
                None => unsure.push((job, None)),
            }
        }
        if !unsure.is_empty() {
            let (jobs, known): (Vec<_>, Vec<_>) = unsure.into_iter().unzip();
            let streams = jobs.iter().map(|job: &Job<A>| job.request.stream.clone()).collect();
            match read::read(&self.store, streams, known).await {
                Ok(known) => drafts.extend(self.decide_surely(jobs, known).await),
                Err(failure) => self.reject_all(jobs, &failure),
            }
        }
        drafts
    }

    fn draft(&self, job: Job<A>, known: Known<A>, events: &[A::Event]) -> Option<Draft<A>> {
        match Draft::new(job, known, events) {
            Ok(draft) => Some(draft),
            Err(broken) => {
                let (job, invalid) = *broken;
                self.reject(job, Rejected::Broken(invalid.detail));
                None
            }
        }
    }

    async fn decide_surely(&self, jobs: Vec<Job<A>>, mut folded: read::Folded<A>) -> Vec<Draft<A>> {
        let mut drafts = vec![];
        let mut refused = vec![];
        for job in jobs {
            let known = match folded.remove(&job.request.stream) {
                Some(Ok(known)) => known,
                Some(Err(invalid)) => {
                    self.reject(job, Rejected::Broken(invalid.detail));
                    continue;
                }
                None => Known::nothing(),
            };
            match decide(&job.request, &known) {
                Ok(events) => drafts.extend(self.draft(job, known, &events)),
                Err(rejected) => refused.push((job, known, rejected)),
            }
        }
        self.refuse(refused).await;
        drafts
    }

    /// Refuses, unless the request was carried out before: its key is looked up after the streams
    /// were read, so that a commit that caused the refusal is found.
    async fn refuse(&self, refused: Vec<(Job<A>, Known<A>, Rejected)>) {
        let keys: Vec<&str> =
            refused.iter().filter_map(|(job, ..)| job.request.key.as_deref()).collect();
        let found = if keys.is_empty() { Ok(vec![]) } else { self.store.read_by_key(&keys).await };
        let found: HashMap<String, Commit> = match found {
            Ok(commits) => commits.into_iter().map(|commit| (commit.key.clone(), commit)).collect(),
            Err(failure) => {
                return self
                    .reject_all(refused.into_iter().map(|(job, ..)| job).collect(), &failure);
            }
        };
        for (job, known, rejected) in refused {
            let before = job.request.key.as_ref().and_then(|key| found.get(key));
            match before {
                Some(commit) => self.replay(job, commit),
                None => self.answer(job, Some(known), Err(rejected)),
            }
        }
    }

    /// Answers with what was answered before under the same key.
    pub(super) fn replay(&self, job: Job<A>, commit: &Commit) {
        if commit.fingerprint != job.request.fingerprint {
            return self.reject(job, Rejected::KeyMismatch);
        }
        self.answer(job, None, Ok(Accepted::from(commit)));
    }

    fn reject_all(&self, jobs: Vec<Job<A>>, failure: &Failure) {
        tracing::warn!(%failure, commands = jobs.len(), "nothing was written");
        let why = match failure.is_permanent() {
            true => "the log can't be used now; the service's own log tells more",
            false => "the log can't be reached; try again",
        };
        for job in jobs {
            self.reject(job, Rejected::Unavailable(why.to_owned()));
        }
    }

    /// Inserts all drafts, and tombstones where positions are left over, with one call.
    async fn append(&self, mut drafts: Vec<Draft<A>>, owed: &mut BTreeSet<Position>) {
        let after: Vec<Position> = drafts.iter().map(|draft| draft.known.position).collect();
        match positions::assign(&self.store, &after, owed).await {
            Ok(positions) => {
                for (draft, position) in drafts.iter_mut().zip(positions) {
                    draft.commit.position = position;
                }
            }
            Err(failure) => {
                return self
                    .reject_all(drafts.into_iter().map(|draft| draft.job).collect(), &failure);
            }
        }
        let mut entries: Vec<Entry> =
            drafts.iter().map(|draft| Entry::Commit(draft.commit.clone())).collect();
        entries.extend(owed.iter().map(|position| Entry::Tombstone(*position)));
        if entries.is_empty() {
            return;
        }
        failpoint::hit("insert.before");
        match self.store.insert(&entries).await {
            Ok(outcomes) => {
                failpoint::hit("insert.after");
                owed.clear(); // A tombstone that was refused stood there already.
                let (written, refused): (Vec<_>, Vec<_>) = drafts
                    .into_iter()
                    .zip(outcomes)
                    .partition(|(_, outcome)| *outcome == Inserted::Written);
                written.into_iter().for_each(|(draft, _)| self.accept(draft));
                let refused = refused.into_iter().map(|(draft, _)| draft).collect();
                self.settle_duplicates(refused, owed).await;
            }
            Err(NotInserted::Never(failure)) => {
                // Their positions are filled by a later group.
                owed.extend(drafts.iter().map(|draft| draft.commit.position));
                self.reject_all(drafts.into_iter().map(|draft| draft.job).collect(), &failure);
            }
            Err(NotInserted::Unknown(failure)) => self.settle_unknown(drafts, owed, &failure).await,
        }
    }

    pub(super) fn accept(&self, draft: Draft<A>) {
        let (job, commit, mut known) = draft.written();
        if read::is_due(commit.from - 1, commit.to) {
            read::keep(&self.store, &commit.stream, &mut known);
        }
        self.answer(job, Some(known), Ok(Accepted::from(&commit)));
    }
}
