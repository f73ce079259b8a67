//! Passwords in the URLs of servers are told nowhere.

mod collector;
mod credentials;

use std::process::Command;

use http::Method;
use tests::services::{Urls, program};
use tests::stores::TempDir;
use tests::until;
use waybill::client::Client;
use xtask::servers::{Port, Process};

/// The password, and a part of it that is the same however it is written.
const PASSWORD: &str = "open%2Fsesame%40home";
const TRACES: [&str; 2] = ["sesame", "c2VzYW1l"];

/// The servers of the run and one that is away, with users and passwords that none of them knows.
fn broken() -> [Urls; 2] {
    let Urls { mongodb, rabbitmq, redis } = Urls::of_the_run();
    let refused = Urls {
        mongodb: mongodb.replace("mongodb://", &format!("mongodb://waybill:{PASSWORD}@")),
        rabbitmq: rabbitmq.replace("guest:guest@", &format!("guest:{PASSWORD}@")),
        redis: redis.replace("redis://", &format!("redis://waybill:{PASSWORD}@")),
    };
    let port = Port::reserve().unwrap().number();
    let away = Urls {
        mongodb: format!("mongodb://waybill:{PASSWORD}@127.0.0.1:{port}/?tls=true"),
        rabbitmq: format!("amqps://waybill:{PASSWORD}@127.0.0.1:{port}/%2f"),
        redis: format!("rediss://waybill:{PASSWORD}@127.0.0.1:{port}/"),
    };
    [refused, away]
}

fn assert_untold(what: &str, text: &str) {
    for trace in TRACES {
        let at = text.find(trace);
        let around = at.map(|at| &text[at.saturating_sub(300)..(at + 40).min(text.len())]);
        assert!(around.is_none(), "{what} tells a password: {around:?}");
    }
}

fn has_tried(told: &str) -> bool {
    told.contains("connecting to") || told.contains("checking the settings")
}

/// What a service that can't reach its servers tells in every way that it has.
async fn listen_to(name: &'static str, urls: &Urls, in_files: bool) {
    let folder = TempDir::default();
    let addresses = folder.0.join("addresses");
    let mut command = Command::new(program(name));
    command.env_clear().env("WAYBILL_LOG", "trace").env("WAYBILL_ADDRESS_FILE", &addresses);
    for service in ["COMMAND", "QUERY", "PROJECTOR"] {
        command.env(format!("WAYBILL_{service}_LISTEN"), "127.0.0.1:0");
    }
    for (server, url) in
        [("MONGODB", &urls.mongodb), ("RABBITMQ", &urls.rabbitmq), ("REDIS", &urls.redis)]
    {
        let variable = format!("WAYBILL_{server}_URL");
        if in_files {
            let file = folder.0.join(server);
            std::fs::write(&file, format!("{url}\n")).unwrap();
            command.env(format!("{variable}_FILE"), &file);
        } else {
            command.env(variable, url);
        }
    }
    let process = Process::start("service", &folder.0, &mut command).unwrap();
    let of_kernel = |file: &str| {
        let bytes = std::fs::read(format!("/proc/{}/{file}", process.id())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    // A service whose password is refused for good ends; one that goes on says what it waits for.
    let ended = until("it has tried a server", || async {
        assert_untold("its command line", &of_kernel("cmdline"));
        if in_files {
            assert_untold("its environment", &of_kernel("environ"));
        }
        if let Some(ended) = process.ended() {
            return Some(ended);
        }
        let text = std::fs::read_to_string(&addresses).ok()?;
        let client = Client::new(text.split_whitespace().nth(1)?);
        let ready = client.send(Method::GET, "/readyz", &[], "").await.ok()?.told();
        let metrics = client.send(Method::GET, "/metrics", &[], "").await.ok()?.told();
        assert_untold("/readyz", &ready);
        assert_untold("/metrics", &metrics);
        has_tried(&ready).then_some(ready)
    })
    .await;
    assert_untold("its end", &ended);
    assert_untold("its log", &process.told());
    assert!(has_tried(&process.told()), "{}", process.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_a_url_is_told_nowhere() {
    for urls in broken() {
        for name in ["command-api", "projector", "query-api"] {
            for in_files in [false, true] {
                listen_to(name, &urls, in_files).await;
            }
        }
    }
}

/// RabbitMQ is asked once MongoDB is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_rabbitmq_is_told_nowhere_by_a_relay_that_can_not_log_in() {
    for broken in broken() {
        let own = tests::Own::default();
        let urls = Urls { rabbitmq: broken.rabbitmq, ..Urls::of_the_run() };
        let more = [("WAYBILL_LOG".to_owned(), "trace".to_owned())];
        let namespace = own.namespace.as_str();
        let service = tests::services::Service::start_with("command-api", namespace, &urls, &more);
        let told = until("the relay has tried the broker", || async {
            let answer = service.client.send(Method::GET, "/readyz", &[], "").await.ok()?.told();
            answer.contains("connecting to RabbitMQ").then_some(answer)
        })
        .await;
        assert_untold("/readyz", &told);
        assert_untold("its log", &service.output());
        service.process.stop();
        assert_untold("its log", &service.output());
        own.remove().await;
    }
}
