//! Figures of the views: what is told is what is there.

use std::future::Future;

use serde_json::json;
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::orders;

use super::missed::STREAMS;
use super::operations::start as start_services;
use super::{order_by, start};

/// Keys (WebDriver, section 17.4.2).
const END: &str = "\u{e010}";
const HOME: &str = "\u{e011}";
const LEFT: &str = "\u{e012}";
const RIGHT: &str = "\u{e014}";

/// Does something again and again, for as long as `looking` takes.
async fn meanwhile<Done: Future>(looking: impl Future<Output = ()>, mut act: impl FnMut() -> Done) {
    let acting = async {
        loop {
            act().await;
        }
    };
    tokio::select! {
        () = looking => {}
        () = acting => {}
    }
}

/// The value of a tile of the first view, as a text of JavaScript.
fn tile(title: &str) -> String {
    format!(
        "[...document.querySelectorAll('.tile')].find(one => one.querySelector('h2').textContent \
         === '{title}').querySelector('.value span').textContent"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_view_tells_rates_lag_and_how_far_orders_came() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/", system.queries.base())).await;
    browser.text("#connection", |text| text == "Live").await;
    let [_, paid, shipped] = [
        api.create_lamp(500).await.order_id(),
        api.create_lamp(500).await.order_id(),
        api.create_lamp(500).await.order_id(),
    ];
    assert!(api.pay(paid, 500).await.is_success());
    assert!(api.pay(shipped, 500).await.is_success());
    assert!(api.ship(shipped).await.is_success());
    let counts = |list: &str| {
        format!("[...document.querySelectorAll('{list} .num')].map(one => one.textContent).join()")
    };
    browser.holds(&format!("{} === '3,2,1,0'", counts(".funnel"))).await;
    // Orders that were placed at one time are told apart.
    let names = "new Set([...document.querySelectorAll('#newest a.mono')].map(one => one.text))";
    browser.holds(&format!("{names}.size === 3")).await;
    for status in ["created", "paid", "shipped"] {
        let told = format!(
            "document.querySelector('.statuses [data-status={status}]').closest('li') \
             .querySelector('.num').textContent === '1'"
        );
        browser.holds(&told).await;
    }
    browser.holds(&format!("{} === '3'", tile("All orders"))).await;
    // Rates and the lag are of a time in which something happens.
    let looking = async {
        for title in ["Commands", "Orders"] {
            browser.holds(&format!("parseFloat({}) > 0", tile(title))).await;
        }
        browser.holds(&format!("/^[0-9.,]+$/.test({})", tile("Lag of the views"))).await;
    };
    meanwhile(looking, || api.create_lamp(500)).await;
    no_rate_is_told_during_a_cut(&browser, system.queries.base()).await;
    browser.close().await;
    system.stop().await;
}

/// Lets seconds pass for what the page does each second.
const CLOCK: &str = "{
    const clock = performance.now.bind(performance), every = window.setInterval, each = [];
    let ahead = 0;
    performance.now = () => clock() + ahead;
    window.setInterval = (work, millis) =>
        millis === 1000 ? (each.push(work), 0) : every(work, millis);
    window.tick = seconds => {
        for (let i = 0; i < seconds; i++) { ahead += 1000; each.forEach(work => work()); }
    };
}";

/// Nothing is known during a cut; what has grown meanwhile has grown in all of its time.
async fn no_rate_is_told_during_a_cut(browser: &Browser, base: &str) {
    browser.run_before(STREAMS).await;
    browser.run_before(CLOCK).await;
    browser.open("about:blank").await;
    browser.open(&format!("{base}/")).await;
    browser.text("#connection", |text| text == "Live").await;
    let script = format!(
        "const seen = [], look = seconds => {{ tick(seconds); seen.push({}); }};
         const tell = (name, data) =>
             streams[0].dispatchEvent(new MessageEvent(name, {{ data: JSON.stringify(data) }}));
         const reach = applied => tell('checkpoint', {{ position: applied, applied, lag_ms: null }});
         reach(10_000);
         look(10);
         tell('error');
         look(30);
         tell('open');
         reach(10_310);
         look(1);
         return seen;",
        tile("Commands")
    );
    assert_eq!(browser.run(&script).await, json!(["0", "–", "10.0"]), "310 commits in 31 s");
}

/// Drags over the plot of a view, from one share of its width to another.
async fn drag(browser: &Browser, plot: &str, from: f64, to: f64) {
    let script = format!(
        "const over = document.querySelector('{plot} .u-over'), place = over.getBoundingClientRect();
         const act = (name, share) => over.dispatchEvent(new MouseEvent(name, {{ bubbles: true, button: 0, buttons: 1,
             movementX: 5, clientX: place.left + share * place.width, clientY: place.top + place.height / 2 }}));
         act('mousemove', {from});
         act('mousedown', {from});
         act('mousemove', ({from} + {to}) / 2);
         act('mousemove', {to});
         act('mouseup', {to});"
    );
    browser.run(&script).await;
}

