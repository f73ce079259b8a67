//! The dashboard in a real browser.

mod access;
mod figures;
mod find;
mod load;
mod missed;
mod operations;
mod order;
mod sign_in;
mod streams;
mod versions;

use http::Method;
use serde_json::{Value, json};
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::orders;
use tests::stores::TempDir;

/// Gives the clock of a page to the test: `tick` lets seconds pass for what it does each second, and no time passes
/// otherwise.
const CLOCK: &str = "{
    const every = window.setInterval, each = [];
    let ahead = 0;
    performance.now = () => ahead;
    window.setInterval = (work, millis) =>
        millis === 1000 ? (each.push(work), 0) : every(work, millis);
    window.tick = seconds => {
        for (let i = 0; i < seconds; i++) { ahead += 1000; each.forEach(work => work()); }
    };
}";

const EVIL: &str = "<img src=x onerror=document.title='pwned'>";

async fn start() -> (TempDir, Embedded, Browser) {
    let folder = TempDir::default();
    let (system, browser) = tokio::join!(Embedded::start(&folder), Browser::start());
    (folder, system, browser)
}

fn order_by(customer: &str, currency: &str, unit_price: i64) -> Value {
    let mut order = orders::order(unit_price);
    order["customer_id"] = json!(customer);
    order["currency"] = json!(currency);
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_view_moves_with_commands_and_shows_no_text_as_markup() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/", system.queries.base())).await;
    browser.text("#connection", |text| text == "Live").await;
    browser.text("#newest", |text| text.contains("No orders yet")).await;
    let created = api.create_order(&order_by(EVIL, "JPY", 1_250)).await;
    let row = browser.text("#newest", |text| text.contains("1,250")).await;
    assert!(row.contains(EVIL) && !row.contains("12.50"), "{row}: yen have no minor unit");
    assert!(api.pay(created.order_id(), 1_250).await.is_success());
    browser.text(".currencies", |text| text.contains("1,250")).await;
    browser.text("#newest", |text| text.contains("Paid")).await;
    // Decimals are those of the minor unit, also of currencies that are often written without any.
    for (currency, minor) in [("HUF", 98_700), ("IQD", 1_234_000), ("CLF", 56_700_000)] {
        assert_eq!(api.create_order(&order_by("c", currency, minor)).await.status, 201);
    }
    let exact =
        |text: &str| ["987.00", "1,234.000", "5,670.0000"].iter().all(|sum| text.contains(sum));
    browser.text("#newest", exact).await;
    let made = "return [document.images.length, document.title, getComputedStyle(document.body).backgroundColor]";
    let light = browser.run(made).await;
    assert_eq!(
        (&light[0], light[1].as_str()),
        (&json!(1), Some("Now · Waybill")),
        "the logo alone"
    );
    browser.look(390, 844, "dark").await;
    let dark = browser.run(made).await;
    assert_ne!(light[2], dark[2], "the colours follow the system's");
    let wide = "return document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.run(wide).await, json!(true), "nothing is wider than a phone");
    browser.close().await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_shown_as_it_was_after_each_of_its_events() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    let id = api.create_order(&order_by(EVIL, "EUR", 1_250)).await.order_id();
    assert!(api.pay(id, 1_250).await.is_success());
    browser.look(1280, 900, "dark").await;
    browser.open(&format!("{}/#/orders/{id}", system.queries.base())).await;
    browser.text(".travel output", |text| text == "2 of 2").await;
    browser.text(".diff", |text| text.contains("Created") && text.contains("12.50")).await;
    let back = "const slider = document.getElementById('version'); slider.value = 1; \
                slider.dispatchEvent(new Event('input'));";
    browser.run(back).await;
    browser.text(".as-it-was", |text| text == "Created").await;
    assert!(api.ship(id).await.is_success());
    browser.text(".timeline", |text| text.contains("Product shipped")).await;
    browser.text(".frame", |text| text == "Shipped").await;
    // Its customer has a page, whatever the name.
    browser.run("document.querySelector('dd a').click()").await;
    browser.text("#customer", |text| text == EVIL).await;
    browser.text(".orders tbody", |text| text.contains("Shipped")).await;
    browser.close().await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_shows_a_rebuild_and_the_other_views_are_there() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    let created = api.create_order(&order_by("c", "EUR", 5)).await;
    assert!(api.pay(created.order_id(), 5).await.is_success());
    let base = system.queries.base().to_owned();
    browser.open(&format!("{base}/#/pipeline")).await;
    browser.text("[data-generation]", |text| text.contains("Live")).await;
    let operations =
        waybill::client::Client::new(&format!("http://{}", system.running.addresses.projector));
    let rebuilt = operations.send(Method::POST, "/rebuild", &[], "").await.unwrap();
    let id = rebuilt.json().unwrap()["id"].as_str().unwrap().to_owned();
    browser.text(&format!("[data-generation={id}]"), |text| text.contains("Live")).await;
    browser.open(&format!("{base}/#/history")).await;
    browser.run("location.reload()").await;
    browser.text("#orders-per-day .u-legend", |text| text.contains("Orders")).await;
    browser.text("main [role=status]", |text| text.contains("Orders\n1\n")).await;
    browser.open(&format!("{base}/#/find?status=paid")).await;
    browser.text(".orders tbody", |text| text.contains("Paid")).await;
    browser.open(&format!("{base}/#/find?from=2020-01-01&to=2020-01-02")).await;
    browser.text("main [role=status]", |text| text.contains("No order fits")).await;
    // An address that a link would write otherwise means what it says.
    browser.open(&format!("{base}/#/customers/50%")).await;
    browser.text("#customer", |text| text == "50%").await;
    // What is no view, though every object of JavaScript has it, leads to the first one.
    browser.open(&format!("{base}/#/constructor")).await;
    browser.text("#newest", |text| text.contains("Paid")).await;
    browser.close().await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_compressed_and_answered_304_when_they_are_known() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let api = OrderClient::new(&system.queries);
    let browser = api.with("accept-encoding", "gzip");
    let page = browser.get("/").await;
    assert_eq!((page.status, page.header("content-encoding")), (200, Some("gzip")));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'self'; ") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains(&format!("http://{}", system.running.addresses.command)), "{policy}");
    assert_eq!(browser.with("if-none-match", page.etag()).get("/").await.status, 304);
    assert_eq!(api.get("/assets/js/main.js").await.status, 200);
    assert_eq!(api.get("/assets/js/none.js").await.status, 404);
    // The dashboard's page may read the log; a page of another site may not.
    let own = system.queries.base().to_owned();
    let commands = OrderClient::new(&system.commands);
    let allowed = commands.with("origin", &own).get("/events").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some(own.as_str()));
    let other = commands.with("origin", "http://evil.example").get("/events").await;
    assert_eq!(other.header("access-control-allow-origin"), None);
    let command = commands.with("origin", &own).create_order(&orders::order(5)).await;
    assert_eq!(command.status, 403, "and it may not send commands");
    system.stop().await;
}
