//! The peer on cqrs-es, with a PostgreSQL of its own.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use xtask::servers::{Folder, PostgreSql};

use super::measure::{Software, Stored};
use crate::Result;
use crate::context::{Context, Running};
use crate::load::Mix;

/// One row: orders, events, views, and events that went into the views.
const STORED: &str = "SELECT
    (SELECT count(DISTINCT aggregate_id) FROM events),
    (SELECT count(*) FROM events),
    (SELECT count(*) FROM order_view),
    (SELECT coalesce(sum(version), 0) FROM order_view)";

pub struct CqrsEs {
    program: PathBuf,
    connections: u32,
    postgresql: PostgreSql,
}

impl CqrsEs {
    pub fn start(program: &Path, connections: u32, folder: &Folder) -> Result<Self> {
        let program = program.canonicalize()?;
        Ok(Self {
            program,
            connections,
            postgresql: PostgreSql::start(&folder.path("postgresql")?)?,
        })
    }
}

#[async_trait(?Send)]
impl Software for CqrsEs {
    fn name(&self, mix: Mix) -> &'static str {
        match mix {
            Mix::Create => "cqrs-es-create-256",
            _ => "cqrs-es-mixed-256",
        }
    }

    fn start(&self, context: &Context, database: &str) -> Result<Running> {
        self.postgresql.create(database)?;
        context.serve("cqrs-es", &self.program.to_string_lossy(), |command, addresses| {
            command
                .env("PEER_DATABASE_URL", self.postgresql.url(database))
                .env("PEER_CONNECTIONS", self.connections.to_string())
                .env("PEER_ADDRESS_FILE", addresses);
        })
    }

    fn server(&self, _: &Context) -> (&'static str, u32) {
        ("PostgreSQL", self.postgresql.process.id())
    }

    async fn stored(&self, database: &str) -> Result<Stored> {
        let row = self.postgresql.ask(database, STORED)?;
        parse(&row).ok_or_else(|| format!("PostgreSQL counted {row:?}").into())
    }

    async fn remove(&self, database: &str) -> Result<()> {
        Ok(self.postgresql.remove(database)?)
    }
}

fn parse(row: &str) -> Option<Stored> {
    let mut columns = row.split('|').map(|column| column.parse().ok());
    Some(Stored {
        orders: columns.next()??,
        events: columns.next()??,
        views: columns.next()??,
        viewed: columns.next()??,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_psql_is_read() {
        let stored = Stored { orders: 1, events: 4, views: 2, viewed: 3 };
        assert_eq!(parse("1|4|2|3"), Some(stored));
        assert_eq!(parse("1|4|2"), None);
        assert_eq!(parse(""), None);
    }
}
