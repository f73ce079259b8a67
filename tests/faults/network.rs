//! Networks that cut connections, hold bytes back or lose them: what the services do then.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use futures::future::join_all;
use http::Method;
use kernel::log::Position;
use shared::event_store::EventStore as _;
use tests::client::{Answer, OrderClient};
use tests::load::{drive, plan};
use tests::orders;
use tests::proxy::Proxies;
use tests::services::{System, Urls};
use tests::torture::oracle;
use tests::torture::recorder::Recorder;
use tests::{let_pass, until};
use waybill::client::Client;

use super::outages::{Server, load, until_missed, until_more_is_written};

/// A system behind proxies, and everything that its exchange carries.
struct Network {
    system: System,
    recorder: Recorder,
    proxies: Proxies,
}

impl Network {
    async fn start() -> Self {
        let servers = Urls::of_the_run();
        let proxies = Proxies::before(&servers);
        let system = System::start(&proxies.urls(), 1, 2).await;
        let recorder = Recorder::bind(&servers.rabbitmq, system.own.namespace.as_str()).await;
        Self { system, recorder, proxies }
    }

    async fn accept(&self, commands: usize) {
        drive(&plan(commands), &self.system.commands[0].client).await;
    }

    async fn confirmed(&self) -> Position {
        let store = self.system.own.mongodb().await;
        store.relay_checkpoint(&store.log_id().await.unwrap()).await.unwrap()
    }

    /// Messages that came to a queue and wait there.
    async fn waiting(&self, queue: &str) -> u32 {
        self.system.own.rabbitmq().waiting(queue).await.unwrap().unwrap_or(0)
    }

