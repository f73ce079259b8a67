//! The service that answers questions. Configured by environment variables: see `config`.

use std::process::ExitCode;
use std::sync::Arc;

use orders::OrderQueries;
use query_api::config::Config;
use shared::service::process;

/// Under load it takes half of the time of the allocator of glibc, and less memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    process::run(Config::read, |config, stop| async move {
        let listener = process::listen("WAYBILL_QUERY_LISTEN", config.listen, &config.listener)?;
        process::tell(config.address_file.as_deref(), &[("queries", &listener)])?;
        query_api::run::run(config, Arc::new(OrderQueries), listener, stop).await
    })
    .await
}
