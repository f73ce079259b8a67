//! What is wrong with the configuration, or with a server's settings, is told at once.

use std::path::Path;
use std::process::Command;

use http::Method;
use tests::Own;
use tests::services::{Service, Urls, program};
use tests::stores::TempDir;
use waybill::client::Client;
use xtask::servers::{MongoDb, Process, Redis};

fn bare(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.env_clear();
    command
}

/// Each program, and the variables that are wrong for it in the test below.
const WRONG: [(&str, &[&str]); 4] = [
    (
        "command-api",
        &[
            "WAYBILL_MONGODB_URL",
            "WAYBILL_RABBITMQ_URL",
            "WAYBILL_COMMAND_LISTEN",
            "WAYBILL_NAMESPACE",
            "WAYBILL_HOSTS",
            "WAYBILL_CORS_ORIGINS",
            "WAYBILL_CORS_WRITE_ORIGINS",
            "WAYBILL_LOG",
        ],
    ),
    (
        "projector",
        &[
            "WAYBILL_MONGODB_URL",
            "WAYBILL_RABBITMQ_URL",
            "WAYBILL_REDIS_URL",
            "WAYBILL_PROJECTOR_LISTEN",
            "WAYBILL_NAMESPACE",
            "WAYBILL_HOSTS",
        ],
    ),
    (
        "query-api",
        &[
            "WAYBILL_REDIS_URL",
            "WAYBILL_QUERY_LISTEN",
            "WAYBILL_ADDRESS_FILE",
            "WAYBILL_NAMESPACE",
            "WAYBILL_HOSTS",
            "WAYBILL_CORS_ORIGINS",
        ],
    ),
    (
        "waybill",
        &[
            "WAYBILL_DATA_DIR",
            "WAYBILL_COMMAND_LISTEN",
            "WAYBILL_QUERY_LISTEN",
            "WAYBILL_PROJECTOR_LISTEN",
            "WAYBILL_NAMESPACE",
            "WAYBILL_HOSTS",
            "WAYBILL_CORS_WRITE_ORIGINS",
        ],
    ),
];

#[test]
fn everything_wrong_is_reported_at_once_by_name_with_exit_code_2() {
    for (service, variables) in WRONG {
        let output = bare(service)
            .envs([
                ("WAYBILL_RABBITMQ_URL", "http://:secret@rabbit"),
                ("WAYBILL_REDIS_URL", "http://:secret@redis"),
                ("WAYBILL_NAMESPACE", "Not Valid"),
                ("WAYBILL_HOSTS", "http://orders.example.com:80"),
                ("WAYBILL_CORS_ORIGINS", "*"),
                ("WAYBILL_CORS_WRITE_ORIGINS", "https://shop.example,*"),
                ("WAYBILL_LOG", "shout=very"),
            ])
            .envs([
                ("WAYBILL_COMMAND_LISTEN", "0.0.0.0:1"),
                ("WAYBILL_QUERY_LISTEN", "here"),
                ("WAYBILL_PROJECTOR_LISTEN", "[::]:1"),
                ("WAYBILL_DATA_DIR", ""),
                ("WAYBILL_ADDRESS_FILE", ""),
            ])
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{service}: {told}");
        for variable in variables {
            assert!(told.contains(variable), "{service} says nothing of {variable}: {told}");
        }
        assert!(!told.contains("secret"), "{told}");
    }
}

/// What a service says of where it listens.
async fn told(file: &Path) -> Vec<(String, Client)> {
    let text = tests::until("the addresses are told", || async {
        std::fs::read_to_string(file).ok() //
    })
    .await;
    let one = |line: &str| {
        let (what, address) = line.split_once(' ').unwrap();
        (what.to_owned(), Client::new(address))
    };
    text.lines().map(one).collect()
}

