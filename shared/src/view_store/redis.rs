//! Views in Redis. Changes are applied by guarded scripts: many with one call, or one by one.

mod applying;
mod commands;
mod connect;
mod diagnose;
mod generations;
mod keys;
mod parking;
mod scripts;
mod updates;
mod views;

use std::time::Duration;

use ::redis::aio::ConnectionManager;
use ::redis::{Client, ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind, Value};
use async_trait::async_trait;
use kernel::log::{Position, StreamName, Version};
use kernel::projection::{Change, Stored};
use kernel::views::{Answer, Answers, Batch, Parked};
use kernel::{Failure, Result};

use self::keys::Keys;
use self::scripts::{Argument, Call, Script, Scripts};
use self::views::Whole;
use super::{
    Advance, Applied, Generation, GenerationId, ParkedPage, Place, Progress, Reached, Reading,
    Update, Updates, ViewStore,
};

/// Views in Redis; clones share a connection that is made again when it breaks. Keys:
/// `docs/PROTOCOL.md`, section 4.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    connection: ConnectionManager,
    keys: Keys,
    scripts: std::sync::Arc<Scripts>,
}

fn failure(what: &str) -> impl Fn(RedisError) -> Failure + '_ {
    move |error| match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig => {
            Failure::permanent(what, error)
        }
        _ => Failure::transient(what, error),
    }
}

impl Redis {
    async fn run<T: FromRedisValue>(&self, what: &str, pipeline: &Pipeline) -> Result<T> {
        pipeline.query_async(&mut self.connection.clone()).await.map_err(failure(what))
    }

    /// Runs a pipeline of calls of `script`. Where the server lost it, it is loaded and called in one
    /// transaction, so that it is not lost in between
    /// (<https://redis.io/docs/latest/develop/using-commands/transactions/>).
    async fn run_script<T: FromRedisValue>(
        &self,
        what: &str,
        script: &Script,
        pipeline: &Pipeline,
    ) -> Result<T> {
        let connection = &mut self.connection.clone();
        match pipeline.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let mut loading = Pipeline::new();
                loading.atomic().add_command(script.load()).ignore();
                pipeline.cmd_iter().for_each(|call| _ = loading.add_command(call.clone()));
                loading.query_async(connection).await.map_err(failure(what))
            }
            done => done.map_err(failure(what)),
        }
    }

    /// Runs one call of `script`.
    async fn call<T: FromRedisValue>(&self, what: &str, script: &Script, call: &Call) -> Result<T> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(call.command(script));
        let (answer,): (T,) = self.run_script(what, script, &pipeline).await?;
        Ok(answer)
    }
}

#[async_trait]
impl ViewStore for Redis {
    async fn live(&self) -> Result<Option<Generation>> {
        self.described(&self.keys.live).await
    }

    async fn building(&self) -> Result<Option<Generation>> {
        self.described(&self.keys.building).await
    }

    async fn generations(&self) -> Result<Vec<Generation>> {
        self.all_generations().await
    }

    async fn begin(&self, generation: &Generation) -> Result<bool> {
        self.begin_generation(generation).await
    }

    async fn promote(&self, from: Option<&GenerationId>, to: &GenerationId) -> Result<bool> {
        self.promote_generation(from, to).await
    }

    async fn remove(&self, generation: &GenerationId) -> Result<()> {
        self.remove_generation(generation).await
    }

    async fn lease(&self, generation: &GenerationId, holder: &str, term: Duration) -> Result<bool> {
        self.lease_generation(generation, holder, term).await
    }

    async fn count_repaired(&self, generation: &GenerationId, count: u64) -> Result<()> {
        self.add_repaired(generation, count).await
    }

    async fn repaired(&self, generation: &GenerationId) -> Result<u64> {
        self.repaired_count(generation).await
    }

    async fn report(&self, generation: &GenerationId, progress: &Progress) -> Result<()> {
        self.report_progress(generation, progress).await
    }

    async fn progress(&self, generation: &GenerationId) -> Result<Option<Progress>> {
        self.reported_progress(generation).await
    }

    async fn load(
        &self,
        generation: &GenerationId,
        streams: &[&StreamName],
    ) -> Result<Vec<Option<Stored>>> {
        if streams.is_empty() {
            return Ok(vec![]);
        }
        let keys = self.keys.of(generation);
        let mut ask = Pipeline::new();
        views::ask(&mut ask, &keys, streams.iter().copied());
        let what = "loading views";
        match views::whole(self.run(what, &ask).await?)? {
            Ok(views) => Ok(views),
            Err(beginnings) => {
                let views: Vec<String> = streams.iter().map(|stream| keys.view(stream)).collect();
                self.views_by_size(what, &views, beginnings).await
            }
        }
    }

