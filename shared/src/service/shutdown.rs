//! When to stop.

use tokio_util::sync::CancellationToken;

/// Cancelled by SIGINT (Ctrl-C) or SIGTERM. A second one ends the process at once.
pub fn on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        signalled().await;
        tracing::info!("stopping; once more stops at once");
        cancel.cancel();
        signalled().await;
        std::process::exit(130);
    });
    stop
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
