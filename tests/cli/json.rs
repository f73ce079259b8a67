//! Every command against an embedded system: JSON that can be read, and the exit code.

use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::program::{CommandLine, Done};
use tests::stores::TempDir;
use tests::until;
use uuid::Uuid;
use waybill::client::Client;
use xtask::servers::Port;

/// An embedded system, and the command line for it.
pub async fn embedded(folder: &TempDir) -> (Embedded, CommandLine) {
    let system = Embedded::start(folder).await;
    let projector = Client::new(&format!("http://{}", system.running.addresses.projector));
    let line = CommandLine::of(&system.commands, &system.queries, &projector);
    (system, line)
}

fn assert_code(done: &Done, code: i32, line: &str) {
    assert_eq!(done.code, Some(code), "{line}: {done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_prints_json_that_tells_what_its_text_does() {
    let (folder, files) = (TempDir::default(), TempDir::default());
    let (system, waybill) = embedded(&folder).await;
    let file = files.0.join("history.ndjson");
    let write = format!("load --json --commands 200 --seed 7 --out {}", file.display());
    assert_eq!(waybill.run(&write).await.json()["seed"], 7);
    let imported = waybill.run(&format!("import {} --json", file.display())).await;
    assert_code(&imported, 0, "import");
    assert_eq!(imported.stderr, "", "no bar where it is no terminal");
    assert_eq!(
        (&imported.json()["accepted"], &imported.json()["stopped"]),
        (&200.into(), &false.into())
    );
    let loaded = waybill.run("load --json --commands 50 --clients 4 --probe").await;
    assert_code(&loaded, 0, "load");
    assert_eq!(loaded.json()["acknowledged"], 50);
    assert!(loaded.json()["latency_ms"]["p99"].as_f64() > Some(0.0), "{loaded:?}");
    let verified = waybill.run("verify --json").await;
    assert_code(&verified, 0, "verify");
    let stats = system.queries.get("/stats").await.unwrap();
    assert_eq!(verified.json()["orders"], stats["orders"]);
    for (line, expected) in [("parked list", "0 parked"), ("dead-letters list", "0 dead letters")] {
        let (text, json) = (waybill.run(line).await, waybill.run(&format!("{line} --json")).await);
        assert_code(&text, 0, line);
        assert_eq!(text.stdout.trim_end(), expected);
        assert_eq!(json.json()["items"], serde_json::json!([]), "{line}");
    }
    let created = OrderClient::new(&system.commands).create_lamp(500).await;
    let id = created.order_id();
    let events = waybill.run(&format!("audit {id} --json")).await.json_lines();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["subject"], format!("order-{id}"));
    assert!(waybill.run(&format!("audit {id}")).await.stdout.contains("waybill.OrderCreated"));
    for line in [format!("state {id} --json"), format!("state {id} --version 1 --json")] {
        assert_eq!(waybill.run(&line).await.json()["total"], 500, "{line}");
    }
    an_order_is_shown_as_text_and_table(&waybill, id).await;
    let rebuilt = waybill.run("rebuild --json").await;
    assert_code(&rebuilt, 0, "rebuild");
    assert_eq!(rebuilt.json()["live"], true);
    let renewed = waybill.run("log renew --json").await;
    assert_code(&renewed, 0, "log renew");
    assert!(renewed.json()["log"].is_string());
    system.stop().await;
}

