//! The service that takes commands. Configured by environment variables: see `config`.

use std::process::ExitCode;

use command_api::config::Config;
use orders::OrderAggregate;
use shared::service::process;

/// Under load it takes half of the time of the allocator of glibc, and less memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    process::run(Config::read, |config, stop| async move {
        let listener = process::listen("WAYBILL_COMMAND_LISTEN", config.listen, &config.listener)?;
        process::tell(config.address_file.as_deref(), &[("commands", &listener)])?;
        command_api::run::run::<OrderAggregate>(config, listener, stop).await
    })
    .await
}
