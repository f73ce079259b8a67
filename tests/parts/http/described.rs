//! What is sent is described: the headers of every answer, and the types of its problems.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use shared::auth::Role::{self, Operate};
use tests::client::{Answer, OrderClient};
use tests::descriptions::{example_order, example_request, openapi, operations};
use tests::embedded::Embedded;
use tests::stores::TempDir;
use tests::tokens::{OWNER, Tokens, with};
use waybill::client::Client;

use super::tagged::is_not_sent_again;

/// Of HTTP itself and of the way of an answer (`connection`, `date`, `transfer-encoding`), of the body
/// that its `content` describes (`content-type`, `content-length`), or of the coding that any text has
/// where the client asks for it (`content-encoding`, `vary`).
const OF_HTTP: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "transfer-encoding",
    "vary",
];

const PROBLEM: &str = "application/problem+json";

/// A service with its description, and the problems that it answered.
struct Subject<'a> {
    client: &'a Client,
    document: Value,
    token: &'a str,
    problems: BTreeSet<String>,
}

impl<'a> Subject<'a> {
    async fn new(client: &'a Client, token: &'a str) -> Self {
        let (document, problems) = (openapi(client).await, BTreeSet::new());
        Self { client, document, token, problems }
    }

    /// Who may do everything.
    fn known(&self) -> OrderClient {
        OrderClient::new(&with(self.client, self.token))
    }

    /// Asks by this client, and compares the answer with what the operation of this path says.
    async fn ask(
        &mut self,
        client: &OrderClient,
        (method, path): (&str, &str),
        filled: &str,
        body: &str,
    ) -> Answer {
        let client = match body.is_empty() {
            true => client.clone(),
            false => client.with("content-type", "application/json"),
        };
        // A stream of events does not end.
        let sent = if path == "/live" && method == "get" { "HEAD" } else { method };
        let sent: Method = sent.to_uppercase().parse().unwrap();
        let answer = client.send(sent.clone(), filled, body.to_owned()).await;
        let operation = &self.document["paths"][path][method];
        self.is_described(&format!("{sent} {filled}"), operation, &answer);
        if sent != Method::HEAD {
            self.names_a_page(&format!("{sent} {filled}"), &answer).await;
        }
        answer
    }

    fn is_described(&self, what: &str, operation: &Value, answer: &Answer) {
        let status = answer.status.to_string();
        let told = operation["responses"][&status]["headers"].as_object();
        let told = told.unwrap_or_else(|| panic!("{what}: {status}: {:?}", answer.body));
        let names: BTreeSet<String> = told.keys().map(|name| name.to_lowercase()).collect();
        for name in answer.header_names().filter(|name| !OF_HTTP.contains(name)) {
            assert!(names.contains(name), "{what}: {status} has {name}, which is not described");
        }
        for (name, header) in told {
            let header = match header["$ref"].as_str() {
                Some(reference) => self.document.pointer(&reference[1..]).unwrap(),
                None => header,
            };
            let is_there = answer.header(&name.to_lowercase()).is_some();
            let is_required = header["required"].as_bool().unwrap();
            assert!(is_there || !is_required, "{what}: {status} has no {name}");
        }
        if answer.header("content-type") == Some(PROBLEM) && !answer.body.is_empty() {
            let examples = &operation["responses"][&status]["content"][PROBLEM]["examples"];
            let problem = answer.problem();
            assert!(examples[&problem].is_object(), "{what}: {problem} is not described");
            let members = &self.document["components"]["schemas"]["Problem"]["properties"];
            for name in answer.json().as_object().unwrap().keys() {
                assert!(members[name].is_object(), "{what}: {problem} has {name}: not described");
            }
        }
    }

    /// The type of a problem is a page, which knows its status and whether waiting helps.
    async fn names_a_page(&mut self, what: &str, answer: &Answer) {
        if answer.header("content-type") != Some(PROBLEM) {
            assert!(answer.status < 400, "{what}: {}", answer.status);
            return;
        }
        let path = answer.json()["type"].as_str().unwrap().to_owned();
        let page = OrderClient::new(self.client).get(&path).await;
        assert_eq!(page.status, 200, "{what}: {path}");
        let page = page.json();
        assert_eq!(page["status"], answer.status, "{what}: {page}");
        let waits = answer.header("retry-after").is_some();
        assert_eq!(page["retry_after"], waits, "{what}: {page}");
        self.problems.insert(answer.problem());
    }

