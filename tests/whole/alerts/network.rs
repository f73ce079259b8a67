//! Servers that run, and can't be reached or are not heard.

use tests::orders;
use tests::proxy::{Proxies, Proxy};
use tests::services::{System, Urls};

use super::watched;

/// What a network does to a connection.
type Fault = fn(&Proxy);

/// Both at once, each by two services: what tells of the one depends on nothing of the other.
const AWAY: [(&str, [&str; 2]); 2] = [
    ("WaybillMongoDBAway", ["command-api", "projector"]),
    ("WaybillRedisAway", ["projector", "query-api"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_can_not_be_reached_or_are_not_heard_are_told() {
    let proxies = Proxies::before(&Urls::of_the_run());
    let system = System::start(&proxies.urls(), 1, 1).await;
    let commands = system.commands[0].api();
    let prometheus = watched(&system).await;

    let faults: [Fault; 2] = [Proxy::stall, Proxy::withhold];
    for fault in faults {
        fault(&proxies.rabbitmq);
        commands.create_lamp(5).await; // Commands are taken all the same.
        prometheus.until_fires("WaybillRelayLag").await;
        proxies.rabbitmq.resume();
        prometheus.until_over("WaybillRelayLag").await;
    }

    let faults: [Fault; 3] = [Proxy::refuse, Proxy::withhold, Proxy::stall];
    for fault in faults {
        [&proxies.mongodb, &proxies.redis].into_iter().for_each(fault);
        for (alert, jobs) in AWAY {
            for job in jobs {
                prometheus.until_fires_with(alert, &format!("job=\"{job}\"")).await;
            }
        }
        [&proxies.mongodb, &proxies.redis].into_iter().for_each(Proxy::resume);
        system.until_ready().await;
        for (alert, _) in AWAY {
            prometheus.until_over(alert).await;
        }
    }

    // With a command, whose outcome is unknown for a while.
    proxies.mongodb.withhold();
    assert_eq!(commands.create_order(&orders::order(5)).await.status, 503);
    prometheus.until_fires("WaybillCommandsFail").await;
    proxies.mongodb.resume();
    system.until_ready().await;
    prometheus.until_quiet().await;
    system.verify().await;
    system.until_queues_are_empty().await;
    drop(prometheus);
    system.remove().await;
}
