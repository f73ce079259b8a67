//! When to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled by SIGINT (Ctrl-C) or SIGTERM, from the return of this function on. A second one ends the
/// process at once.
pub fn on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    // Here and not in the task: a signal that comes before the task runs would end the process.
    let mut signals =
        [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok());
    tokio::spawn(async move {
        any(&mut signals).await;
        tracing::info!("stopping; once more stops at once");
        cancel.cancel();
        any(&mut signals).await;
        std::process::exit(130);
    });
    stop
}

/// The next of the signals; those that cannot be listened to never come.
async fn any([interrupt, terminate]: &mut [Option<Signal>; 2]) {
    let next = async |signal: &mut Option<Signal>| match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    };
    tokio::select! {
        () = next(interrupt) => {}
        () = next(terminate) => {}
    }
}
