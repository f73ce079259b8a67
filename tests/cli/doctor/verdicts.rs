//! What is wrong in ways that operators rarely bring about by a setting.

use std::process::Command;

use ::mongodb::bson::{Bson, Document, doc};
use serde_json::Value;
use tests::program::CommandLine;
use tests::proxy::Proxies;
use tests::services::{Urls, program};
use tests::stores::TempDir;
use tests::{Own, until};
use xtask::programs::faketime;
use xtask::servers::{MongoDb, Port, Process, RabbitMq, Redis};

use super::{assert_verdict, doctor, finding};

/// The first report in which a check has this verdict.
async fn until_verdict(waybill: &CommandLine, check: &str, verdict: &str) -> Value {
    until(&format!("{check} is {verdict}"), || async {
        let report = waybill.run("doctor --json").await.json();
        let found = report["findings"].as_array()?.iter().find(|one| one["check"] == check)?;
        (found["verdict"] == verdict).then(|| report.clone())
    })
    .await
}

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
    let report = until_verdict(&waybill, "replica-set", "error").await;
    assert_verdict(&report, "mongodb", "replica-set", "error");
    let told = finding(&report, "mongodb", "replica-set")["found"].as_str().unwrap();
    assert!(told.contains("a member that takes no writes"), "{told}");
    configure(alone).await;
    let report = until_verdict(&waybill, "replica-set", "ok").await;
    assert_verdict(&report, "mongodb", "majority", "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_can_not_write_its_file_is_found_until_it_can() {
    let (folder, port) = (TempDir::default(), Port::reserve().unwrap());
    // What it writes beyond the limit below fails, and the signal for that does not end it.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec redis-server \"$@\"", "sh"]);
    command.args(["--bind", "127.0.0.1", "--port", &port.number().to_string()]);
    command.args(["--appendonly", "yes", "--save", "", "--dir"]).arg(&folder.0);
    let redis = Process::start("Redis", &folder.0, &mut command).unwrap();
    let listens = || std::net::TcpStream::connect(("127.0.0.1", port.number())).is_ok();
    redis.wait(listens).unwrap();
    let url = format!("redis://127.0.0.1:{}/", port.number());
    let waybill = CommandLine::default().with("WAYBILL_REDIS_URL", &url);
    until_verdict(&waybill, "append-only-file", "ok").await;

    let limit_files = |bytes: &str| {
        let mut limit = Command::new("prlimit");
        limit.args(["--pid", &redis.id().to_string(), &format!("--fsize={bytes}:")]);
        assert!(limit.status().unwrap().success());
    };
    limit_files("1");
    let client = ::redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = ::redis::cmd("SET");
    set.arg("a").arg("b").query_async::<()>(&mut connection).await.unwrap();
    let report = until_verdict(&waybill, "append-only-file", "error").await;
    assert_eq!(report["well"], false);
    assert_verdict(&report, "redis", "reachable", "ok");
    assert_verdict(&report, "redis", "append-only-file", "error");
    let told = finding(&report, "redis", "append-only-file")["found"].as_str().unwrap();
    assert!(told.contains("the last write"), "{told}");
    limit_files("unlimited");
    until_verdict(&waybill, "append-only-file", "ok").await;
}

/// Real answers of real servers, but for the numbers.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_an_old_version_is_found_and_one_that_names_none_is_told() {
    let (own, proxies) = (Own::default(), Proxies::before(&Urls::of_the_run()));
    let waybill = doctor(&proxies.urls(), own.namespace.as_str());
    let subjects = ["mongodb", "rabbitmq", "redis"];
    let report = waybill.run("doctor --json").await.json();
    let [mongodb, rabbitmq, _] = subjects.map(|subject| {
        assert_verdict(&report, subject, "version", "ok");
        let version = finding(&report, subject, "version")["found"].as_str().unwrap();
        i32::try_from(version.len()).unwrap()
    });
    // What stands before the version: in BSON with the length of the text and its end, in AMQP with that of
    // the text.
    let bson = [b"\x02version\0".as_slice(), &(mongodb + 1).to_le_bytes()].concat();
    let amqp = [b"\x07versionS".as_slice(), &rabbitmq.to_be_bytes()].concat();
    for (first, verdict, found) in
        [(b"1", "warning", "is older than"), (b"x", "note", "is no version")]
    {
        proxies.mongodb.rewrite(&bson, first);
        proxies.rabbitmq.rewrite(&amqp, first);
        proxies.redis.rewrite(b"redis_version:", first);
        let report = waybill.run("doctor --json").await.json();
        for subject in subjects {
            assert_verdict(&report, subject, "version", verdict);
            let told = finding(&report, subject, "version")["found"].as_str().unwrap();
            assert!(told.contains(found), "{subject}: {told}");
        }
    }
    own.remove().await;
}

/// The same of the disk, which MongoDB tells of where there is a log.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_of_mongodb_that_is_nearly_full_is_found() {
    const GIB: f64 = 1_073_741_824.0;
    let (own, proxies) = (Own::default(), Proxies::before(&Urls::of_the_run()));
    drop(own.mongodb().await);
    let waybill = CommandLine::default()
        .with("WAYBILL_MONGODB_URL", &proxies.urls().mongodb)
        .with("WAYBILL_NAMESPACE", own.namespace.as_str());
    for (used, total, verdict, found) in [
        (84.0, 100.0, "ok", "84 % of 100 GiB are used"),
        (85.0, 100.0, "warning", "85 % of 100 GiB are used"),
        (95.0, 100.0, "error", "95 % of 100 GiB are used"),
        (0.0, 0.0, "note", "can't be told"),
    ] {
        for (field, gib) in [("fsUsedSize", used), ("fsTotalSize", total)] {
            let field = format!("\x01{field}\0"); // A double of BSON.
            proxies.mongodb.rewrite(field.as_bytes(), &f64::to_le_bytes(gib * GIB));
        }
        let report = waybill.run("doctor --json").await.json();
        assert_verdict(&report, "mongodb", "disk", verdict);
        let told = finding(&report, "mongodb", "disk")["found"].as_str().unwrap();
        assert!(told.contains(found), "{told}");
    }
    own.remove().await;
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
