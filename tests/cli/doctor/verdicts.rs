//! What is wrong in ways that operators rarely bring about by a setting.

use std::process::Command;

use ::mongodb::bson::{Bson, Document, doc};
use tests::program::CommandLine;
use tests::services::{Urls, program};
use tests::stores::TempDir;
use tests::until;
use xtask::programs::faketime;
use xtask::servers::{MongoDb, Port, RabbitMq, Redis};

use super::{assert_verdict, finding};

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_takes_no_writes_or_hides_its_settings_is_found() {
    let folder = TempDir::default();
    let redis = Redis::start(&folder.0).unwrap();
    let waybill = CommandLine::default().with("WAYBILL_REDIS_URL", &redis.url());
    let client = ::redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut send = async |line: &str| {
        let mut words = line.split(' ');
        let mut command = ::redis::cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query_async::<()>(&mut connection).await.unwrap();
    };
    let away = Port::reserve().unwrap();
    send(&format!("REPLICAOF 127.0.0.1 {}", away.number())).await;
    let report = waybill.run("doctor --json").await;
    assert_eq!(report.code, Some(1), "{report:?}");
    assert_verdict(&report.json(), "redis", "role", "error");
    send("REPLICAOF NO ONE").await;
    send("CONFIG SET appendfsync no").await;
    let report = waybill.run("doctor --json").await.json();
    assert_verdict(&report, "redis", "role", "ok");
    assert_verdict(&report, "redis", "append-only-file", "warning");
    send("ACL SETUSER default -config").await;
    let report = waybill.run("doctor --json").await.json();
    for check in ["eviction", "append-only-file", "memory"] {
        assert_verdict(&report, "redis", check, "note");
        let told = finding(&report, "redis", check)["found"].as_str().unwrap();
        assert!(told.starts_with("can't be told: CONFIG GET is refused"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_without_a_majority_or_a_primary_is_found() {
    let folder = TempDir::default();
    let mongodb = MongoDb::start(&folder.0).unwrap();
    let url = format!("mongodb://127.0.0.1:{}/?directConnection=true", mongodb.port());
    let waybill = CommandLine::default().with("WAYBILL_MONGODB_URL", &url);
    let client = ::mongodb::Client::with_uri_str(&url).await.unwrap();
    let admin = client.database("admin");
    let config = async || {
        let told = admin.run_command(doc! { "replSetGetConfig": 1 }).await.unwrap();
        told.get_document("config").unwrap().clone()
    };
    let configure = async |members: Vec<Bson>| {
        let mut config: Document = config().await;
        config.insert("members", members);
        // Without asking the members.
        admin.run_command(doc! { "replSetReconfig": config, "force": true }).await.unwrap();
    };
    let alone = config().await.get_array("members").unwrap().clone();
    let away = Port::reserve().unwrap();
    let other = doc! { "_id": 1, "host": format!("127.0.0.1:{}", away.number()) };
    configure([alone.clone(), vec![Bson::from(other)]].concat()).await;
    let report = waybill.run("doctor --json").await;
    assert_eq!(report.code, Some(1), "{report:?}");
    assert_verdict(&report.json(), "mongodb", "majority", "error");
    let step_down = doc! { "replSetStepDown": 1, "secondaryCatchUpPeriodSecs": 0, "force": true };
    drop(admin.run_command(step_down).await); // It may have stepped down already.
    let verdicts = async |expected: &str| {
        until(&format!("it is {expected} of the replica set"), || async {
            let report = waybill.run("doctor --json").await.json();
            let found = report["findings"].as_array()?.clone();
            let set = found.into_iter().find(|one| one["check"] == "replica-set")?;
            (set["verdict"] == expected).then_some(report)
        })
        .await
    };
    let report = verdicts("error").await;
    assert_verdict(&report, "mongodb", "replica-set", "error");
    let told = finding(&report, "mongodb", "replica-set")["found"].as_str().unwrap();
    assert!(told.contains("a member that takes no writes"), "{told}");
    configure(alone).await;
    assert_verdict(&verdicts("ok").await, "mongodb", "majority", "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_the_broker_without_rights_is_found() {
    let folder = TempDir::default();
    let broker = RabbitMq::start(&folder.0).unwrap();
    // One may declare nothing, the other may send nothing.
    for (user, permissions, check) in
        [("poor", ["^$", "^$", "^$"], "quorum-queues"), ("mute", [".*", "^$", ".*"], "confirms")]
    {
        broker.add_user(user, permissions).unwrap();
        let url = broker.url().replace("guest:guest", &format!("{user}:{user}"));
        let waybill = CommandLine::default().with("WAYBILL_RABBITMQ_URL", &url);
        let report = waybill.run("doctor --json").await;
        assert_eq!(report.code, Some(1), "{report:?}");
        assert_verdict(&report.json(), "rabbitmq", "reachable", "ok");
        assert_verdict(&report.json(), "rabbitmq", check, "error");
        let fix = finding(&report.json(), "rabbitmq", check)["fix"].clone();
        assert!(fix.as_str().unwrap().contains("set_permissions"), "{fix}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_found_of_each_server_that_tells_the_time() {
    let (urls, library) = (Urls::of_the_run(), faketime().expect("`cargo xtask test` installs it"));
    let waybill = CommandLine::default()
        .with("WAYBILL_MONGODB_URL", &urls.mongodb)
        .with("WAYBILL_REDIS_URL", &urls.redis)
        .with("LD_PRELOAD", library.to_str().unwrap())
        .with("FAKETIME", "-3600s")
        .with("DONT_FAKE_MONOTONIC", "1");
    let report = waybill.run("doctor --json").await;
    assert_eq!(report.code, Some(1), "{report:?}");
    for subject in ["mongodb", "redis"] {
        assert_verdict(&report.json(), subject, "clock", "warning");
        let told = finding(&report.json(), subject, "clock")["found"].clone();
        assert!(told.as_str().unwrap().contains("ms ahead of that of this machine"), "{told}");
    }
}

#[test]
fn a_process_that_may_open_few_files_is_told() {
    let mut command = Command::new("prlimit");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("WAYBILL_REDIS_URL", Urls::of_the_run().redis);
    command.arg("--nofile=512:512").arg(program("waybill")).args(["doctor", "--json"]);
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
    assert_verdict(&report, "machine", "open-files", "warning");
    let told = finding(&report, "machine", "open-files")["found"].as_str().unwrap();
    assert!(told.contains("may have 512 files"), "{told}");
}
