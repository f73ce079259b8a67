//! Views in Redis. Each change is one call of one guarded script; a batch of them is one pipeline.

mod commands;
mod connect;
mod keys;
mod updates;

use std::collections::BTreeMap;
use std::time::Duration;

use ::redis::aio::ConnectionManager;
use ::redis::{
    Client, ErrorKind, FromRedisValue, Pipeline, RedisError, Script, ServerErrorKind, Value,
};
use async_trait::async_trait;

use self::keys::Keys;
use super::{
    Advance, Applied, Generation, GenerationId, Parked, Read, Reading, Updates, ViewStore,
};
use crate::log::{Position, StreamName, Version};
use crate::projection::{Change, Stored};
use crate::{Failure, Result};

#[derive(Clone)]
pub struct Redis {
    client: Client,
    connection: ConnectionManager,
    keys: Keys,
    scripts: std::sync::Arc<Scripts>,
}

struct Scripts {
    apply: Script,
    advance: Script,
    promote: Script,
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

    /// Runs a pipeline of calls of `script`; loads it first where the server lost it.
    async fn run_script<T: FromRedisValue>(
        &self,
        what: &str,
        script: &Script,
        pipeline: &Pipeline,
    ) -> Result<T> {
        let connection = &mut self.connection.clone();
        match pipeline.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                script.load_async(connection).await.map_err(failure(what))?;
                pipeline.query_async(connection).await.map_err(failure(what))
            }
            done => done.map_err(failure(what)),
        }
    }

    async fn described(&self, pointer: &str) -> Result<Option<Generation>> {
        let mut ask = Pipeline::new();
        ask.get(pointer).hgetall(&self.keys.generations);
        let (id, known): (Option<String>, BTreeMap<String, String>) =
            self.run("reading the generations", &ask).await?;
        id.and_then(|id| known.get(&id).map(|text| parse_generation(text))).transpose()
    }
}

