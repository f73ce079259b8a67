//! A principal that is bound to one owner sees and changes what belongs to it, and learns nothing of
//! what belongs to others. Who acts is named in the events.

use http::Method;
use serde_json::{Value, json};
use shared::auth::Role::{self, Command, Query};
use tests::client::{Answer, OrderClient};
use tests::embedded::Embedded;
use tests::orders;
use tests::program::CommandLine;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use uuid::Uuid;

use super::Three;

mod live;

fn of(customer: &str, mut order: Value) -> Value {
    order["customer_id"] = json!(customer);
    order
}

/// One client of all services.
struct One {
    commands: OrderClient,
    queries: OrderClient,
}

impl One {
    fn new(system: &Three, token: &str) -> Self {
        let commands = OrderClient::new(&with(&system.commands, token));
        Self { commands, queries: OrderClient::new(&with(&system.queries, token)) }
    }

    /// A service knows a new token once it has looked at the file.
    async fn until_known(&self) {
        tests::until("the token is known", || async {
            let known = [self.commands.get("/x").await.status, self.queries.get("/x").await.status];
            (known == [404, 404]).then_some(())
        })
        .await;
    }

    async fn create(&self, customer: &str) -> Answer {
        let created = self.commands.create_order(&of(customer, orders::order(500))).await;
        assert_eq!(created.status, 201, "{:?}", created.body);
        created
    }
}

/// What a client is told of an order: the statuses and the problems of everything that it may ask.
async fn told_of(client: &One, order: Uuid) -> Vec<(u16, String)> {
    let commands = &client.commands;
    let mut answers = vec![
        client.queries.order(order).await,
        commands.pay(order, 1).await,
        commands.pay(order, 1_000_000).await,
        commands.ship(order).await,
        commands.deliver(order).await,
        commands.refund(order, 1).await,
        commands.post_to(order, "items", &orders::item("B", 1, 1)).await,
        commands.send(Method::DELETE, &format!("/orders/{order}/items/A"), "").await,
        commands.post_to(order, "cancellation", &json!({})).await,
    ];
    for version in ["\"1\"", "\"2\"", "\"0\""] {
        answers.push(commands.expecting(version).pay(order, 1).await);
    }
    let batch = commands.batch(&[orders::to(order, orders::payment(1))]).await.json();
    let mut told: Vec<_> = answers.iter().map(|it| (it.status, it.problem())).collect();
    let status = batch["results"][0]["status"].as_u64().unwrap();
    told.push((u16::try_from(status).unwrap(), batch["results"][0]["type"].to_string()));
    for answer in &answers {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("theirs") && !text.contains("owner"), "{text}");
    }
    told
}

async fn ids(client: &OrderClient, path: &str) -> Vec<String> {
    let list = client.get(path).await;
    assert_eq!(list.status, 200, "{path}: {:?}", list.body);
    let id = |item: &Value| item["order_id"].as_str().unwrap().to_owned();
    list.json()["items"].as_array().unwrap().iter().map(id).collect()
}