    /// Every operation as it is, and in every way in which any may be refused.
    async fn ask_everything(&mut self, stranger: &str) {
        let document = self.document.clone();
        let anonymous = OrderClient::new(self.client);
        let stranger = anonymous.with("authorization", &format!("Bearer {stranger}"));
        let known = self.known();
        // What gives the log another identity comes last: the others would wait for its views.
        let (last, others): (Vec<_>, Vec<_>) =
            operations(&document).partition(|(path, ..)| *path == "/log/renew");
        for (path, method, operation) in others.into_iter().chain(last) {
            let (filled, body) = example_request(path, operation, self.token);
            let body = body.unwrap_or_default();
            let asked = (method, path);
            // As the stranger first: the last of these change what there is.
            for (client, is_foreign) in [
                (anonymous.clone(), false),
                (stranger.clone(), false),
                (known.with("accept", "image/x-none"), false),
                (known.with("host", "evil.example"), false),
                (known.with("origin", "http://evil.example"), true),
                (known.clone(), false),
            ] {
                let answer = self.ask(&client, asked, &filled, &body).await;
                if is_foreign && method != "get" {
                    let told = (answer.status, answer.problem());
                    assert_eq!(told, (403, "cross-origin".to_owned()), "{method} {filled}");
                }
                if let Some(etag) = answer.header("etag").filter(|_| method == "get") {
                    let again = client.with("if-none-match", etag);
                    self.ask(&again, asked, &filled, &body).await;
                }
            }
            if !operation["responses"]["200"]["headers"]["ETag"].is_null() && method == "get" {
                assert!(!operation["responses"]["304"].is_null(), "{path}");
                is_not_sent_again(&known, &filled).await;
                let other = self.ask(&known.expecting("\"x\""), asked, &filled, &body).await;
                assert_eq!((other.status, &*other.problem()), (412, "version-mismatch"), "{path}");
            }
            let other = known.send(Method::PATCH, &filled, "").await;
            assert_eq!(other.status, 405, "PATCH {filled}");
            self.is_described(&format!("PATCH {filled}"), operation, &other);
            self.names_a_page(&format!("PATCH {filled}"), &other).await;
        }
    }
}

/// What commands and reads of the log are answered in some cases alone.
async fn provoke_commands(commands: &mut Subject<'_>) {
    let (known, order) = (commands.known(), example_order());
    known.create_order(&order).await;
    let pays = |id: &str| format!("/orders/{id}/payments");
    let of = |amount: u32| json!({ "amount": amount }).to_string();
    let (id, nothing) = (order["order_id"].as_str().unwrap(), uuid::Uuid::new_v4().to_string());
    let (late, keyed) = (known.expecting("\"99\""), known.with_key("described"));
    let large = format!("\"{}\"", "x".repeat(70_000));
    let create = |body: String, problem| (&known, "/orders", "/orders".to_owned(), body, problem);
    let pay = |client, id: &str, amount, problem| {
        (client, "/orders/{order_id}/payments", pays(id), of(amount), problem)
    };
    for (client, path, filled, body, problem) in [
        create(order.to_string(), "order-exists"),
        create("{".to_owned(), "malformed"),
        create("{}".to_owned(), "validation"),
        create(json!({ "items": vec![json!({}); 60] }).to_string(), "validation"),
        create(large, "too-large"),
        pay(&known, &nothing, 1, "order-not-found"),
        pay(&known, id, 1_000_000, "illegal-transition"),
        pay(&late, id, 1, "version-mismatch"),
        pay(&keyed, id, 1, ""),
        pay(&keyed, id, 2, "idempotency-mismatch"),
    ] {
        let answer = commands.ask(client, ("post", path), &filled, &body).await;
        assert_eq!(answer.problem(), problem, "{filled} {body:.100}");
    }
    let past = format!("/orders/{id}/state?version=999");
    let another = "/events?after=0f8fad5bd9cb469fa16570867728950e.1";
    for (path, filled, problem) in [
        ("/events", another, "cursor-of-another-log"),
        ("/orders/{order_id}/state", past.as_str(), "not-found"),
    ] {
        let answer = commands.ask(&known, ("get", path), filled, "").await;
        assert_eq!(answer.problem(), problem, "{filled}");
    }
}

