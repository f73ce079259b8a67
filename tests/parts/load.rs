//! `waybill load`, with no system.

use std::time::Duration;

use tests::load::plan;
use tokio::net::TcpListener;
use waybill::client::Client;
use waybill::load::Plan;

/// Much less than the two minutes for which a command is tried again.
const STOPPED: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_server_that_is_away() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", server.local_addr().unwrap()));
    let plan = Plan { clients: 1, ..plan(1) };
    let goes_away = async {
        drop(server.accept().await.unwrap());
        drop(server);
        plan.stop.cancel();
    };
    let both = async { tokio::join!(plan.run(&client, None), goes_away) };
    let stopped = tokio::time::timeout(STOPPED, both).await;
    let (report, ()) = stopped.expect("it tries no longer");
    assert_eq!(report.unwrap().acknowledged, 0);
}
