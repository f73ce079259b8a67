//! Every operation of every service, asked by everyone. The list of operations is that of the
//! descriptions, so an operation that is not in the table below fails the test.

use std::collections::BTreeSet;

use http::Method;
use kernel::Timestamp;
use serde_json::Value;
use shared::auth::Role::{self, Command, Operate, Query};
use tests::client::{Answer, OrderClient};
use tests::descriptions::{example_order, example_request, openapi, operations};
use tests::embedded::Embedded;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tests::tokens::{Grant, OWNER, Tokens, with};
use waybill::client::Client;

use super::Three;

/// Who may call an operation: one of these roles, also bound to one owner. Every client, without a
/// role.
#[derive(Clone, Copy)]
struct Needs(&'static [Role], bool);

const OPEN: Needs = Needs(&[], true);
const SENDS: Needs = Needs(&[Command], true);
const AUDITS: Needs = Needs(&[Query, Operate], false);
const READS: Needs = Needs(&[Query], false);
const READS_OWN: Needs = Needs(&[Query], true);
const OPERATES: Needs = Needs(&[Operate], false);

/// Those of every service, and those of one.
const TABLE: &[(&str, Needs)] = &[
    ("get /livez", OPEN),
    ("get /readyz", OPEN),
    ("get /metrics", OPERATES),
    ("get /openapi.json", OPEN),
    ("get /docs", OPEN),
    ("get /docs/{file}", OPEN),
    ("get /problems/{name}", OPEN),
    ("post /orders", SENDS),
    ("post /orders/{order_id}/items", SENDS),
    ("delete /orders/{order_id}/items/{sku}", SENDS),
    ("post /orders/{order_id}/payments", SENDS),
    ("post /orders/{order_id}/refunds", SENDS),
    ("post /orders/{order_id}/shipments", SENDS),
    ("post /orders/{order_id}/deliveries", SENDS),
    ("post /orders/{order_id}/cancellation", SENDS),
    ("post /commands", SENDS),
    ("get /events", AUDITS),
    ("get /orders/{order_id}/events", AUDITS),
    ("get /orders/{order_id}/state", AUDITS),
    ("get /schemas/{event}/{version}", OPEN),
    ("get /asyncapi.json", OPEN),
    ("get /", OPEN),
    ("get /assets/{file}", OPEN),
    ("get /assets/{folder}/{file}", OPEN),
    ("get /config.json", OPEN),
    ("get /session", Needs(&Role::ALL, true)),
    ("post /session", OPEN),
    ("delete /session", OPEN),
    ("get /orders", READS_OWN),
    ("get /orders/{order_id}", READS_OWN),
    ("get /customers", READS),
    ("get /customers/{customer_id}", READS_OWN),
    ("get /stats", READS),
    ("get /stats/daily", READS),
    ("get /stats/products", READS),
    ("get /live", READS_OWN),
    ("get /generations", OPERATES),
    ("get /flow", OPERATES),
    ("post /rebuild", OPERATES),
    ("post /log/renew", OPERATES),
    ("get /parked", OPERATES),
    ("post /parked/{stream}/retry", OPERATES),
    ("get /dead-letters", OPERATES),
    ("get /dead-letters/{id}", OPERATES),
    ("delete /dead-letters/{id}", OPERATES),
    ("get /operations", OPERATES),
];

/// Everyone who may ask.
struct Everyone {
    /// With their headers: none, and those that are none any more or never were.
    unknown: Vec<(&'static str, Vec<(&'static str, String)>)>,
    /// By role, and whether they are bound to one owner.
    known: Vec<(Role, bool, String)>,
}

impl Everyone {
    fn new(tokens: &Tokens) -> Self {
        let known = Role::ALL.into_iter().flat_map(|role| {
            let bound = (role, true, tokens.bound(OWNER, &[role]));
            [(role, false, tokens.of(role.as_str(), &[role])), bound]
        });
        let known: Vec<_> = known.collect();
        let roles = &Role::ALL[..];
        let past = Some(Timestamp::from_millis(Timestamp::now().as_millis() - 1));
        let expired = Grant { principal: "all", roles, owner: None, expires: past };
        let (expired, revoked) = (tokens.add(expired), tokens.of("all", roles));
        tokens.revoke(&revoked);
        let good = tokens.of("all", roles);
        // Of the same id, with the last digit of the secret changed.
        let last = if good.ends_with('0') { "1" } else { "0" };
        let wrong = format!("{}{last}", &good[..good.len() - 1]);
        let bearer = |token: &str| vec![("authorization", format!("Bearer {token}"))];
        let basic = vec![("authorization", format!("Basic {good}"))];
        let twice = [bearer(&good), bearer(&good)].concat();
        let unknown = vec![
            ("no token", vec![]),
            ("a wrong token", bearer(&wrong)),
            ("an unknown token", bearer(&Tokens::default().of("all", roles))),
            ("no token at all", bearer("x")),
            ("an expired token", bearer(&expired)),
            ("a revoked token", bearer(&revoked)),
            ("another scheme", basic),
            ("two headers", twice),
        ];
        Self { unknown, known }
    }
}

struct Subject<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    body: Option<String>,
}