#[tokio::test]
async fn each_service_tells_a_file_where_it_listens() {
    let all = ["WAYBILL_COMMAND_LISTEN", "WAYBILL_QUERY_LISTEN", "WAYBILL_PROJECTOR_LISTEN"];
    for (name, expected) in [
        ("command-api", vec!["commands"]),
        ("query-api", vec!["queries"]),
        ("projector", vec!["operations"]),
        ("waybill", vec!["commands", "queries", "operations"]),
    ] {
        let folder = TempDir::default();
        let (file, urls) = (folder.0.join("addresses"), Urls::of_the_run());
        let mut command = bare(name);
        command.envs(all.map(|variable| (variable, "127.0.0.1:0")));
        command.env("WAYBILL_ADDRESS_FILE", &file).env("WAYBILL_DATA_DIR", &folder.0);
        // They need not find their servers to listen, and must not touch those of other tests.
        let nowhere = |url: &str| url.replace("127.0.0.1", "127.0.0.2");
        command.env("WAYBILL_MONGODB_URL", nowhere(&urls.mongodb));
        command.env("WAYBILL_RABBITMQ_URL", nowhere(&urls.rabbitmq));
        command.env("WAYBILL_REDIS_URL", nowhere(&urls.redis));
        let process = Process::start("service", &folder.0, &mut command).unwrap();
        let listeners = told(&file).await;
        let names: Vec<&str> = listeners.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(names, expected, "{name}");
        for (what, client) in &listeners {
            let alive = client.send(Method::GET, "/livez", &[], "").await;
            assert_eq!(alive.unwrap().body, "alive", "{name}: {what} at {}", client.base());
        }
        process.kill();
    }
}

#[test]
fn a_file_for_the_addresses_that_cannot_be_written_ends_a_service_with_exit_code_2() {
    let mut command = bare("query-api");
    command.env("WAYBILL_QUERY_LISTEN", "127.0.0.1:0").env("WAYBILL_REDIS_URL", "redis://none");
    let output = command.env("WAYBILL_ADDRESS_FILE", "/nowhere/addresses").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("WAYBILL_ADDRESS_FILE=/nowhere/addresses"), "{told}");
}

#[tokio::test]
async fn a_mongodb_that_is_no_replica_set_is_refused_with_the_remedy() {
    let folder = TempDir::default();
    let mongodb = MongoDb::start_standalone(&folder.0).unwrap();
    let urls = Urls { mongodb: mongodb.url(), ..Urls::of_the_run() };
    for name in ["command-api", "projector"] {
        let told = Service::start(name, "waybill", &urls).until_ended().await;
        assert!(told.contains("--replSet") && told.contains("exit status: 2"), "{told}");
    }
}

async fn set(redis: &Redis, name: &str, value: &str) {
    let client = ::redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = ::redis::cmd("CONFIG");
    command.arg("SET").arg(name).arg(value);
    command.query_async::<()>(&mut connection).await.unwrap();
}

/// Waits until a service warns of something, with this fix.
async fn until_warned(service: &Service, fix: &str) {
    tests::until(&format!("{fix} is told"), || async {
        let told = service.output();
        let mut warnings = told.lines().filter(|line| line.contains("WARN"));
        warnings.find(|line| line.contains(fix)).map(drop)
    })
    .await;
}

/// What `waybill doctor` finds, without being asked.
#[tokio::test]
async fn what_should_be_mended_is_told_at_start_with_its_fix_and_stops_nothing() {
    let (folder, own) = (TempDir::default(), Own::default());
    let redis = Redis::start(&folder.0).unwrap();
    set(&redis, "appendonly", "no").await;
    let urls = Urls { redis: redis.url(), ..Urls::of_the_run() };
    let queries = Service::start("query-api", own.namespace.as_str(), &urls);
    until_warned(&queries, "CONFIG SET appendonly yes").await;
    let alive = queries.client.send(Method::GET, "/livez", &[], "").await;
    assert_eq!(alive.unwrap().body, "alive");

    // A queue without the bounds that services give it.
    let broker = Urls::of_the_run().rabbitmq;
    let connection = lapin::Connection::connect(&broker, Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    let queue = own.rabbitmq().dead_letter_queue();
    channel.queue_declare(queue.into(), durable, Default::default()).await.unwrap();
    connection.close(200, "".into()).await.unwrap();
    for name in ["command-api", "projector"] {
        let service = Service::start(name, own.namespace.as_str(), &Urls::of_the_run());
        until_warned(&service, "rabbitmqctl delete_queue").await;
        service.process.stop();
    }
    queries.process.stop();
    own.remove().await;
}

#[tokio::test]
async fn a_redis_that_evicts_is_refused_with_the_remedy() {
    let folder = TempDir::default();
    let redis = Redis::start(&folder.0).unwrap();
    set(&redis, "maxmemory-policy", "allkeys-lru").await;
    let urls = Urls { redis: redis.url(), ..Urls::of_the_run() };
    let told = Service::start("query-api", "waybill", &urls).until_ended().await;
    assert!(told.contains("noeviction") && told.contains("exit status: 2"), "{told}");
}
