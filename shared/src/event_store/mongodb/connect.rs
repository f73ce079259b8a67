//! Connecting, checking the server's settings, and laying out the database.

use std::sync::Arc;
use std::time::Duration;

use kernel::log::LogId;
use kernel::{Failure, Namespace, Result};
use mongodb::bson::{Bson, doc};
use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;
use mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, IndexOptions, ReadConcern, SelectionCriteria,
    WriteConcern,
};
use mongodb::{Client, Collection, Database, IndexModel};

use super::ask::in_time;
use super::files::Files;
use super::identity::Identity;
use super::watcher::Watcher;
use super::{DUPLICATE_KEY, MongoDb, failure, pool};
use crate::endpoint::{Endpoint, MONGODB};
use crate::event_store::append_notifier::AppendNotifier;

type Events = EventHandler<CmapEvent>;

/// How long connecting may take: a log that was made without its indexes gets them first.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// The index of idempotency keys.
pub(super) const KEYS: &str = "keys";
/// Its name in logs of format 1.
const KEYS_OF_FORMAT_1: &str = "key_1";

impl MongoDb {
    /// Connects, checks that the server is a replica set, and makes what is missing: the indexes
    /// and document 0, the log's identity.
    pub async fn connect(endpoint: impl Into<Endpoint>, namespace: &Namespace) -> Result<Self> {
        let endpoint = endpoint.into();
        let identity = Arc::new(Identity::default());
        let client = client(&endpoint, Some(pool::watch(identity.clone()))).await?;
        let database = client.database(namespace.as_str());
        let prepared = async move {
            check(&database).await?;
            let store = Self::over(database, identity);
            store.lay_out().await?;
            store.move_counter(0).await?;
            Ok(store)
        };
        let prepared = in_time("connecting to MongoDB", CONNECT_TIMEOUT, prepared).await;
        prepared.map_err(|failure| endpoint.explained(&MONGODB, failure))
    }

    pub(super) fn over(database: Database, identity: Arc<Identity>) -> Self {
        let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        let commits = CollectionOptions::builder()
            .read_concern(ReadConcern::majority())
            .write_concern(durable)
            .selection_criteria(SelectionCriteria::ReadPreference(
                mongodb::options::ReadPreference::Primary,
            ))
            .build();
        let hint = WriteConcern::builder().w(Acknowledgment::Nodes(1)).build();
        let control = CollectionOptions::builder().write_concern(hint).build();
        let operations = database.collection_with_options("operations", commits.clone());
        let commits = database.collection_with_options("commits", commits);
        let append_notifier = AppendNotifier::default();
        Self {
            _watcher: Arc::new(Watcher::start(commits.clone(), append_notifier.clone())),
            commits,
            operations,
            snapshots: database.collection_with_options("snapshots", control.clone()),
            control: database.collection_with_options("control", control),
            identity,
            allocator: Default::default(),
            commit_bytes: Default::default(),
            snapshot_bytes: Default::default(),
            append_notifier,
            recent: Default::default(),
            database,
        }
    }

    pub(super) async fn lay_out(&self) -> Result<()> {
        let what = "laying out the log";
        let unique = IndexOptions::builder().unique(true);
        let streams = IndexModel::builder().keys(doc! { "stream": 1, "from": 1 });
        // Most commits have no key.
        let keyed = unique
            .clone()
            .name(KEYS.to_owned())
            .partial_filter_expression(doc! { "key": { "$exists": true } });
        let keys = IndexModel::builder().keys(doc! { "key": 1 });
        for index in [streams.options(unique.build()).build(), keys.options(keyed.build()).build()]
        {
            self.commits.create_index(index).await.map_err(failure(what))?;
        }
        self.drop_index_of_format_1().await?;
        let identity = doc! {
            "_id": 0_i64, "stream": "~", "from": 0_i64,
            "log": LogId::random().as_str(), "format": 2,
        };
        let commits: Collection<mongodb::bson::Document> = self.commits.clone_with_type();
        match commits.insert_one(identity).await {
            Err(error) if !is_duplicate(&error) => Err(failure(what)(error)),
            _ => Ok(()),
        }
    }

    /// In logs of format 1 every commit has a key; with their index, commits without one would collide.
    async fn drop_index_of_format_1(&self) -> Result<()> {
        let what = "laying out the log";
        let names = self.commits.list_index_names().await.map_err(failure(what))?;
        if names.iter().any(|name| name == KEYS_OF_FORMAT_1) {
            self.commits.drop_index(KEYS_OF_FORMAT_1).await.map_err(failure(what))?;
        }
        Ok(())
    }

    /// Removes the whole log. For tests.
    pub async fn drop_database(&self) -> Result<()> {
        self.database.drop().await.map_err(failure("dropping the database"))
    }
}

/// Connects only when something is asked of it.
pub(super) async fn client(endpoint: &Endpoint, events: Option<Events>) -> Result<Client> {
    let what = "connecting to MongoDB";
    let mut options = ClientOptions::parse(endpoint.expose_url()).await.map_err(failure(what))?;
    options.app_name = Some("waybill".to_owned());
    options.max_pool_size.get_or_insert(64);
    options.connect_timeout.get_or_insert(Duration::from_secs(5));
    options.server_selection_timeout.get_or_insert(Duration::from_secs(5));
    // Every caller finds out for itself what became of a write without an answer, or writes again. A
    // retryable write would cost the server a record of its session for each group of commits.
    options.retry_writes = Some(false);
    options.cmap_event_handler = events;
    let files = endpoint.tls(&MONGODB).map(|tls| Files::of(&tls)).transpose()?;
    if let Some(files) = &files {
        files.name_in(&mut options)?;
    }
    // The driver reads the files here, and keeps what is in them.
    Client::with_options(options).map_err(failure(what))
}

async fn check(database: &Database) -> Result<()> {
    let what = "checking the settings of MongoDB";
    let hello = database.run_command(doc! { "hello": 1 }).await.map_err(failure(what))?;
    if hello.contains_key("setName") || hello.get("msg").and_then(Bson::as_str) == Some("isdbgrid")
    {
        return Ok(());
    }
    Err(Failure::permanent(
        what,
        "it is no replica set, so it can neither confirm nor read what a majority holds; \
         start mongod with --replSet rs0 and run rs.initiate() in it once (one node will do)",
    ))
}

pub(super) fn is_duplicate(error: &mongodb::error::Error) -> bool {
    use mongodb::error::{ErrorKind, WriteFailure};
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(e)) if e.code == DUPLICATE_KEY)
}