    /// Nothing is lost: not on the exchange, not in the views. Tells how many messages were
    /// published again, and removes everything.
    async fn must_be_whole(self) -> usize {
        self.system.until_ready().await;
        self.system.until_relayed().await;
        let log = oracle::read(&self.system.commands[0].client).await;
        let messages = self.recorder.all(log.last().unwrap().address).await;
        let mut violations = vec![];
        oracle::streams_are_whole(&log, &mut violations);
        oracle::exchange_is_complete(&log, &messages, &mut violations);
        assert!(violations.is_empty(), "{violations:#?}");
        self.system.until_queues_are_empty().await;
        self.system.verify().await;
        self.recorder.remove().await;
        self.system.remove().await;
        messages.len() - log.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn confirms_that_are_withheld_are_waited_for_and_their_run_is_published_again() {
    let network = Network::start().await;
    network.accept(200).await;
    let confirmed = network.system.until_relayed().await;
    let queue = network.recorder.queue();
    let published = network.waiting(queue).await;
    network.proxies.rabbitmq.withhold();
    network.accept(300).await;
    until("the relay has published more", || async {
        (network.waiting(queue).await > published).then_some(())
    })
    .await;
    assert_eq!(network.confirmed().await, confirmed, "nothing more was confirmed");
    // The confirms are lost with their connection.
    network.proxies.rabbitmq.cut();
    until("the relay says that it waits", || async {
        (!network.system.commands[0].is_ready().await).then_some(())
    })
    .await;
    assert_eq!(network.confirmed().await, confirmed, "nothing more was confirmed");
    network.proxies.rabbitmq.resume();
    network.accept(100).await;
    assert!(network.must_be_whole().await > 0, "what was not confirmed is published again");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_and_refused_again_and_again_under_load_lose_nothing() {
    let network = Network::start().await;
    let load = load(&network.system, 2_000);
    for _ in 0..3 {
        for proxy in network.proxies.all() {
            until_more_is_written(&network.system).await;
            proxy.cut();
        }
    }
    let servers = [Server::MongoDb, Server::RabbitMq, Server::Redis];
    for (proxy, server) in network.proxies.all().into_iter().zip(servers) {
        proxy.refuse();
        until_missed(&network.system, server).await;
        proxy.resume();
    }
    load.await.unwrap();
    network.must_be_whole().await;
}

/// Longer than the healer waits for the live path, shorter than anything gives up a connection.
const STALL: Duration = Duration::from_millis(2_100);

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_stall_for_seconds_under_load_lose_nothing() {
    let network = Network::start().await;
    let load = load(&network.system, 3_500);
    for then_cut in [false, true] {
        for proxy in network.proxies.all() {
            until_more_is_written(&network.system).await;
            proxy.stall();
            let_pass(STALL).await;
            if then_cut {
                proxy.cut();
            }
            proxy.resume();
        }
    }
    load.await.unwrap();
    network.must_be_whole().await;
}

/// Name of a request, as its key and as its correlation id.
const SWALLOWED: &str = "swallowed";

async fn create(client: &OrderClient) -> kernel::Result<Answer> {
    client.try_create_order(&orders::order(5)).await
}

/// In this time the driver has connected again, and its next attempt is under way. (It looks for a
/// lost server every half second.) Nothing tells of it; a cut that comes early costs it nothing.
const AGAIN: Duration = Duration::from_millis(700);

/// Loses the answer to the insert; before answers pass again, connections are cut so often.
async fn swallow(network: &Network, cuts: usize) {
    let store = network.system.own.mongodb().await;
    let key = format!("anonymous/{SWALLOWED}");
    until("the commit is in the log", || async {
        (store.read_by_key(&[&key]).await.unwrap().len() == 1).then_some(())
    })
    .await;
    for _ in 0..cuts {
        network.proxies.mongodb.cut();
        let_pass(AGAIN).await;
    }
    network.proxies.mongodb.cut();
    network.proxies.mongodb.resume();
}

/// The log has one event of the request, and it is what the answer tells.
async fn happened_once(client: &Client, told: &Answer) {
    let log = oracle::read(client).await;
    let events: Vec<_> = log.iter().filter(|event| event.correlation == SWALLOWED).collect();
    assert_eq!(events.len(), 1, "{events:?}");
    let stream = format!("order-{}", told.order_id());
    assert_eq!((&events[0].stream, events[0].version), (&stream, told.version()));
}

async fn an_append_has_no_answer(cuts: usize) {
    let network = Network::start().await;
    let commands = &network.system.commands[0];
    let client = commands.api().with_key(SWALLOWED).with("x-correlation-id", SWALLOWED);
    // Its position is known and connections are open: nothing but the insert needs an answer.
    network.accept(300).await;
    join_all((0..16).map(|_| commands.client.get("/events?limit=1000"))).await;
    network.accept(10).await; // The log behind the address has just been seen to be the same.
    network.proxies.mongodb.withhold();
    let (first, ()) = tokio::join!(create(&client), swallow(&network, cuts));
    let told = until("an answer that settles it", || async {
        create(&client).await.ok().filter(Answer::is_success)
    })
    .await;
    if let Some(first) = first.ok().filter(Answer::is_success) {
        assert_eq!(first.body, told.body, "one truth");
    }
    happened_once(&commands.client, &told).await;
    network.must_be_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_is_lost_happens_once() {
    an_append_has_no_answer(0).await;
}

/// Neither the driver's own attempt nor the first look after it gets an answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_is_lost_again_and_again_happens_once() {
    an_append_has_no_answer(5).await;
}

/// A call to MongoDB is given up after 6 s, and a client waits for 10 s.
const GIVEN_UP: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(10);

/// Neither end hears that the network has lost the connection of an insert: there is no answer, and no
/// end. What became of it is found out over another connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_unheard_holds_up_its_own_command_alone_and_for_seconds() {
    let network = Network::start().await;
    network.accept(300).await;
    let commands = &network.system.commands[0];
    let client = commands.api().with_key(SWALLOWED).with("x-correlation-id", SWALLOWED);
    network.proxies.mongodb.lose(SWALLOWED);
    let asked = Instant::now();
    let lost = async { (create(&client).await.unwrap(), asked.elapsed()) };
    let others = async {
        until("the insert is lost", || async { network.proxies.mongodb.has_lost().then_some(()) })
            .await;
        for _ in 0..10 {
            let other = create(&commands.api()).await.unwrap();
            assert!(other.is_success(), "{:?}", other.body);
        }
        asked.elapsed()
    };
    let ((told, took), others) = tokio::join!(lost, others);
    assert!(told.is_success() && GIVEN_UP.contains(&took), "{took:?}: {:?}", told.body);
    assert!(others < *GIVEN_UP.start(), "the others took {others:?}");
    // Its order and its place are free again.
    let asked = Instant::now();
    let paid = commands.api().pay(told.order_id(), 5).await;
    assert!(paid.is_success() && asked.elapsed() < *GIVEN_UP.start(), "{:?}", paid.body);
    happened_once(&commands.client, &told).await;
    network.must_be_whole().await;
}

/// More than the ten seconds that Redis has for an answer.
const IN_TIME: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn a_query_api_whose_redis_is_silent_or_away_says_so_in_time_and_recovers() {
    let network = Network::start().await;
    network.accept(50).await;
    let (queries, redis) = (&network.system.queries, &network.proxies.redis);
    let ask = async || {
        let asked = Instant::now();
        let answer = queries.client.send(Method::GET, "/orders", &[], "");
        let answer = tokio::time::timeout(3 * IN_TIME, answer).await.expect("an answer").unwrap();
        (answer.status.as_u16(), asked.elapsed())
    };
    assert_eq!(ask().await.0, 200);
    for silent in [true, false] {
        match silent {
            true => redis.stall(),
            false => redis.refuse(),
        }
        for (status, took) in join_all((0..4).map(|_| ask())).await {
            assert!(status == 503 && took < IN_TIME, "{status} after {took:?}");
        }
        until("it is not ready", || async { (!queries.is_ready().await).then_some(()) }).await;
        redis.resume();
        queries.until_ready().await;
        assert_eq!(ask().await.0, 200);
    }
    network.must_be_whole().await;
}