async fn provoke_queries(queries: &mut Subject<'_>) {
    let (known, order) = (queries.known(), format!("/orders/{}", uuid::Uuid::new_v4()));
    for (path, filled, problem) in [
        ("/orders/{order_id}", order.as_str(), "order-not-found"),
        ("/customers/{customer_id}", "/customers/none", "customer-not-found"),
        ("/stats", "/stats?colour=red", "malformed"),
    ] {
        let answer = queries.ask(&known, ("get", path), filled, "").await;
        assert_eq!(answer.problem(), problem, "{filled}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_header_that_is_sent_is_described_and_every_problem_has_its_page() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("all", &Role::ALL);
    let stranger = tokens.bound(OWNER, &[Operate]);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let mut commands = Subject::new(&system.commands, &token).await;
    let mut queries = Subject::new(&system.queries, &token).await;
    let mut operations = Subject::new(&system.operations, &token).await;
    provoke_commands(&mut commands).await;
    provoke_queries(&mut queries).await;
    commands.ask_everything(&stranger).await;
    let all = commands.known().get("/events?limit=1000").await;
    let seen = queries.known().with_token(all.token()).waiting(30).get("/stats").await;
    assert_eq!(seen.status, 200, "the views change no more: {:?}", seen.body);
    // The operations come last, as one of them is of the log.
    for subject in [&mut queries, &mut operations] {
        subject.ask_everything(&stranger).await;
    }
    let of_all =
        ["unauthorized", "forbidden", "not-acceptable", "misdirected", "method-not-allowed"];
    for subject in [&commands, &queries, &operations] {
        for problem in of_all {
            assert!(subject.problems.contains(problem), "{problem}: {:?}", subject.problems);
        }
    }
    for problem in ["cross-origin", "parked-not-found", "dead-letter-not-found"] {
        assert!(operations.problems.contains(problem), "{problem}: {:?}", operations.problems);
    }
    drop((commands, queries, operations));
    system.stop().await;
}

/// Where the answer to a batch finds no room, the batch was carried out.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_may_have_an_unknown_outcome() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let document = openapi(&system.commands).await;
    let unavailable = &document["paths"]["/commands"]["post"]["responses"]["503"];
    for problem in ["outcome-unknown", "unavailable"] {
        assert!(unavailable["content"][PROBLEM]["examples"][problem].is_object(), "{unavailable}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_told_where_it_helps_and_no_answer_asks_for_a_precondition() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    for service in [&system.commands, &system.queries, &system.operations] {
        let document = openapi(service).await;
        let client = OrderClient::new(service);
        for example in document["components"]["examples"].as_object().unwrap().values() {
            assert_ne!(example["value"]["status"], 428);
        }
        for (path, method, operation) in operations(&document) {
            let what = format!("{method} {path}");
            let told = operation["responses"].as_object().unwrap();
            assert!(!told.contains_key("428"), "{what}: no request needs `If-Match`");
            let is_probe = ["/livez", "/readyz"].contains(&path);
            assert_eq!(told.contains_key("429"), !is_probe, "{what}: of one address");
            for (status, response) in told {
                let examples = &response["content"][PROBLEM]["examples"];
                let Some(names) = examples.as_object() else { continue };
                let mut waits = BTreeSet::new();
                for name in names.keys() {
                    let page = client.get(&format!("/problems/{name}")).await.json();
                    waits.insert(page["retry_after"].as_bool().unwrap());
                }
                let header = &response["headers"]["Retry-After"];
                let is_always = match header["$ref"].as_str() {
                    Some(_) => Some(true),
                    None => header["required"].as_bool(),
                };
                let expected = waits.contains(&true).then_some(!waits.contains(&false));
                assert_eq!(is_always, expected, "{what}: {status} {names:?}");
            }
        }
    }
    system.stop().await;
}
