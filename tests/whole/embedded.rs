//! The embedded mode: one process, no server.

use serde_json::json;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::load::{drive, plan};
use tests::orders;
use tests::stores::TempDir;
use waybill::import::Import;
use waybill::load::Plan;

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_again_after_a_restart() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    drive(&plan(2_000), &system.commands).await;
    let orders = system.verify().await;
    let stats = system.queries.get("/stats").await.unwrap();
    system.stop().await;
    let system = Embedded::start(&folder).await;
    assert_eq!(system.verify().await, orders);
    assert_eq!(system.queries.get("/stats").await.unwrap(), stats);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_a_view_that_differs() {
    let (folder, other) = (TempDir::default(), TempDir::default());
    let (system, another) = (Embedded::start(&folder).await, Embedded::start(&other).await);
    let id = uuid::Uuid::new_v4();
    for (client, price) in [(&system.commands, 5), (&another.commands, 6)] {
        let order = orders::placed_at(orders::PLACED_AT, orders::order(price));
        let order = orders::to(id, order);
        assert_eq!(OrderClient::new(client).create_order(&order).await.status, 201);
    }
    another.verify().await;
    // The log of the one, the views of the other.
    let report =
        waybill::verify::check(&system.commands, &another.queries, std::time::Duration::ZERO)
            .await
            .unwrap();
    assert!(
        report.differences.iter().any(|difference| difference.contains(&id.to_string())),
        "{report:#?}"
    );
    system.stop().await;
    another.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_where_it_stopped_and_counts_each_line_once() {
    let (folder, files) = (TempDir::default(), TempDir::default());
    let file = files.0.join("history.ndjson");
    Plan { commands: 1_000, ..plan(0) }.write(&file).unwrap();
    let mut lines = std::fs::read_to_string(&file).unwrap();
    lines.push_str("not a command\n{\"type\":\"CancelOrder\",\"order_id\":\"00000000-0000-4000-8000-000000000000\"}\n");
    std::fs::write(&file, lines).unwrap();
    let system = Embedded::start(&folder).await;
    let import = || Import { file: file.clone(), concurrency: 4, stop: Default::default() };
    let report = import().import(&system.commands).await.unwrap();
    assert_eq!((report.accepted, report.skipped), (1_000, 0));
    assert_eq!(report.refused.values().sum::<usize>(), 2);
    let notes = std::fs::read_to_string(files.0.join("history.ndjson.refused.ndjson")).unwrap();
    let lines: Vec<u64> = notes
        .lines()
        .map(|note| {
            serde_json::from_str::<serde_json::Value>(note).unwrap()["line"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(lines, [1_001, 1_002]);
    let head = system.commands.get("/events").await.unwrap()["head"].clone();
    // Once more from a line in the middle: nothing counts twice.
    std::fs::write(files.0.join("history.ndjson.progress"), "500 1").unwrap();
    let report = import().import(&system.commands).await.unwrap();
    assert_eq!((report.accepted, report.skipped, report.refused_before), (500, 500, 1));
    let mut page = system.commands.get("/events?limit=1000").await.unwrap();
    let mut events = page["events"].as_array().unwrap().len();
    while page["next"]
        != json!(format!(
            "{}.{}",
            page["next"].as_str().unwrap().split_once('.').unwrap().0,
            page["head"]
        ))
    {
        page = system
            .commands
            .get(&format!("/events?limit=1000&after={}", page["next"].as_str().unwrap()))
            .await
            .unwrap();
        events += page["events"].as_array().unwrap().len();
    }
    assert_eq!(json!(events), head, "one event for each accepted command");
    system.verify().await;
    system.stop().await;
}