fn parse_generation(text: &str) -> Result<Generation> {
    serde_json::from_str(text).map_err(|e| Failure::permanent("reading a generation", e))
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
        let mut ask = Pipeline::new();
        ask.hgetall(&self.keys.generations);
        let (known,): (BTreeMap<String, String>,) =
            self.run("reading the generations", &ask).await?;
        known.values().map(|text| parse_generation(text)).collect()
    }

    async fn begin(&self, generation: &Generation) -> Result<bool> {
        let what = "beginning a generation";
        let text = serde_json::to_string(generation).map_err(|e| Failure::permanent(what, e))?;
        let id = generation.id.as_str();
        let checkpoint = self.keys.of(&generation.id).checkpoint();
        // Described first: whoever finds the pointer finds what it points to.
        let mut describe = Pipeline::new();
        describe.hset(&self.keys.generations, id, text).ignore();
        describe.set(&checkpoint, 0).ignore();
        describe.set_nx(&self.keys.building, id);
        let (begun,): (bool,) = self.run(what, &describe).await?;
        if !begun {
            let mut forget = Pipeline::new();
            forget.hdel(&self.keys.generations, id).ignore().del(&checkpoint).ignore();
            self.run::<()>(what, &forget).await?;
        }
        Ok(begun)
    }

    async fn promote(&self, from: Option<&GenerationId>, to: &GenerationId) -> Result<bool> {
        let mut call = commands::evalsha(
            &self.scripts.promote,
            &[self.keys.live.clone(), self.keys.building.clone(), self.keys.generations.clone()],
        );
        call.arg(from.map_or("", GenerationId::as_str)).arg(to.as_str());
        let mut pipeline = Pipeline::new();
        pipeline.add_command(call);
        let what = "making a generation live";
        let (promoted,): (bool,) = self.run_script(what, &self.scripts.promote, &pipeline).await?;
        Ok(promoted)
    }

    async fn remove(&self, generation: &GenerationId) -> Result<()> {
        let what = "removing a generation";
        if self.live().await?.is_some_and(|live| live.id == *generation) {
            return Err(Failure::permanent(what, "it is live"));
        }
        let building = self.building().await?.is_some_and(|building| building.id == *generation);
        let mut forget = Pipeline::new();
        if building {
            forget.del(&self.keys.building).ignore();
        }
        forget.hdel(&self.keys.generations, generation.as_str()).ignore();
        forget.del(self.keys.of(generation).checkpoint()).ignore();
        self.run::<()>(what, &forget).await?;
        self.unlink(what, &self.keys.of(generation).pattern()).await
    }

    async fn lease(&self, generation: &GenerationId, holder: &str, term: Duration) -> Result<bool> {
        let key = self.keys.of(generation).builder();
        let millis = u64::try_from(term.as_millis()).unwrap_or(u64::MAX);
        let what = "leasing a generation";
        let mut take = Pipeline::new();
        take.cmd("SET").arg(&key).arg(holder).arg("NX").arg("PX").arg(millis).ignore();
        take.get(&key).cmd("PTTL").arg(&key);
        let (now, left): (Option<String>, i64) = self.run(what, &take).await?;
        // From before the clock was set back: nobody asks for so long.
        let stale = u64::try_from(left).is_ok_and(|left| left > 2 * millis);
        if now.as_deref() != Some(holder) && !stale {
            return Ok(false);
        }
        let mut renew = Pipeline::new();
        renew.cmd("SET").arg(&key).arg(holder).arg("PX").arg(millis).ignore();
        self.run::<()>(what, &renew).await?;
        Ok(true)
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
        ask.mget(streams.iter().map(|stream| keys.view(stream)).collect::<Vec<_>>());
        let (found,): (Vec<Option<Vec<u8>>>,) = self.run("loading views", &ask).await?;
        found.into_iter().map(|view| view.map(commands::parse_view).transpose()).collect()
    }

    async fn apply(&self, generation: &GenerationId, changes: &[Change]) -> Result<Vec<Applied>> {
        if changes.is_empty() {
            return Ok(vec![]);
        }
        let keys = self.keys.of(generation);
        let mut calls = Pipeline::with_capacity(changes.len());
        for change in changes {
            calls.add_command(commands::apply(&self.scripts.apply, &keys, change));
        }
        let codes: Vec<i64> =
            self.run_script("applying changes to views", &self.scripts.apply, &calls).await?;
        let judge = |(code, change): (&i64, &Change)| commands::judge(*code, change);
        Ok(codes.iter().zip(changes).map(judge).collect())
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
        let call =
            commands::advance(&self.scripts.advance, &self.keys.of(generation), from, to, reached);
        let mut pipeline = Pipeline::new();
        pipeline.add_command(call);
        let what = "moving a checkpoint";
        let (codes,): (Vec<i64>,) = self.run_script(what, &self.scripts.advance, &pipeline).await?;
        Ok(match codes[..] {
            [-1] => Advance::Moved,
            [-2] => Advance::NoGeneration,
            [-3, position] => Advance::Elsewhere(position),
            _ => Advance::Behind(codes.iter().filter_map(|&i| usize::try_from(i).ok()).collect()),
        })
    }

    async fn park(&self, generation: &GenerationId, note: &Parked) -> Result<()> {
        let what = "parking a stream";
        let text = serde_json::to_string(note).map_err(|e| Failure::permanent(what, e))?;
        let mut park = Pipeline::new();
        let keys = self.keys.of(generation);
        park.hset(keys.parked(), note.stream.as_str(), text).ignore();
        updates::tell_parked(&mut park, &keys.updates(), &note.stream);
        self.run(what, &park).await
    }

    async fn parked(&self, generation: &GenerationId) -> Result<Vec<Parked>> {
        let what = "reading what is parked";
        let mut ask = Pipeline::new();
        ask.hvals(self.keys.of(generation).parked());
        let (notes,): (Vec<String>,) = self.run(what, &ask).await?;
        notes.iter().map(|note| commands::parse_note(note)).collect()
    }

    async fn read(&self, generation: &GenerationId, reads: &[Read]) -> Result<Reading> {
        let what = "reading views";
        let keys = self.keys.of(generation);
        let mut ask = Pipeline::new();
        ask.get(&self.keys.live);
        for read in reads {
            commands::ask(&mut ask, &keys, read);
        }
        ask.get(keys.applied()); // Last: it covers all that was read.
        let values: Vec<Value> = self.run(what, &ask).await?;
        let mut values = values.into_iter();
        let mut next = || values.next().ok_or_else(|| Failure::transient(what, "too few answers"));
        let live: Option<String> = commands::parse(what, next()?)?;
        let answers = reads.iter().map(|read| commands::answer(what, read, &mut next));
        let answers = answers.collect::<Result<_>>()?;
        let applied: Option<Position> = commands::parse(what, next()?)?;
        let live = live.map(GenerationId::stored);
        Ok(Reading { live, applied: applied.unwrap_or(0), answers })
    }

    async fn updates(&self, generation: &GenerationId) -> Result<Box<dyn Updates>> {
        let key = self.keys.of(generation).updates();
        Ok(Box::new(updates::Reader::open(&self.client, key).await?))
    }
}

impl Redis {
    async fn unlink(&self, what: &str, pattern: &str) -> Result<()> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = Pipeline::new();
            scan.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
            let ((next, found),): ((u64, Vec<String>),) = self.run(what, &scan).await?;
            if !found.is_empty() {
                let mut unlink = Pipeline::new();
                unlink.unlink(found).ignore();
                self.run::<()>(what, &unlink).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Removes all keys of the namespace. For tests.
    pub async fn remove_all(&self) -> Result<()> {
        let what = "removing everything";
        for generation in self.generations().await? {
            self.unlink(what, &self.keys.of(&generation.id).pattern()).await?;
        }
        let mut forget = Pipeline::new();
        forget.del(&[&self.keys.live, &self.keys.building, &self.keys.generations]).ignore();
        self.run(what, &forget).await
    }
}