/// Without a pointer: a plot has a name, and tells one day after the other of the range that is shown.
async fn keys_lead_from_day_to_day(browser: &Browser) {
    const PLOT: &str = "document.getElementById('revenue-per-day')";
    let named =
        format!("{PLOT}.role === 'slider' && {PLOT}.ariaLabel.startsWith('Revenue per day, EUR')");
    browser.holds(&named).await;
    browser.run(&format!("{PLOT}.focus()")).await;
    for (key, index, sum) in
        [(HOME, 0, "€1.10"), (RIGHT, 1, "€3.10"), (END, 9, "€3.10"), (LEFT, 8, "€1.10")]
    {
        browser.press(key).await;
        let told = format!(
            "{PLOT}.ariaValueNow === '{index}' && {PLOT}.ariaValueText.endsWith(': {sum}')"
        );
        browser.holds(&told).await;
        browser.text("#revenue-per-day .u-legend", |text| text.contains(sum)).await;
        browser.text("#orders-per-day .u-legend", |text| text.contains('1')).await;
    }
    browser.click("[data-days='7']").await;
    browser.run(&format!("{PLOT}.focus()")).await;
    browser.press(HOME).await;
    browser.holds(&format!("{PLOT}.ariaValueNow === '3' && {PLOT}.ariaValueMin === '3'")).await;
    browser.click("[data-days=all]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_is_dragged_is_what_the_history_tells_of() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    for day in 1..=10 {
        let customer = if day % 2 == 0 { "Even" } else { "Odd" };
        let quantity = if day % 2 == 0 { 3 } else { 1 };
        let mut order =
            orders::order_of(&[orders::item("A", quantity, 100), orders::item("B", 1, 10)]);
        order["customer_id"] = customer.into();
        let order = orders::placed_at(&format!("2026-01-{day:02}T12:00:00Z"), order);
        let created = api.create_order(&order).await;
        assert_eq!(created.status, 201);
        assert!(api.pay(created.order_id(), quantity * 100 + 10).await.is_success());
    }
    system.verify().await;
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/#/history", system.queries.base())).await;
    let said = "main [role=status]";
    browser.text(said, |text| text.contains("Orders\n10\n") && text.contains("€21.00")).await;
    // Each day is a tenth of the width: these are the last four.
    drag(&browser, "#orders-per-day", 0.6, 0.97).await;
    browser.text(said, |text| text.contains("Orders\n4\n") && text.contains("€8.40")).await;
    let from = "document.querySelector('[aria-label=From]').value === '2026-01-07'";
    browser.holds(from).await;
    browser.click("[data-days=all]").await;
    browser.text(said, |text| text.contains("Orders\n10\n")).await;
    keys_lead_from_day_to_day(&browser).await;
    // Best sellers and biggest customers, of all days.
    let rows = |name: &str| {
        format!(
            "[...document.querySelectorAll('[aria-label=\"{name}\"] tbody tr')].map(row => \
             [...row.cells].map(cell => cell.textContent).join(' '))"
        )
    };
    let sellers = "['Lamp A 20 €20.00', 'Chair B 10 €1.00']";
    let customers = "['Even 5 €15.50', 'Odd 5 €5.50']";
    for (name, expected) in [("Product", sellers), ("Customer", customers)] {
        let told = format!("JSON.stringify({}) === JSON.stringify({expected})", rows(name));
        browser.holds(&told).await;
    }
    browser.close().await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_arrow_of_the_pipeline_has_a_figure() {
    let (system, browser) = start_services().await;
    let api = system.commands[0].api();
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/#/pipeline", system.queries.client.base())).await;
    browser.text("[data-step=exchange]", |text| text.contains("position")).await;
    let figure =
        |arrow: &str| format!("document.querySelector('[data-arrow={arrow}] b').textContent");
    let looking = async {
        for arrow in ["commits", "published", "applied", "told"] {
            let moves = format!("/^[0-9.,]+\\/s$/.test({0}) && parseFloat({0}) > 0", figure(arrow));
            browser.holds(&moves).await;
        }
        browser.holds(&format!("/^[0-9,]+$/.test({})", figure("delivered"))).await;
    };
    let order = order_by("C-1", "EUR", 1_250);
    meanwhile(looking, || api.create_order(&order)).await;
    browser.close().await;
    system.remove().await;
}
