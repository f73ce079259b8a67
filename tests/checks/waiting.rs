//! A test that waits for services in vain says why.

use std::time::{Duration, Instant};

use tests::services::{Service, Urls};
use tests::{Own, until, within};

fn start(own: &Own) -> Service {
    Service::start("query-api", own.namespace.as_str(), &Urls::of_the_run())
}

/// The message of the panic.
async fn panicked(wait: impl Future<Output = ()> + Send + 'static) -> String {
    let panic = tokio::spawn(wait).await.expect_err("it waits in vain").into_panic();
    panic.downcast_ref::<String>().expect("a message").clone()
}

#[tokio::test]
async fn a_wait_ends_as_soon_as_a_service_ends_by_itself_and_shows_what_it_wrote() {
    let service = start(&Own::default());
    service.until_listening().await;
    service.process.signal("KILL"); // As if it had crashed: nothing asked for its end.
    let started = Instant::now();
    let told = panicked(until("never", async || None)).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(told.contains("waited until never, and query-api ended: signal: 9"), "{told}");
    assert!(told.contains("query-api listens on"), "{told}");
}

#[tokio::test]
async fn a_wait_in_vain_tells_what_each_service_waits_for_and_what_it_wrote() {
    let own = Own::default();
    let (_waiting, stopped) = (start(&own), start(&own));
    stopped.process.kill(); // The test wanted it: no reason to end the wait.
    let told = panicked(within(Duration::from_secs(3), "never", async || None)).await;
    assert!(told.contains("waited in vain until never"), "{told}");
    assert!(told.contains("query-api, /readyz: {") && told.contains("\"views\":"), "{told}");
    assert!(told.contains("query-api listens on"), "{told}");
}