    async fn apply(&self, generation: &GenerationId, changes: &[Change]) -> Result<Vec<Applied>> {
        self.apply_changes(generation, changes).await
    }

    async fn checkpoint(&self, generation: &GenerationId) -> Result<Option<Position>> {
        let mut ask = Pipeline::new();
        ask.get(self.keys.of(generation).checkpoint());
        let (position,): (Option<Position>,) = self.run("reading a checkpoint", &ask).await?;
        Ok(position)
    }

    async fn advance(
        &self,
        generation: &GenerationId,
        from: Position,
        to: Position,
        reached: &[(&StreamName, Version)],
    ) -> Result<Advance> {
        let keys = self.keys.of(generation);
        let layout = scripts::Advance {
            checkpoint: keys.checkpoint(),
            parked: keys.parked(),
            updates: keys.updates(),
            let_go: keys.let_go(),
            from: Argument::Number(from),
            to: Argument::Number(to),
        };
        let call = layout.call_for(&keys, reached);
        let codes: Vec<i64> =
            self.call("moving a checkpoint", &self.scripts.advance, &call).await?;
        Ok(scripts::Advance::outcome(&codes))
    }

    async fn park(&self, generation: &GenerationId, note: &Parked) -> Result<()> {
        self.park_stream(generation, note).await
    }

    async fn let_go(
        &self,
        generation: &GenerationId,
        events: &[(&StreamName, Version)],
    ) -> Result<Vec<bool>> {
        self.note_let_go(generation, events).await
    }

    async fn unpark(
        &self,
        generation: &GenerationId,
        stream: &StreamName,
        let_go: Version,
    ) -> Result<bool> {
        self.unpark_stream(generation, stream, let_go).await
    }

    async fn parked(
        &self,
        generation: &GenerationId,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Result<ParkedPage> {
        self.parked_page(generation, after, limit).await
    }

    async fn count_parked(&self, generation: &GenerationId) -> Result<u64> {
        self.parked_count(generation).await
    }

    async fn read(&self, generation: &GenerationId, batch: &Batch) -> Result<Reading> {
        let what = "reading views";
        let keys = self.keys.of(generation);
        let mut ask = Pipeline::new();
        ask.get(&self.keys.live);
        for read in batch.reads() {
            commands::ask(&mut ask, &keys, read);
        }
        ask.get(keys.applied()); // Last: it covers all that was read.
        let values: Vec<Value> = self.run(what, &ask).await?;
        let mut values = values.into_iter();
        let mut next = || values.next().ok_or_else(|| Failure::transient(what, "too few answers"));
        let live: Option<String> = commands::parse(what, next()?)?;
        let found = batch.reads().iter().map(|read| commands::answer(what, read, &mut next));
        let found: Vec<Whole<Answer>> = found.collect::<Result<_>>()?;
        let applied: Option<Position> = commands::parse(what, next()?)?;
        let live = live.map(GenerationId::stored);
        let is_whole = found.iter().all(|one| one.is_ok());
        let answers = Answers::new(self.complete(what, &keys, batch, found).await?);
        if is_whole {
            return Ok(Reading { live, applied: applied.unwrap_or(0), answers });
        }
        // It covers what was read since.
        let Reached { live, applied, .. } = self.reached(generation).await?;
        Ok(Reading { live, applied, answers })
    }

    async fn reached(&self, generation: &GenerationId) -> Result<Reached> {
        let keys = self.keys.of(generation);
        let mut ask = Pipeline::new();
        ask.get(&self.keys.live);
        ask.get(keys.checkpoint());
        ask.get(keys.applied()); // Last: it covers all that the checkpoint does.
        let (live, checkpoint, applied): (Option<String>, Option<Position>, Option<Position>) =
            self.run("reading how far the views are", &ask).await?;
        let live = live.map(GenerationId::stored);
        Ok(Reached { live, checkpoint, applied: applied.unwrap_or(0) })
    }

    async fn updates(&self, generation: &GenerationId) -> Result<Box<dyn Updates>> {
        let key = self.keys.of(generation).updates();
        Ok(Box::new(updates::Reader::open(&self.client, key).await?))
    }

    async fn updates_since(
        &self,
        generation: &GenerationId,
        after: Place,
        max_streams: usize,
    ) -> Result<Option<Vec<(Place, Update)>>> {
        let key = self.keys.of(generation).updates();
        let mut connection = self.connection.clone();
        updates::since(&mut connection, &key, after, max_streams).await
    }
}
