//! What every service does around its own work: it serves HTTP from the first moment on, tells what
//! it waits for, and ends in order.

use kernel::{Failure, Result};
use tokio_util::sync::CancellationToken;

use super::health::Health;
use super::log_sampler;
use super::metrics;
use super::slot::ServiceSlot;
use crate::http::serve::Routes;
use crate::http::{Callers, Limits, Listener, REQUESTS, serve};

/// What the routes and the work of a service share.
pub struct Shell<S> {
    /// Filled by the work, once the service is there.
    pub slot: ServiceSlot<S>,
    /// What the service still waits for.
    pub health: Health,
    /// Cancelled when the service has to end, and when its work has ended by itself.
    pub stop: CancellationToken,
}

impl<S> Shell<S> {
    /// A service made of these parts, none of them ready.
    pub fn new(parts: &[&'static str], stop: CancellationToken) -> Self {
        metrics::tell_of(&[&REQUESTS]);
        Self { slot: ServiceSlot::default(), health: Health::of(parts), stop }
    }

    /// Serves the routes while `work` runs. Once the work has ended, lets requests under way end, writes how
    /// many lines of the log were only counted, and returns what the work returned.
    pub async fn serve<T>(
        &self,
        name: &str,
        listener: Listener,
        callers: impl Into<Callers>,
        routes: Routes,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if let Ok(url) = listener.url() {
            tracing::info!("{name} listens on {url}");
        }
        let limits = Limits::of_process(1);
        let http =
            tokio::spawn(serve_http(listener, routes, callers.into(), limits, self.stop.clone()));
        let beat = tokio::spawn(self.health.liveness().clone().beat());
        let worked = work.await;
        beat.abort();
        self.stop.cancel();
        let served = http.await;
        log_sampler::flush();
        served.map_err(|error| Failure::transient("serving HTTP", error))?;
        worked
    }
}

/// Serves until `stop`, and reports the connections that were still open at the deadline.
pub async fn serve_http(
    listener: Listener,
    routes: Routes,
    callers: Callers,
    limits: Limits,
    stop: CancellationToken,
) {
    let abandoned = serve(listener, routes, callers, limits, stop).await;
    if abandoned > 0 {
        tracing::warn!(abandoned, "connections were cut at the deadline");
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use warp::Filter as _;

    use super::*;
    use crate::http::{ListenerOptions, answer};
    use crate::service::log_sampler::{LineKind, is_written};
    use crate::service::telemetry::tests::Lines;

    #[tokio::test]
    async fn lines_that_were_only_counted_are_told_at_the_end() {
        let lines = Lines::default();
        let logs = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
        let _logs = tracing::subscriber::set_default(logs);
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = Listener::new(socket, ListenerOptions::default());
        let routes = warp::any().map(answer::no_content).boxed();
        let work = async {
            let kind = LineKind::warning("a line of the test of the shell", "");
            let written = (0..9).filter(|_| is_written(&kind, None)).count();
            Ok::<_, Failure>(written)
        };
        let shell = Shell::<()>::new(&[], CancellationToken::new());
        let served = shell.serve("a service", listener, Callers::default(), routes, work).await;
        let counted = format!("times={}", 9 - served.unwrap());
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let mut told = text.lines().filter(|line| line.contains("the test of the shell, and more"));
        assert!(told.next().is_some_and(|line| line.contains(&counted)), "{text}");
        assert_eq!(told.next(), None);
    }
}
