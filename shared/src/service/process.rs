//! The outermost layer of each service: configuration, logging, exit code.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use kernel::{Failure, Result};
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;

use crate::http::{Listener, ListenerOptions};
use crate::service::config::{self, Invalid, Settings};
use crate::service::failpoint;
use crate::service::open_files;
use crate::service::shutdown;
use crate::service::telemetry;
use crate::service::traces;

/// Reads the configuration, starts logging, and runs until a signal or a failure that waiting does
/// not mend. Exit codes: 0 stopped, 1 failed, 2 configuration or a server's settings to be mended.
pub async fn run<C, R>(
    read: impl FnOnce(Settings) -> std::result::Result<(C, String), Invalid>,
    service: impl FnOnce(C, CancellationToken) -> R,
) -> ExitCode
where
    R: Future<Output = Result<()>>,
{
    failpoint::set_up();
    let (config, log_filter) = match read(Settings::from_environment()) {
        Ok(read) => read,
        Err(invalid) => {
            eprintln!("{invalid}");
            return ExitCode::from(config::EXIT_CODE);
        }
    };
    telemetry::start(&log_filter);
    traces::start();
    open_files::raise();
    let ended = service(config, shutdown::on_signal()).await;
    traces::end().await;
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!(%failure, "can't go on");
            ExitCode::from(if failure.is_permanent() { config::EXIT_CODE } else { 1 })
        }
    }
}

/// Listens on `address`; `variable` names the setting in errors. A port of 0 is any free one.
pub fn listen(variable: &str, address: SocketAddr, options: &ListenerOptions) -> Result<Listener> {
    let what = format!("listening on {variable}={address}");
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(1_024)
    };
    let socket = bind().map_err(|error| Failure::permanent(&what, error))?;
    Ok(Listener::new(socket, options.clone()))
}

/// Writes a line `<what> <url>` for each listener to the file of `WAYBILL_ADDRESS_FILE`,
/// where one is wanted. Its readers find all lines or no file: it is named once it is complete.
pub fn tell(file: Option<&Path>, listeners: &[(&str, &Listener)]) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let lines =
        listeners.iter().map(|(what, listener)| Ok(format!("{what} {}\n", listener.url()?)));
    let write = || {
        let text = lines.collect::<std::io::Result<String>>()?;
        let mut unfinished = file.as_os_str().to_owned();
        unfinished.push(format!(".{}", std::process::id()));
        std::fs::write(&unfinished, text)?;
        std::fs::rename(&unfinished, file)
    };
    let what = format!("writing WAYBILL_ADDRESS_FILE={}", file.display());
    write().map_err(|error| Failure::permanent(&what, error))
}
