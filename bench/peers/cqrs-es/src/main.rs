//! The order commands on cqrs-es and postgres-es, over HTTP: one of the peers that `cargo xtask bench
//! --peers` measures beside Waybill.
//!
//! Environment: `PEER_DATABASE_URL`, an empty database of PostgreSQL; `PEER_CONNECTIONS`, how many the pool
//! keeps; `PEER_ADDRESS_FILE`, where it writes on which address it listens.

mod aggregate;
mod api;
mod event;
mod store;
mod view;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;

use axum::serve::ListenerExt as _;
use tokio::net::TcpSocket;

/// That of Waybill's services.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let connections = variable("PEER_CONNECTIONS")?.parse()?;
    let (framework, views) = store::open(&variable("PEER_DATABASE_URL")?, connections).await?;
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    tell(&listener.local_addr()?.to_string(), variable("PEER_ADDRESS_FILE")?.as_ref())?;
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            eprintln!("TCP_NODELAY: {error}");
        }
    });
    Ok(axum::serve(listener, api::routes(api::Api { framework, views })).await?)
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).map_err(|error| format!("{name}: {error}").into())
}

/// Writes `commands http://…`, as Waybill's services do. The file is renamed when it is complete.
fn tell(address: &str, file: &Path) -> Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, format!("commands http://{address}\n"))?;
    Ok(std::fs::rename(new, file)?)
}