impl Subject<'_> {
    async fn ask(&self, headers: &[(&'static str, String)]) -> Answer {
        let mut client = OrderClient::new(self.client);
        for (name, value) in headers {
            client = client.with(name, value);
        }
        if self.body.is_some() {
            client = client.with("content-type", "application/json");
        }
        let body = self.body.clone().unwrap_or_default();
        client.send(self.method.clone(), &self.path, body).await
    }
}

async fn check(what: &str, subject: &Subject<'_>, needs: Needs, everyone: &Everyone) {
    let Needs(roles, bound) = needs;
    for (who, headers) in &everyone.unknown {
        let answer = subject.ask(headers).await;
        if roles.is_empty() {
            assert!(![401, 403].contains(&answer.status), "{what}: {who}: {}", answer.status);
            continue;
        }
        assert_eq!(answer.status, 401, "{what}: {who}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm=\"waybill\""), "{challenge}");
        let shown = headers.len() == 1 && headers[0].1.starts_with("Bearer");
        assert_eq!(challenge.contains("error=\"invalid_token\""), shown, "{who}: {challenge}");
        assert_eq!(challenge.contains("expired"), who.contains("expired"), "{challenge}");
        assert_eq!(challenge.contains("revoked"), who.contains("revoked"), "{challenge}");
    }
    for (role, is_bound, token) in &everyone.known {
        let who = format!("{what}: {role:?}, bound: {is_bound}");
        let answer = subject.ask(&[("authorization", format!("Bearer {token}"))]).await;
        let may = roles.is_empty() || (roles.contains(role) && (bound || !is_bound));
        assert_ne!(answer.status, 401, "{who}");
        assert_eq!(answer.status != 403, may, "{who}: {} {:?}", answer.status, answer.body);
        if !may {
            if subject.method != Method::HEAD {
                assert_eq!(answer.problem(), "forbidden", "{who}");
            }
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        }
    }
}

/// What the description says of it: the roles with which a token may be bound or not, whether it comes
/// in the header (`token`) or in the cookie of a page (`session`).
fn described(operation: &Value, scheme: &str) -> BTreeSet<Vec<String>> {
    let alternatives = operation["security"].as_array().unwrap();
    let of_scheme = alternatives.iter().filter_map(|it| it.get(scheme));
    of_scheme.map(|roles| serde_json::from_value(roles.clone()).unwrap()).collect()
}

fn expected(Needs(roles, bound): Needs) -> BTreeSet<Vec<String>> {
    let of = |more: &[&str]| {
        let more: Vec<String> = more.iter().map(|it| (*it).to_owned()).collect();
        let one = |role: &Role| [vec![role.as_str().to_owned()], more.clone()].concat();
        roles.iter().map(one).collect::<Vec<_>>()
    };
    let bound = if bound { of(&["bound"]) } else { vec![] };
    of(&[]).into_iter().chain(bound).collect()
}

async fn everything_is_asked_by_everyone(system: &Three, tokens: &Tokens) {
    let everyone = Everyone::new(tokens);
    let all = tokens.of("all", &Role::ALL);
    let known = |client: &Client| OrderClient::new(&with(client, &all));
    tests::until("the tokens are known", || async {
        (known(&system.queries).get("/session").await.status == 200).then_some(())
    })
    .await;
    known(&system.commands).create_order(&example_order()).await;
    let mut seen = BTreeSet::new();
    for client in [&system.commands, &system.queries, &system.operations] {
        let document = openapi(client).await;
        for (path, method, operation) in operations(&document) {
            let what = format!("{method} {path}");
            let found = TABLE.iter().find(|(known, _)| *known == what);
            let (name, needs) = *found.unwrap_or_else(|| panic!("{what}: say who may in TABLE"));
            seen.insert(name);
            for scheme in ["token", "session"] {
                assert_eq!(described(operation, scheme), expected(needs), "{what}");
            }
            let is_open = needs.0.is_empty();
            let told = operation["responses"].as_object().unwrap();
            assert_eq!(told.contains_key("401"), !is_open || what == "post /session", "{what}");
            let (path, body) = example_request(path, operation, &all);
            let method = method.to_uppercase();
            // A stream of events does not end.
            let method = if path == "/live" { "HEAD" } else { &method };
            let method = method.parse().unwrap();
            let subject = Subject { client, method, path, body };
            check(&what, &subject, needs, &everyone).await;
        }
        let nothing = known(client).get("/no/such/path").await;
        assert_eq!((nothing.status, nothing.problem().as_str()), (404, "not-found"));
        let nothing = OrderClient::new(client).get("/no/such/path").await;
        assert_eq!(nothing.status, 401, "what there is, is not told");
        let wrong = known(client).send(Method::PUT, "/metrics", "").await;
        assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD")));
    }
    assert_eq!(seen.len(), TABLE.len(), "{seen:?}");
    for (client, path) in [
        (&system.queries, "/assets/js/main.js"),
        (&system.queries, "/docs/swagger-ui.css"),
        (&system.commands, "/docs/swagger-ui.css"),
    ] {
        assert_eq!(OrderClient::new(client).get(path).await.status, 200, "{path}");
    }
    // As the routes read them, and as the checks do not: no way around.
    for path in ["//stats", "/%73tats", "/stats/", "/stats/%64aily", "//events", "/%65vents"] {
        for client in [&system.queries, &system.commands] {
            assert_eq!(OrderClient::new(client).get(path).await.status, 401, "{path}");
            let bound = with(client, &everyone.known[1].2);
            let status = OrderClient::new(&bound).get(path).await.status;
            assert!([403, 404].contains(&status), "{path}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_of_the_embedded_mode_is_for_those_who_may() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    tokens.of("first", &Role::ALL);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    everything_is_asked_by_everyone(&Three::from(&system), &tokens).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_of_the_services_is_for_those_who_may() {
    let tokens = Tokens::default();
    tokens.of("first", &Role::ALL);
    let file = tokens.file().display().to_string();
    let more = [("WAYBILL_TOKENS_FILE".to_owned(), file)];
    let system = System::start_with(&Urls::of_the_run(), &more, 1, 1).await;
    everything_is_asked_by_everyone(&Three::from(&system), &tokens).await;
    system.until_relayed().await;
    system.until_queues_are_empty().await;
    system.remove().await;
}
