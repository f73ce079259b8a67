//! The peer on Emmett, on the MongoDB that Waybill uses, too.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use xtask::programs::find;

use super::measure::{Software, Stored};
use crate::Result;
use crate::context::{Context, Running};
use crate::load::Mix;

/// Where Emmett keeps streams of the type `order`: a document each, with events and view.
const COLLECTION: &str = "emt:order";

pub struct Emmett {
    folder: PathBuf,
    processes: u32,
    connections: u32,
    /// The address of MongoDB in two parts: a database's name comes between them.
    url: (String, String),
    client: mongodb::Client,
}

impl Emmett {
    pub async fn new(
        folder: &Path,
        processes: u32,
        connections: u32,
        context: &Context,
    ) -> Result<Self> {
        let whole = context.place("peer").servers().mongodb.clone();
        let client = mongodb::Client::with_uri_str(&whole).await?;
        let (server, options) = whole.split_once("/?").ok_or("the address has no options")?;
        let url = (server.to_owned(), options.to_owned());
        let folder = folder.canonicalize()?;
        Ok(Self { folder, processes, connections, url, client })
    }
}

#[async_trait(?Send)]
impl Software for Emmett {
    fn name(&self, mix: Mix) -> &'static str {
        match mix {
            Mix::Create => "emmett-create-256",
            _ => "emmett-mixed-256",
        }
    }

    fn start(&self, context: &Context, database: &str) -> Result<Running> {
        let (server, options) = &self.url;
        let node = find("node").ok_or("there is no node: install `nodejs`")?;
        context.serve("emmett", &node.to_string_lossy(), |command, addresses| {
            command
                .arg(self.folder.join("src/main.js"))
                .env("NODE_ENV", "production")
                .env("PEER_DATABASE_URL", format!("{server}/{database}?{options}"))
                .env("PEER_CONNECTIONS", self.connections.to_string())
                .env("PEER_PROCESSES", self.processes.to_string())
                .env("PEER_ADDRESS_FILE", addresses);
        })
    }

    fn server(&self, context: &Context) -> (&'static str, u32) {
        context.mongod()
    }

    async fn stored(&self, database: &str) -> Result<Stored> {
        let view = "$projections._default";
        let is_there = doc! { "$cond": [{ "$eq": [{ "$type": view }, "object"] }, 1, 0] };
        let count = doc! {
            "_id": null,
            "orders": { "$sum": 1 },
            "events": { "$sum": { "$size": "$messages" } },
            "views": { "$sum": is_there },
            "viewed": { "$sum": format!("{view}.version") },
        };
        let streams = self.client.database(database).collection::<Document>(COLLECTION);
        let mut found = streams.aggregate([doc! { "$group": count }]).await?;
        let counted = found.try_next().await?.unwrap_or_default();
        Ok(Stored {
            orders: number(&counted, "orders")?,
            events: number(&counted, "events")?,
            views: number(&counted, "views")?,
            viewed: number(&counted, "viewed")?,
        })
    }

    async fn remove(&self, database: &str) -> Result<()> {
        Ok(self.client.database(database).drop().await?)
    }
}

/// A count, which the server sends in the smallest type that holds it. What is not there is 0.
fn number(counted: &Document, field: &str) -> Result<u64> {
    let number = match counted.get(field) {
        None => 0,
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        Some(other) => return Err(format!("MongoDB counted {other} as {field}").into()),
    };
    Ok(u64::try_from(number)?)
}
