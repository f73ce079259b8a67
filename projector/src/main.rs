//! The service that keeps the views. Configured by environment variables: see `config`.

use std::process::ExitCode;
use std::sync::Arc;

use kernel::projection::JsonProjection;
use orders::OrderProjection;
use projector::config::Config;
use shared::service::process;

/// Under load it takes half of the time of the allocator of glibc, and less memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    process::run(Config::read, |config, stop| async move {
        let listener =
            process::listen("WAYBILL_PROJECTOR_LISTEN", config.listen, &config.listener)?;
        process::tell(config.address_file.as_deref(), &[("operations", &listener)])?;
        projector::run::run(config, Arc::new(JsonProjection(OrderProjection)), listener, stop).await
    })
    .await
}