async fn a_bound_client_learns_nothing_of_others(system: &Three, tokens: &Tokens) {
    let all = One::new(system, &tokens.of("shop", &Role::ALL));
    let bound = One::new(system, &tokens.bound("mine", &[Command, Query]));
    all.until_known().await;
    bound.until_known().await;
    let (theirs, mine) = (all.create("theirs").await, bound.create("mine").await);
    let (there, own) = (theirs.order_id(), mine.order_id());
    for created in [&theirs, &mine] {
        let seen = all.queries.with_token(created.token()).waiting(30);
        assert_eq!(seen.order(created.order_id()).await.status, 200);
    }
    // As if it was not there.
    assert_eq!(told_of(&bound, there).await, told_of(&bound, Uuid::new_v4()).await);
    let again = bound.commands.create_order(&orders::to(there, of("mine", orders::order(1)))).await;
    assert_eq!((again.status, again.problem().as_str()), (409, "order-exists"), "the id is taken");
    assert!(!String::from_utf8_lossy(&again.body).contains("theirs"));
    let untouched = all.queries.order(there).await;
    assert_eq!((untouched.version(), &untouched.json()["customer_id"]), (1, &json!("theirs")));
    // Nothing is made for others.
    let made = bound.commands.create_order(&of("theirs", orders::order(1))).await;
    assert_eq!((made.status, made.problem().as_str()), (403, "another-owner"));
    // Its own can be read and changed.
    assert_eq!(bound.commands.pay(own, 500).await.status, 200);
    assert_eq!(bound.queries.order(own).await.status, 200);
    lists_hold_its_own(&bound.queries, own).await;
    // A token of another's order is waited for as one of an order that is not there.
    let waiting = bound.queries.with_token(theirs.token()).with("prefer", "wait=0");
    let nowhere = theirs.token().replace(&there.to_string(), &Uuid::new_v4().to_string());
    let other = bound.queries.with_token(&nowhere).with("prefer", "wait=0");
    for client in [waiting, other] {
        let answer = client.get("/orders").await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "not-consistent-yet"));
    }
    the_actor_is_named(&all, there, own).await;
}

async fn lists_hold_its_own(queries: &OrderClient, own: Uuid) {
    let expected = [own.to_string()];
    for path in ["/orders", "/orders?customer_id=mine", "/orders?from=2020-01-01&limit=1"] {
        assert_eq!(ids(queries, path).await, expected, "{path}");
    }
    for path in ["/orders?customer_id=theirs", "/orders?customer_id=theirs&status=created"] {
        assert_eq!(ids(queries, path).await, Vec::<String>::new(), "{path}");
    }
    let other = queries.get("/customers/theirs").await;
    let none = queries.get("/customers/nowhere").await;
    assert_eq!((other.status, other.problem()), (none.status, none.problem()));
    assert_eq!(queries.get("/customers/mine").await.json()["orders"], 1);
}

async fn the_actor_is_named(all: &One, theirs: Uuid, own: Uuid) {
    for (order, actor) in [(theirs, "shop"), (own, "bound")] {
        let events = all.commands.get(&format!("/orders/{order}/events")).await.json();
        assert_eq!(events["events"][0]["actor"], actor, "{events}");
    }
}

async fn keys_of_one_principal_never_answer_another(system: &Three, tokens: &Tokens) {
    let clients = [
        tokens.of("one", &[Command]),
        tokens.of("two", &[Command]),
        tokens.bound("mine", &[Command]),
        tokens.bound("yours", &[Command]),
    ];
    let clients = clients.map(|token| One::new(system, &token).commands.with_key("\"the same\""));
    tests::until("the tokens are known", || async {
        (clients[3].get("/no/such/path").await.status == 404).then_some(())
    })
    .await;
    let order = |index: usize| of(["a", "a", "mine", "yours"][index], orders::order(7));
    let mut made = vec![];
    for (index, client) in clients.iter().enumerate() {
        let first = client.create_order(&order(index)).await;
        assert_eq!(first.status, 201, "{index}: {:?}", first.body);
        let again = client.create_order(&order(index)).await;
        assert_eq!((again.status, again.order_id()), (201, first.order_id()), "{index}");
        assert!(!made.contains(&first.order_id()), "{index}: it is another's answer");
        made.push(first.order_id());
    }
}

