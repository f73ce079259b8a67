//! What each service has counted after a command, a rebuild and a change that was told live.

use tests::live::LiveClient;
use tests::load::{drive, plan};
use tests::services::{Service, System, Urls};

use super::{text, until_told, values};

/// Waits until each of these has counted something.
async fn until_counted(service: &Service, names: &[&str]) {
    for name in names {
        until_told(service, name, |counted| counted >= 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_happened_is_counted() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, projector) = (&system.commands[0], &system.projectors[0]);
    let mut live = LiveClient::open(&system.queries.client, "/live", None).await;
    let created = commands.api().create_lamp(500).await;
    live.view_of(&format!("order-{}", created.order_id())).await;
    let published = [
        "waybill_group_commits_count",
        "waybill_relay_delay_seconds_count",
        "waybill_published_messages_total",
        "waybill_published_events_total",
    ];
    until_counted(commands, &published).await;
    let applied = [
        "waybill_batch_events_count",
        "waybill_apply_duration_seconds_count",
        "waybill_view_delay_seconds_count",
        "waybill_log_head_position",
    ];
    until_counted(projector, &applied).await;
    until_counted(&system.queries, &["waybill_live_delay_seconds_count"]).await;

    let made = values(&text(&projector.client).await)["waybill_rebuilds_total"];
    let begun = projector.client.post("/rebuild", &[], "").await.expect("an answer");
    assert!(begun.status.is_success());
    until_told(projector, "waybill_rebuilds_total", |now| now > made).await;
    until_counted(projector, &["waybill_rebuild_target_position"]).await;

    // More commits than are no backlog, which no projector applies.
    until_told(commands, "waybill_commands_held", |held| held == 0.0).await;
    projector.process.signal("STOP");
    let held = async {
        until_told(commands, "waybill_commands_held", |held| held == 1.0).await;
        projector.process.signal("CONT");
    };
    let many = plan(400);
    tokio::join!(drive(&many, &commands.client), held);
    until_told(commands, "waybill_commands_held", |held| held == 0.0).await;
    system.verify().await;
    system.until_queues_are_empty().await;
    system.remove().await;
}
