//! What is wrong with the configuration, or with a server's settings, is told at once.

use std::process::Command;

use tests::services::{Service, Urls, program};
use tests::stores::TempDir;
use xtask::servers::{MongoDb, Redis};

fn bare(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.env_clear();
    command
}

#[test]
fn everything_wrong_is_reported_at_once_by_name_with_exit_code_2() {
    let cases: [(&str, &[&str]); 4] = [
        (
            "command-api",
            &[
                "WAYBILL_MONGODB_URL",
                "WAYBILL_RABBITMQ_URL",
                "WAYBILL_COMMAND_LISTEN",
                "WAYBILL_NAMESPACE",
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
            ],
        ),
        ("query-api", &["WAYBILL_REDIS_URL", "WAYBILL_QUERY_LISTEN", "WAYBILL_NAMESPACE"]),
        (
            "waybill",
            &[
                "WAYBILL_DATA_DIR",
                "WAYBILL_COMMAND_LISTEN",
                "WAYBILL_QUERY_LISTEN",
                "WAYBILL_PROJECTOR_LISTEN",
                "WAYBILL_NAMESPACE",
            ],
        ),
    ];
    for (service, variables) in cases {
        let output = bare(service)
            .envs([
                ("WAYBILL_RABBITMQ_URL", "amqps://:secret@rabbit"),
                ("WAYBILL_REDIS_URL", "rediss://:secret@redis"),
                ("WAYBILL_NAMESPACE", "Not Valid"),
                ("WAYBILL_LOG", "shout=very"),
            ])
            .envs([
                ("WAYBILL_COMMAND_LISTEN", "0.0.0.0:1"),
                ("WAYBILL_QUERY_LISTEN", "here"),
                ("WAYBILL_PROJECTOR_LISTEN", "[::]:1"),
                ("WAYBILL_DATA_DIR", ""),
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

/// Waits for the service to end, and returns what it said.
async fn ended(mut service: Service) -> String {
    tests::until("it ended", || {
        let ended = service.process.ended();
        async move { ended }
    })
    .await
}

#[tokio::test]
async fn a_mongodb_that_is_no_replica_set_is_refused_with_the_remedy() {
    let folder = TempDir::default();
    let mongodb = MongoDb::start_standalone(&folder.0).unwrap();
    let urls = Urls { mongodb: mongodb.url(), ..Urls::of_the_run() };
    for name in ["command-api", "projector"] {
        let told = ended(Service::start(name, "waybill", &urls)).await;
        assert!(told.contains("--replSet") && told.contains("exit status: 2"), "{told}");
    }
}

#[tokio::test]
async fn a_redis_that_evicts_is_refused_with_the_remedy() {
    let folder = TempDir::default();
    let redis = Redis::start(&folder.0).unwrap();
    let mut connection = ::redis::Client::open(redis.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    ::redis::cmd("CONFIG")
        .arg("SET")
        .arg("maxmemory-policy")
        .arg("allkeys-lru")
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    let urls = Urls { redis: redis.url(), ..Urls::of_the_run() };
    let told = ended(Service::start("query-api", "waybill", &urls)).await;
    assert!(told.contains("noeviction") && told.contains("exit status: 2"), "{told}");
}
