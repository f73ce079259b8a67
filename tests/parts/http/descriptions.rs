//! What the services say of themselves holds: OpenAPI, AsyncAPI, the schemas of events, the pages of
//! problems.

use std::collections::BTreeSet;

use ::orders::OrderAggregate;
use http::Method;
use kernel::aggregate::Aggregate as _;
use serde_json::{Value, json};
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::descriptions::{assert_fits, openapi, operations, schema_in, validator};
use tests::embedded::Embedded;
use tests::load::{drive, plan};
use tests::python::python;
use tests::stores::TempDir;
use tests::until::WAIT_TIMEOUT;

#[tokio::test(flavor = "multi_thread")]
async fn each_service_is_described_by_valid_openapi() {
    let (folder, files) = (TempDir::default(), TempDir::default());
    let system = Embedded::start(&folder).await;
    for service in [&system.commands, &system.queries, &system.operations] {
        let document = openapi(service).await;
        std::fs::write(files.0.join("openapi.json"), document.to_string()).unwrap();
        python(&files.0, ["-m", "openapi_spec_validator", "openapi.json"], WAIT_TIMEOUT).await;
        let (mut names, mut linked) = (BTreeSet::new(), BTreeSet::new());
        for (path, method, operation) in operations(&document) {
            let what = format!("{method} {path}");
            linked.extend(links(operation));
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{what}");
            examples_fit(&what, &document, operation);
            for header in ["X-Request-Id", "X-Correlation-Id", "traceparent"] {
                let of_it = |it: &&Value| it["in"] == "header" && it["name"] == header;
                let told = operation["parameters"].as_array().unwrap().iter().filter(of_it);
                assert_eq!(told.count(), 1, "{what} {header}");
            }
        }
        for example in document["components"]["examples"].as_object().unwrap().values() {
            let schema = json!({ "$ref": "#/components/schemas/Problem" });
            assert_fits("a problem", &schema_in(&document, &schema), &example["value"]);
        }
        assert!(!linked.is_empty() && linked.is_subset(&names), "{linked:?}");
        let all = &document["components"]["schemas"]["Problem"]["properties"];
        for name in ["rule", "version", "errors_left_out", "reason", "waiting", "stuck"] {
            let member = &all[name];
            assert!(member["description"].is_string(), "{name}: {all}");
            assert_fits(name, &schema_in(&document, member), &member["examples"][0]);
        }
    }
    system.stop().await;
}

/// The operations that its answers lead to.
fn links(operation: &Value) -> impl Iterator<Item = &str> {
    let responses = operation["responses"].as_object().unwrap().values();
    let links = responses.filter_map(|response| response["links"].as_object());
    links.flat_map(|links| links.values()).map(|link| link["operationId"].as_str().unwrap())
}

