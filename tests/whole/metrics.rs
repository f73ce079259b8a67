//! What the services tell of themselves: docs/reference/metrics.md, on real servers and embedded.

mod counts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;
use shared::view_store::ViewStore as _;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::live::LiveClient;
use tests::load::{drive, plan};
use tests::prometheus::promtool;
use tests::servers::publish;
use tests::services::{Service, System, Urls};
use tests::stores::TempDir;
use tests::until::until;
use waybill::client::Client;

const DOCUMENTED: &str = include_str!("../../docs/reference/metrics.md");

/// The metrics that a section of the page lists.
fn documented(section: &str) -> BTreeSet<String> {
    let sections = DOCUMENTED.split("\n## ");
    let text = sections.into_iter().find(|text| text.starts_with(section)).expect("a section");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let first = rows.filter_map(|row| row.split('|').nth(1));
    let names = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

async fn text(client: &Client) -> String {
    let answer = client.send(Method::GET, "/metrics", &[], "").await.expect("an answer");
    assert!(answer.status.is_success());
    String::from_utf8(answer.body.to_vec()).expect("text")
}

/// Each line with a value, by the metric with its labels.
fn values(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let value = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    lines.map(value).collect()
}

/// The names in the `# TYPE` lines.
fn told(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Every metric has a help text, and a counter ends in `_total`
/// (<https://prometheus.io/docs/practices/naming/>).
fn keeps_to_the_conventions(text: &str) {
    for name in told(text) {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help text");
        let is_counter = text.contains(&format!("# TYPE {name} counter"));
        assert_eq!(is_counter, name.ends_with("_total"), "{name}");
        assert!(!name.contains("milli"), "{name} is not in seconds");
    }
}

/// Waits until it is told of the reading of updates, and of telling them, that they are not stuck: the
/// liveness of the service knows of them.
async fn until_both_are_watched(client: &Client) {
    for work in ["reader", "live"] {
        let name = format!("waybill_stuck_works{{work=\"{work}\"}}");
        until(&format!("{name} is 0"), || async {
            let told = values(&text(client).await);
            told.get(&name).filter(|stuck| **stuck == 0.0).map(drop)
        })
        .await;
    }
}

fn all_documented(services: &[&str]) -> BTreeSet<String> {
    let sections = services.iter().chain(&["Every service"]);
    sections.flat_map(|section| documented(section)).collect()
}

/// What command-api counted of the commands of the test below.
fn counts_commands(counted: &BTreeMap<String, f64>) {
    let is = |name: &str, expected: f64| assert_eq!(counted[name], expected, "{name}");
    let answered = |kind: &str, outcome: &str, expected: f64| {
        let labels = format!("{{outcome=\"{outcome}\",type=\"{kind}\"}}");
        is(&format!("waybill_commands_total{labels}"), expected);
    };
    answered("CreateOrder", "accepted", 1.0);
    answered("ProcessPayment", "accepted", 1.0);
    answered("ProcessPayment", "refused", 1.0);
    answered("ShipProducts", "refused", 1.0);
    answered("CancelOrder", "accepted", 0.0);
    is("waybill_command_retries_total{cause=\"stream\"}", 0.0);
    is("waybill_tombstones_total{by=\"sealer\"}", 0.0);
    is("waybill_unpublished_messages_total{why=\"refused\"}", 0.0);
    assert!(counted["waybill_mongodb_connections{state=\"open\"}"] >= 1.0);
    is("waybill_appended_events_total{type=\"OrderCreated\"}", 1.0);
    is("waybill_appended_events_total{type=\"PaymentProcessed\"}", 1.0);
    is("waybill_stream_states_total{from=\"cache\"}", 2.0);
    is("waybill_relay_leader", 1.0);
    is("waybill_relay_position", 2.0);
    is("waybill_commands_waiting", 0.0);
    is("waybill_append_duration_seconds_count", 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_tells_what_is_documented_and_counts_what_happens() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, queries) = (&system.commands[0], &system.queries);
    let api = commands.api();
    let _open = LiveClient::open(&queries.client, "/live", None).await;
    let created = api.create_lamp(500).await;
    let views = OrderClient::new(&queries.client).waiting(20);
    let seen = views.with_token(created.token());
    assert!(seen.order(created.order_id()).await.is_success(), "in a batch of its own");
    assert!(api.pay(created.order_id(), 500).await.is_success());
    assert_eq!(api.ship(uuid::Uuid::new_v4()).await.status, 404);
    let token = api.pay(created.order_id(), 1).await.header("consistency-token").map(str::to_owned);
    assert_eq!(token, None, "what is refused has no token");
    until("the views are healed up to the head", || async {
        let of_projector = values(&text(&system.projectors[0].client).await);
        (of_projector["waybill_views_checkpoint_position"] >= 2.0).then_some(())
    })
    .await;
    assert!(views.order(created.order_id()).await.is_success());

    let of_commands = text(&commands.client).await;
    counts_commands(&values(&of_commands));
    for (route, status, expected) in [
        ("/orders", 201, 1.0),
        ("/orders/{order_id}/payments", 200, 1.0),
        ("/orders/{order_id}/payments", 409, 1.0),
        ("/orders/{order_id}/shipments", 404, 1.0),
    ] {
        let labels = format!("method=\"POST\",route=\"{route}\",status=\"{status}\"");
        let name = format!("waybill_http_request_duration_seconds_count{{{labels}}}");
        assert_eq!(values(&of_commands).get(&name), Some(&expected), "{name}\n{of_commands}");
    }

    let of_projector = text(&system.projectors[0].client).await;
    let counted = values(&of_projector);
    let is = |name: &str, expected: f64| assert_eq!(counted[name], expected, "{name}");
    is("waybill_changes_total{outcome=\"applied\"}", 2.0);
    is("waybill_worker_serving", 1.0);
    is("waybill_healer_leader", 1.0);

    until_both_are_watched(&queries.client).await;
    let of_queries = text(&queries.client).await;
    assert_eq!(values(&of_queries)["waybill_live_streams"], 1.0);

    let all: [(&[&str], String); 3] = [
        (&["command-api", "Connections of command-api and projector", "Messages"], of_commands),
        (&["projector", "Connections of command-api and projector"], of_projector),
        (&["query-api"], of_queries),
    ];
    for (sections, text) in all {
        let sections = [sections, &["Clocks of servers"]].concat();
        assert_eq!(told(&text), all_documented(&sections), "{sections:?}");
        keeps_to_the_conventions(&text);
        promtool(&["check", "metrics"], &text);
    }
    system.remove().await;
}

async fn until_told(service: &Service, name: &str, is_it: impl Fn(f64) -> bool) {
    until(&format!("{name} is told"), || async {
        values(&text(&service.client).await).get(name).filter(|value| is_it(**value)).map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_views_is_told_while_it_waits() {
    // Many messages, and commands that do not wait for the views.
    let more = [("WAYBILL_EVENTS_PER_MESSAGE", "1"), ("WAYBILL_MAX_LAG", "off")];
    let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut system = System::start_with(&Urls::of_the_run(), &more, 1, 1).await;
    system.projectors[0].process.signal("STOP");
    let created = system.commands[0].api().create_lamp(5).await;
    let reader = system.queries.api().with_token(created.token()).waiting(45);
    let path = created.location().to_owned();
    let waiting = tokio::spawn(async move { reader.get(&path).await.status });
    until_told(&system.queries, "waybill_tokens_waiting", |waiting| waiting == 1.0).await;
    system.projectors[0].process.signal("CONT");
    assert_eq!(waiting.await.expect("an answer"), 200);
    until_told(&system.queries, "waybill_tokens_waiting", |waiting| waiting == 0.0).await;

    // A worker tells it when it begins to serve.
    system.projectors[0].process.kill();
    drive(&plan(2_000), &system.commands[0].client).await;
    system.until_relayed().await;
    system.projectors[0].restart();
    system.projectors[0].until_listening().await;
    until_told(&system.projectors[0], "waybill_queue_messages", |queued| queued > 0.0).await;
    until_told(&system.projectors[0], "waybill_queue_messages", |queued| queued == 0.0).await;
    system.verify().await;
    system.until_queues_are_empty().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_until_the_next_worker_heals() {
    let mut system = System::start(&Urls::of_the_run(), 1, 1).await;
    let views = system.own.redis().await;
    let live = views.live().await.expect("Redis is there").expect("a live generation");
    publish(&live.id.queue(&system.own.namespace), &[b"no event"]).await;
    until("it is kept as a dead letter", || async {
        let kept = system.projectors[0].client.get("/dead-letters").await.ok()?;
        (kept["total"] == 1).then_some(())
    })
    .await;
    system.projectors[0].process.kill();
    // Less than the term of a healer, for which the new one goes on telling what it counted.
    let held = || async { views.lease(&live.id, "another", Duration::from_secs(3)).await.ok() };
    until("another holds the lease of the killed one", || async { held().await?.then_some(()) })
        .await;

    system.projectors[0].restart();
    system.projectors[0].until_listening().await;
    until_told(&system.projectors[0], "waybill_dead_letters", |kept| kept == 1.0).await;
    until("this one heals", || async {
        let told = values(&text(&system.projectors[0].client).await);
        assert_eq!(told["waybill_dead_letters"], 1.0, "it was told already");
        (told["waybill_healer_leader"] == 1.0).then_some(())
    })
    .await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_mode_tells_those_of_all_services_everywhere() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let api = OrderClient::new(&system.commands);
    assert_eq!(api.create_lamp(5).await.status, 201);
    until_both_are_watched(&system.queries).await;
    let expected = all_documented(&["command-api", "projector", "query-api"]);
    for client in [&system.commands, &system.queries] {
        let text = text(client).await;
        assert_eq!(told(&text), expected);
        let created = "waybill_commands_total{outcome=\"accepted\",type=\"CreateOrder\"}";
        assert!(values(&text)[created] >= 1.0);
        promtool(&["check", "metrics"], &text);
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_make_up_adds_no_labels() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    for number in 0..20 {
        let path = format!("/made-up-{number}");
        let answer = system.commands.send(Method::GET, &path, &[], "").await.expect("an answer");
        assert_eq!(answer.status, 404);
    }
    let method = Method::from_bytes(b"BREW").expect("a method");
    system.commands.send(method, "/orders", &[], "").await.expect("an answer");
    let text = text(&system.commands).await;
    assert!(!text.contains("made-up") && !text.contains("BREW"), "{text}");
    let counted = values(&text);
    let requests = |method: &str, route: &str, status: u16| {
        let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
        let name = format!("waybill_http_request_duration_seconds_count{{{labels}}}");
        counted.get(&name).copied().unwrap_or(0.0)
    };
    assert_eq!(requests("GET", "unknown", 404), 20.0, "{text}");
    assert_eq!(requests("other", "/orders", 405), 1.0, "{text}");
    system.stop().await;
}