/// The orders that a batch of two lines made.
async fn ids_of_batch(client: &OrderClient, lines: &str) -> Vec<String> {
    let batch = client.with("content-type", "application/x-ndjson");
    let answer = batch.send(Method::POST, "/commands", lines.to_owned()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let results = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let id = |result: Value| {
        assert_eq!(result["status"], 201, "{result}");
        result["order_id"].as_str().unwrap().to_owned()
    };
    results.map(id).collect()
}

async fn actor_of(all: &One, order: &str) -> Value {
    let events = all.commands.get(&format!("/orders/{order}/events")).await.json();
    events["events"][0]["actor"].clone()
}

/// Both keys of a batch: that of its header, and that of a command itself.
async fn batches_name_their_actor_and_share_no_key(system: &Three, tokens: &Tokens) {
    let all = One::new(system, &tokens.of("shop", &Role::ALL));
    let clients = [
        ("left", tokens.of("left", &[Command])),
        ("right", tokens.of("right", &[Command])),
        ("bound", tokens.bound("c", &[Command])),
        ("bound", tokens.bound("d", &[Command])),
    ];
    all.until_known().await;
    let mut made = vec![];
    for (name, token) in &clients {
        let client = One::new(system, token);
        client.until_known().await;
        let client = client.commands.with_key("\"the batch\"");
        let customer = if made.len() == 6 { "d" } else { "c" };
        let by_header = of(customer, orders::create(7));
        let mut by_itself = of(customer, orders::create(8));
        by_itself["idempotency_key"] = json!("the command");
        let lines = format!("{by_header}\n{by_itself}\n");
        let ids = ids_of_batch(&client, &lines).await;
        assert_eq!(ids.len(), 2);
        assert_eq!(ids_of_batch(&client, &lines).await, ids, "{name}: its own answer, again");
        for id in ids {
            assert!(!made.contains(&id), "{name}: it is another's answer");
            assert_eq!(actor_of(&all, &id).await, *name);
            made.push(id);
        }
    }
}

async fn an_import_names_its_actor_and_shares_no_key(system: &Three, tokens: &Tokens) {
    let all = One::new(system, &tokens.of("shop", &Role::ALL));
    let importers = ["importer", "another"].map(|name| tokens.of(name, &[Command]));
    all.until_known().await;
    One::new(system, &importers[1]).until_known().await;
    let (folder, order) = (TempDir::default(), Uuid::new_v4());
    let file = folder.0.join("history.ndjson");
    std::fs::write(&file, format!("{}\n", orders::to(order, orders::create(7)))).unwrap();
    let import = format!("import {} --json", file.display());
    let line = CommandLine::of(&system.commands, &system.queries, &system.operations);
    let [first, other] = importers.map(|token| line.clone().with("WAYBILL_TOKEN", &token));
    for _ in 0..2 {
        let done = first.run(&import).await;
        assert_eq!((done.code, &done.json()["accepted"]), (Some(0), &json!(1)), "{done:?}");
    }
    // With the key of the first it would be answered as the first was.
    let refused = other.run(&import).await;
    assert_eq!((refused.code, &refused.json()["accepted"]), (Some(1), &json!(0)), "{refused:?}");
    assert_eq!(actor_of(&all, &order.to_string()).await, "importer");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_embedded_mode_each_owner_has_its_own() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    tokens.of("first", &[Command]);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let three = Three::from(&system);
    a_bound_client_learns_nothing_of_others(&three, &tokens).await;
    keys_of_one_principal_never_answer_another(&three, &tokens).await;
    batches_name_their_actor_and_share_no_key(&three, &tokens).await;
    an_import_names_its_actor_and_shares_no_key(&three, &tokens).await;
    live::changes_are_its_own(&three, &tokens).await;
    drop(three);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_services_each_owner_has_its_own() {
    let tokens = Tokens::default();
    tokens.of("first", &[Command]);
    let file = tokens.file().display().to_string();
    let more = [("WAYBILL_TOKENS_FILE".to_owned(), file)];
    let system = System::start_with(&Urls::of_the_run(), &more, 1, 1).await;
    let three = Three::from(&system);
    a_bound_client_learns_nothing_of_others(&three, &tokens).await;
    keys_of_one_principal_never_answer_another(&three, &tokens).await;
    batches_name_their_actor_and_share_no_key(&three, &tokens).await;
    an_import_names_its_actor_and_shares_no_key(&three, &tokens).await;
    live::changes_are_its_own(&three, &tokens).await;
    system.until_relayed().await;
    system.until_queues_are_empty().await;
    system.remove().await;
}