fn examples_fit(what: &str, document: &Value, operation: &Value) {
    let responses = operation["responses"].as_object().unwrap().values();
    let bodies = responses.chain([&operation["requestBody"]]);
    let contents = bodies.filter_map(|body| body["content"].as_object());
    for content in contents.flat_map(|contents| contents.values()) {
        if let Some(example) = content.get("example") {
            assert_fits(what, &schema_in(document, &content["schema"]), example);
        }
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let what = format!("{what} {}", parameter["name"]);
        assert_fits(&what, &schema_in(document, &parameter["schema"]), &parameter["example"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_fits_the_schema_that_it_names() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    drive(&plan(1_000), &system.commands).await;
    let feed = system.commands.get("/events?limit=1000").await.unwrap();
    let events = feed["events"].as_array().unwrap();
    let described = system.commands.get("/asyncapi.json").await.unwrap();
    let messages = &described["components"]["messages"];
    let batch = validator(&messages["Events"]["payload"]);
    assert_fits("a message", &batch, &json!(events[..100]));
    assert!(!batch.is_valid(&json!([])) && !batch.is_valid(&json!([{}])));
    let mut kinds = BTreeSet::new();
    for event in events {
        let path = event["dataschema"].as_str().unwrap();
        if kinds.insert(path) {
            let schema = system.commands.get(path).await.unwrap();
            assert_eq!(schema["$id"], path);
            let name = path.trim_start_matches("/schemas/").replace('/', ".");
            assert_fits(path, &validator(&schema), &event["data"]);
            assert_fits(path, &validator(&messages[name]["payload"]), event);
        }
    }
    assert!(kinds.len() >= 5, "{kinds:?}");
    let commands = OrderClient::new(&system.commands);
    for path in ["/schemas/OrderCreated/2", "/schemas/Nothing/1", "/schemas/OrderCreated/x"] {
        assert_eq!(commands.get(path).await.status, 404, "{path}");
    }
    drop(commands);
    system.stop().await;
}

#[test]
fn every_schema_of_an_event_has_a_golden_file_that_fits() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../orders/golden");
    let mut described = BTreeSet::new();
    for event in OrderAggregate::contract().events {
        let name = format!("{}.{}.json", event.name, event.version);
        let text = std::fs::read_to_string(format!("{golden}/{name}")).unwrap();
        let mut generator = schemars::SchemaGenerator::default();
        let mut schema = event.data.schema(&mut generator).to_value();
        schema["$defs"] = generator.take_definitions(true).into();
        let validator = validator(&schema);
        assert_fits(&name, &validator, &serde_json::from_str(&text).unwrap());
        assert_fits(&name, &validator, &event.data.example);
        described.insert(name);
    }
    let files = std::fs::read_dir(golden).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(described, files.collect());
}

/// What `/asyncapi.json` says, as the repository has it.
const ASYNCAPI_YAML: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/asyncapi.yaml");

/// AsyncAPI's own parser, for a browser.
const ASYNCAPI_PARSER: &str = include_str!("../../asyncapi/index.js");

/// The severity of a diagnostic that is an error; those of warnings and hints are higher.
const ERROR: u64 = 0;

/// All that the parser finds in a document, JSON or YAML: errors, warnings, information and hints.
async fn diagnostics(browser: &Browser, document: &str) -> Vec<Value> {
    let script = format!(
        "new AsyncAPIParser().parse({}) \
         .then(it => done(it.diagnostics), error => done([String(error)]))",
        json!(document)
    );
    let found = browser.run_until_done(&script).await;
    found.as_array().expect("diagnostics").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parser_of_asyncapi_finds_nothing_in_the_description_of_the_exchange() {
    let folder = TempDir::default();
    let (system, browser) = tokio::join!(Embedded::start(&folder), Browser::start());
    browser.run(ASYNCAPI_PARSER).await;
    let document = system.commands.get("/asyncapi.json").await.unwrap();
    let kept = std::fs::read_to_string(ASYNCAPI_YAML).unwrap();
    for text in [document.to_string(), kept] {
        let found = diagnostics(&browser, &text).await;
        assert!(found.is_empty(), "{found:#?}");
    }
    for (place, value) in [
        ("/channels/events/messages", json!([])),
        ("/channels/events/bindings/amqp/exchange/type", json!("loudspeaker")),
        ("/operations/publishEvents/channel/$ref", json!("#/channels/none")),
        ("/components/messages/Events/payload/type", json!("list")),
    ] {
        let mut broken = document.clone();
        *broken.pointer_mut(place).unwrap() = value;
        let found = diagnostics(&browser, &broken.to_string()).await;
        assert!(found.iter().any(|it| it["severity"] == ERROR), "{place}: {found:#?}");
    }
    browser.close().await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_the_exchange_is_kept_in_the_repository_and_its_examples_fit() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let document = system.commands.get("/asyncapi.json").await.unwrap();
    assert_eq!(document["channels"]["events"]["address"], "waybill.events");
    // The parser compares no example with its schema.
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            assert_fits(name, &validator(&message["payload"]), &example["payload"]);
        }
    }
    // The file of the repository says the same, as others read YAML.
    let files = TempDir::default();
    std::fs::write(files.0.join("served.json"), document.to_string()).unwrap();
    let same = "import json, sys, yaml; \
                assert yaml.safe_load(open(sys.argv[1])) == json.load(open('served.json'))";
    python(&files.0, ["-c", same, ASYNCAPI_YAML], WAIT_TIMEOUT).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_is_a_page_that_says_what_to_do() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    for service in [&system.commands, &system.queries, &system.operations] {
        let document = openapi(service).await;
        let client = OrderClient::new(service);
        let browser = client.with("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        for example in document["components"]["examples"].as_object().unwrap().values() {
            let path = example["value"]["type"].as_str().unwrap();
            let page = client.get(path).await;
            assert_eq!(page.header("content-type"), Some("application/json"));
            let page = page.json();
            assert_eq!(
                (&page["type"], &page["status"]),
                (&json!(path), &example["value"]["status"])
            );
            assert!(page["meaning"].is_string() && page["remedy"].is_string(), "{page}");
            let shown = browser.get(path).await;
            assert_eq!(shown.header("content-type"), Some("text/html; charset=utf-8"));
            let text = String::from_utf8(shown.body.to_vec()).unwrap();
            assert!(text.contains(page["title"].as_str().unwrap()), "{text}");
        }
        assert_eq!(client.get("/problems/none").await.status, 404);
    }
    let rules = system.commands.get("/problems/illegal-transition").await.unwrap();
    assert!(rules["rules"]["overpayment"].is_string(), "{rules}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_viewer_needs_nothing_but_the_service() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    for service in [&system.commands, &system.queries, &system.operations] {
        let client = OrderClient::new(service);
        let page = client.get("/docs").await;
        let policy = page.header("content-security-policy").unwrap().to_owned();
        assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        let loaded: Vec<&str> = text.split("\"/docs/").skip(1).collect();
        assert_eq!(loaded.len(), 3, "{text}");
        for name in loaded.iter().map(|rest| rest.split('"').next().unwrap()) {
            assert_eq!(client.get(&format!("/docs/{name}")).await.status, 200, "{name}");
        }
        let etag = client.get("/openapi.json").await.etag().to_owned();
        let again = client.with("if-none-match", &etag).get("/openapi.json").await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        let put = client.send(Method::PUT, "/openapi.json", "").await;
        assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD")));
    }
    system.stop().await;
}
