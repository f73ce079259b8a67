//! The database: its pool, its tables, and the framework over it.

use std::sync::Arc;
use std::time::Duration;

use cqrs_es::persist::GenericQuery;
use postgres_es::{PostgresCqrs, PostgresViewRepository, postgres_cqrs};
use sqlx::postgres::PgPoolOptions;

use crate::Result;
use crate::aggregate::State;
use crate::view::OrderView;

pub type Framework = PostgresCqrs<State>;
pub type Views = PostgresViewRepository<OrderView, State>;

/// For a connection of the pool, or to the server.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connects, creates the tables, and puts the framework together with its one view.
pub async fn open(url: &str, connections: u32) -> Result<(Framework, Arc<Views>)> {
    let pool = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // By default the pool asks the server before each use of a connection whether it still answers.
        .test_before_acquire(false)
        .connect(url)
        .await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&pool).await?;
    let views = Arc::new(Views::new("order_view", pool.clone()));
    let mut query = GenericQuery::new(views.clone());
    query.use_error_handler(Box::new(|error| eprintln!("a view was not updated: {error}")));
    Ok((postgres_cqrs(pool, vec![Box::new(query)], ()), views))
}