/// Of an order for one lamp at 5.00, to which nothing else has happened.
async fn an_order_is_shown_as_text_and_table(waybill: &CommandLine, id: Uuid) {
    let shown = waybill.run(&format!("state {id}")).await;
    assert_code(&shown, 0, "state");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let told: Vec<String> = shown.stdout.lines().map(words).collect();
    for line in [
        format!("order {id}").as_str(),
        "customer c",
        "status created",
        "version 1",
        "total 5.00 EUR",
        "paid 0.00 EUR",
        "SKU NAME QUANTITY UNIT PRICE SHIPPED DELIVERED",
        "A Lamp 1 5.00 0 0",
    ] {
        assert!(told.iter().any(|told| told == line), "{line:?} is not in\n{}", shown.stdout);
    }
    let audited = waybill.run(&format!("audit {id}")).await;
    assert_code(&audited, 0, "audit");
    let told: Vec<String> = audited.stdout.lines().map(words).collect();
    for line in ["currency EUR", "customer_id c", &format!("order_id {id}")] {
        assert!(told.iter().any(|told| told == line), "{line:?} is not in\n{}", audited.stdout);
    }
    let item = told.iter().find(|line| line.starts_with("items ")).unwrap();
    assert!(item.contains("unit_price 5.00 EUR") && item.contains("name Lamp"), "{item}");
    assert!(!audited.stdout.contains(['{', '"']), "no JSON: {}", audited.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_what_is_not_there_from_what_failed() {
    let folder = TempDir::default();
    let (system, waybill) = embedded(&folder).await;
    let nothing = "00000000-0000-4000-8000-000000000000";
    for (line, code) in [
        (format!("state {nothing}"), 1),
        (format!("audit {nothing}"), 1),
        (format!("parked show order-{nothing}"), 1),
        ("parked retry order/x?y".to_owned(), 1),
        ("dead-letters show x".to_owned(), 3), // No id at all.
        ("state x --at never".to_owned(), 3),
        ("verfy".to_owned(), 2),
        ("tail --status lost".to_owned(), 2),
        ("import /nowhere/orders.ndjson".to_owned(), 3),
    ] {
        let done = waybill.run(&line).await;
        assert_code(&done, code, &line);
        assert!(!(done.stdout.clone() + &done.stderr).trim().is_empty(), "{line} says nothing");
    }
    let problem = waybill.run(&format!("state {nothing} --json")).await;
    assert_eq!(problem.json()["type"], "/problems/order-not-found");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_and_for_those_who_want_them() {
    let folder = TempDir::default();
    let (system, waybill) = embedded(&folder).await;
    for (variables, colours) in
        [(&[][..], false), (&["CLICOLOR_FORCE"], true), (&["CLICOLOR_FORCE", "NO_COLOR"], false)]
    {
        let with = |waybill: CommandLine, name: &&'static str| waybill.with(name, "1");
        let done = variables.iter().fold(waybill.clone(), with).run("verify").await;
        assert_eq!(done.stdout.contains('\u{1b}'), colours, "{variables:?}: {done:?}");
    }
    let plain = [("NO_COLOR", "1"), ("TERM", "dumb")]
        .map(|(name, value)| (waybill.clone().with(name, value), false));
    for (waybill, colours) in [(waybill.clone(), true)].into_iter().chain(plain) {
        let mut top = waybill.on_terminal("top", "");
        top.shows("commits").await;
        top.press("q").await;
        let (code, shown) = top.ended().await;
        assert_eq!(code, Some(0), "{shown:?}");
        assert_eq!(shown.contains("\u{1b}[38;5;"), colours, "{shown:?}");
        // The library that draws leaves a colour out by this, which would end bold text as well.
        assert!(!shown.contains("\u{1b}[;m"), "{shown:?}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_interrupted_ends_soon_with_exit_code_130() {
    let folder = TempDir::default();
    let (system, waybill) = embedded(&folder).await;
    let mut load = waybill.start("load --rate 1 --commands 100000");
    assert!(load.line().await.starts_with("Sending"));
    // By then all clients wait for their turns, and further orders for clients.
    until("the first order is shown", || async {
        let shown = system.queries.get("/orders").await.ok()?;
        (!shown["items"].as_array()?.is_empty()).then_some(())
    })
    .await;
    assert_eq!(load.interrupt().await, Some(130));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_told_by_name_with_exit_code_3() {
    let port = Port::reserve().unwrap();
    let away = Client::new(&format!("http://127.0.0.1:{}", port.number()));
    let waybill = CommandLine::of(&away, &away, &away);
    for line in [
        "verify",
        "rebuild",
        "parked list",
        "dead-letters list",
        "log renew",
        "audit x",
        "audit --operations",
        "state x",
    ] {
        for line in [line.to_owned(), format!("{line} --json")] {
            let done = waybill.run(&line).await;
            assert_code(&done, 3, &line);
            assert!(done.stderr.contains(away.base()), "{line}: {done:?}");
            assert_eq!(done.stdout, "", "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_completions_and_manual_pages_need_no_system() {
    let (waybill, folder) = (CommandLine::default(), TempDir::default());
    for line in ["help dead-letters", "help parked retry", "token revoke --help"] {
        let help = waybill.run(line).await;
        assert_code(&help, 0, line);
        assert!(help.stdout.contains("Examples:\n"), "{help:?}");
        assert!(!help.stdout.contains('\u{1b}'), "no colours where it is no terminal: {help:?}");
    }
    let script = waybill.run("completions bash").await;
    let file = folder.0.join("waybill.bash");
    std::fs::write(&file, &script.stdout).unwrap();
    let checked = tokio::process::Command::new("bash").arg("-n").arg(&file).status().await;
    assert!(script.stdout.contains("dead-letters") && checked.unwrap().success());
    let described = waybill.run("asyncapi --namespace other --json").await;
    assert_eq!(described.json()["channels"]["events"]["address"], "other.events");
    let page = waybill.run("man").await;
    assert!(page.stdout.contains(".TH waybill 1"), "{page:?}");
    let pages = folder.0.join("man1");
    let written = waybill.run(&format!("man --json --out {}", pages.display())).await;
    assert_code(&written, 0, "man");
    assert_eq!(written.json()["folder"], pages.display().to_string());
    let names: Vec<String> = serde_json::from_value(written.json()["pages"].clone()).unwrap();
    assert!(names.len() > 20 && names.iter().all(|name| pages.join(name).is_file()), "{names:?}");
    let told = waybill.run(&format!("man --out {}", pages.display())).await;
    assert_eq!(told.stdout, format!("{} pages are in {}\n", names.len(), pages.display()));
    for name in ["waybill-top.1", "waybill-parked-retry.1"] {
        let page = std::fs::read_to_string(pages.join(name)).unwrap();
        assert!(page.contains("EXAMPLES"), "{name}: {page}");
    }
    assert_code(&waybill.run("man --out /dev/null/x").await, 3, "man");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_prints_its_addresses_as_json_and_ends_well_on_a_signal() {
    let folder = TempDir::default();
    let mut waybill =
        CommandLine::default().with("WAYBILL_DATA_DIR", &folder.0.display().to_string());
    for name in ["WAYBILL_COMMAND_LISTEN", "WAYBILL_QUERY_LISTEN", "WAYBILL_PROJECTOR_LISTEN"] {
        waybill = waybill.with(name, "127.0.0.1:0");
    }
    let mut up = waybill.start("up --json");
    let told: serde_json::Value = serde_json::from_str(&up.line().await).unwrap();
    let queries = Client::new(told["query_api"].as_str().unwrap());
    let alive = queries.send(http::Method::GET, "/livez", &[], "").await.unwrap();
    assert_eq!(alive.body, "alive");
    assert_eq!(up.interrupt().await, Some(0));
}
