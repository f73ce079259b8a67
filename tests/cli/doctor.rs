//! `waybill doctor`: what is wrong with a server is found, and nothing is left on it.

mod verdicts;

use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;
use shared::event_store::EventStore as _;
use tests::Own;
use tests::program::CommandLine;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use xtask::servers::{MongoDb, Port, RabbitMq, Redis};

fn doctor(urls: &Urls, namespace: &str) -> CommandLine {
    CommandLine::default()
        .with("WAYBILL_MONGODB_URL", &urls.mongodb)
        .with("WAYBILL_RABBITMQ_URL", &urls.rabbitmq)
        .with("WAYBILL_REDIS_URL", &urls.redis)
        .with("WAYBILL_NAMESPACE", namespace)
}

/// The finding of a check.
fn finding<'a>(report: &'a Value, subject: &str, check: &str) -> &'a Value {
    let mut all = report["findings"].as_array().expect("findings").iter();
    all.find(|one| one["subject"] == subject && one["check"] == check)
        .unwrap_or_else(|| panic!("there is no finding {subject} {check}: {report:#}"))
}

fn assert_verdict(report: &Value, subject: &str, check: &str, verdict: &str) {
    let found = finding(report, subject, check);
    assert_eq!(found["verdict"], verdict, "{found:#}");
    let bad = ["warning", "error"].contains(&verdict);
    assert_eq!(found["fix"].is_string(), bad, "{found:#}");
}

/// As if a backup had been put in the place of the log; without a projector the views stay.
async fn views_of_another_log_are_found(system: &System, waybill: &CommandLine) {
    let log = system.own.mongodb().await.renew().await.unwrap();
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "redis", "views-log", "error");
    let told = finding(&report, "redis", "views-log")["found"].as_str().unwrap();
    assert!(told.contains(log.as_str()), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_of_a_running_system_are_well() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let waybill = doctor(&Urls::of_the_run(), system.own.namespace.as_str());
    let report = waybill.run("doctor --json").await;
    let well = report.json()["well"] == true;
    assert_eq!(report.code, Some(i32::from(!well)), "{report:?}");
    let report = report.json();
    for (subject, checks) in [
        (
            "mongodb",
            &[
                "reachable",
                "version",
                "journal",
                "replica-set",
                "majority",
                "majority-journal",
                "clock",
                "log",
                "indexes",
            ][..],
        ),
        (
            "rabbitmq",
            &["reachable", "version", "quorum-queues", "confirms", "alarms", "views-queue"],
        ),
        (
            "redis",
            &[
                "reachable",
                "version",
                "role",
                "eviction",
                "append-only-file",
                "clock",
                "views",
                "views-log",
            ],
        ),
    ] {
        checks.iter().for_each(|check| assert_verdict(&report, subject, check, "ok"));
    }
    assert_verdict(&report, "rabbitmq", "dead-letters", "note"); // It is made at need.
    assert_verdict(&report, "mongodb", "copies", "note");
    for (subject, check) in [("mongodb", "disk"), ("redis", "memory"), ("machine", "open-files")] {
        finding(&report, subject, check); // They depend on the machine.
    }
    let text = waybill.run("doctor").await;
    assert!(text.stdout.contains("noeviction"), "{}", text.stdout);
    system.projectors[0].process.stop();
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "rabbitmq", "views-queue", "error"); // None takes events from it.
    views_of_another_log_are_found(&system, &waybill).await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_with_wrong_settings_is_found_and_each_fix_mends_it() {
    let folder = TempDir::default();
    let redis = Redis::start(&folder.0).unwrap();
    let urls = Urls { redis: redis.url(), ..Urls::of_the_run() };
    let waybill = CommandLine::default().with("WAYBILL_REDIS_URL", &urls.redis);
    let client = ::redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = async |name: &str, value: &str| {
        let mut command = ::redis::cmd("CONFIG");
        command.arg("SET").arg(name).arg(value);
        command.query_async::<()>(&mut connection).await.unwrap();
    };
    set("maxmemory-policy", "allkeys-lru").await;
    set("appendonly", "no").await;
    let report = waybill.run("doctor --json").await;
    assert_eq!(report.code, Some(1), "{report:?}");
    let report = report.json();
    assert_verdict(&report, "redis", "eviction", "error");
    assert_verdict(&report, "redis", "append-only-file", "warning");
    assert_verdict(&report, "machine", "configuration", "note"); // The others are not checked.
    let text = waybill.run("doctor").await;
    assert!(text.stdout.contains("CONFIG SET maxmemory-policy noeviction"), "{}", text.stdout);
    set("maxmemory-policy", "noeviction").await;
    set("appendonly", "yes").await;
    set("maxmemory", "600000").await; // Less than it uses for itself.
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "redis", "eviction", "ok");
    assert_verdict(&report, "redis", "append-only-file", "ok");
    assert_verdict(&report, "redis", "memory", "error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_an_alarm_and_a_queue_of_another_type_are_found() {
    let folder = TempDir::default();
    let broker = RabbitMq::start(&folder.0).unwrap();
    let waybill = CommandLine::default().with("WAYBILL_RABBITMQ_URL", &broker.url());
    let connection = lapin::Connection::connect(&broker.url(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    let declared =
        channel.queue_declare("waybill.dead-letters".into(), durable, Default::default());
    declared.await.unwrap();
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "rabbitmq", "alarms", "ok");
    assert_verdict(&report, "rabbitmq", "dead-letters", "warning"); // Without bounds, and classic.
    let told = finding(&report, "rabbitmq", "dead-letters")["found"].as_str().unwrap();
    assert!(told.contains("x-max-length") && told.contains("no quorum queue either"), "{told}");
    channel.queue_delete("waybill.dead-letters".into(), Default::default()).await.unwrap();
    // With the bounds that a service gives it, and still classic.
    let mut bounds = FieldTable::default();
    bounds.insert("x-max-length".into(), AMQPValue::LongLongInt(100_000));
    bounds.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(256 << 20));
    bounds.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
    channel.queue_declare("waybill.dead-letters".into(), durable, bounds).await.unwrap();
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "rabbitmq", "dead-letters", "error");
    let told = finding(&report, "rabbitmq", "dead-letters")["found"].as_str().unwrap();
    assert!(told.contains("is no quorum queue"), "{told}");
    broker.alarm(true).unwrap();
    let report = waybill.run("doctor --json").await;
    assert_eq!(report.code, Some(1), "{report:?}");
    assert_verdict(&report.json(), "rabbitmq", "alarms", "error");
    broker.alarm(false).unwrap();
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "rabbitmq", "alarms", "ok");
    connection.close(200, "".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mongodb_without_a_replica_set_or_without_an_index_is_found() {
    let folder = TempDir::default();
    let standalone = MongoDb::start_standalone(&folder.0).unwrap();
    let alone = CommandLine::default().with("WAYBILL_MONGODB_URL", &standalone.url());
    let report = alone.run("doctor --json").await;
    assert_eq!(report.code, Some(1), "{report:?}");
    assert_verdict(&report.json(), "mongodb", "replica-set", "error");
    assert_verdict(&report.json(), "mongodb", "log", "note"); // Looking makes none.

    let own = Own::default();
    drop(own.mongodb().await); // Makes the log and its indexes.
    let waybill = doctor(&Urls::of_the_run(), own.namespace.as_str());
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "mongodb", "indexes", "ok");
    let client = ::mongodb::Client::with_uri_str(Urls::of_the_run().mongodb).await.unwrap();
    let commits =
        client.database(own.namespace.as_str()).collection::<::mongodb::bson::Document>("commits");
    commits.drop_index("keys").await.unwrap();
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "mongodb", "indexes", "error");
    own.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_whose_majority_needs_no_journal_is_found() {
    use ::mongodb::bson::{Document, doc};
    let folder = TempDir::default();
    let mongodb = MongoDb::start(&folder.0).unwrap();
    let waybill = CommandLine::default().with("WAYBILL_MONGODB_URL", &mongodb.url());
    let client = ::mongodb::Client::with_uri_str(mongodb.url()).await.unwrap();
    let admin = client.database("admin");
    let told = admin.run_command(doc! { "replSetGetConfig": 1 }).await.unwrap();
    let mut config: Document = told.get_document("config").unwrap().clone();
    let mut set = async |version: i32, journal: bool| {
        config.insert("version", version);
        config.insert("writeConcernMajorityJournalDefault", journal);
        admin.run_command(doc! { "replSetReconfig": &config }).await.unwrap();
    };
    set(1_000, false).await;
    let report = waybill.run("doctor --json").await;
    assert_eq!(report.code, Some(1), "{report:?}");
    assert_verdict(&report.json(), "mongodb", "majority-journal", "warning");
    set(1_001, true).await;
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "mongodb", "majority-journal", "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_away_are_findings_and_no_server_at_all_is_a_mistake() {
    let port = Port::reserve().unwrap().number();
    let urls = Urls {
        mongodb: format!("mongodb://:secret@127.0.0.1:{port}/"),
        rabbitmq: format!("amqp://guest:secret@127.0.0.1:{port}/%2f"),
        redis: format!("redis://:secret@127.0.0.1:{port}/"),
    };
    let done = doctor(&urls, "waybill").run("doctor --json").await;
    assert_eq!(done.code, Some(1), "{done:?}");
    for subject in ["mongodb", "rabbitmq", "redis"] {
        assert_verdict(&done.json(), subject, "reachable", "error");
    }
    assert!(!format!("{done:?}").contains("secret"), "{done:?}");
    for waybill in [
        CommandLine::default(),
        CommandLine::default().with("WAYBILL_REDIS_URL", "http://:secret@redis"),
    ] {
        let done = waybill.run("doctor --json").await;
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{done:?}");
        assert!(
            done.stderr.contains("WAYBILL_REDIS_URL") && !done.stderr.contains("secret"),
            "{done:?}"
        );
    }
}
