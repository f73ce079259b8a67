//! The history: its ranges, its plots by mouse and by keyboard, and what comes while it is open.

use serde_json::json;
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::orders;

use super::super::{order_by, start};

/// Keys (WebDriver, section 17.4.2).
const END: &str = "\u{e010}";
const HOME: &str = "\u{e011}";
const LEFT: &str = "\u{e012}";
const RIGHT: &str = "\u{e014}";
const PAGE_DOWN: &str = "\u{e00f}";

/// The plots, and the dates of the range, as expressions of JavaScript.
const ORDERS: &str = "document.getElementById('orders-per-day')";
const REVENUE: &str = "document.getElementById('revenue-per-day')";
const DATES: &str = "[...document.querySelectorAll('.dates input')].map(one => one.value).join()";

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

/// A range has a day at least, wherever it begins and ends.
async fn no_range_is_empty(browser: &Browser) {
    drag(browser, "#orders-per-day", 0.52, 0.54).await;
    browser.holds(&format!("{DATES} === '2026-01-06,2026-01-06'")).await;
    browser.text("main [role=status]", |text| text.contains("Orders\n1\n")).await;
    let outside = "const [from, to] = document.querySelectorAll('.dates input');
        from.focus();
        [from.value, to.value] = ['2020-01-01', '2020-01-02'];
        from.dispatchEvent(new Event('change', { bubbles: true }));
        const typing = from.value;
        from.blur();
        return typing;";
    assert_eq!(browser.run(outside).await, json!("2020-01-01"), "it may be the begin of a year");
    browser.holds(&format!("{DATES} === '2026-01-01,2026-01-01'")).await;
    browser.holds(&format!("{ORDERS}.ariaValueMax === '0'")).await;
    browser.click("[data-days=all]").await;
}

/// What is ordered, and in which currency, comes into a history that is open, and leaves its day and
/// range as they are.
async fn the_history_moves_on(browser: &Browser, api: &OrderClient) {
    let second = format!(
        "{ORDERS}.ariaValueText.startsWith(new Intl.DateTimeFormat(undefined, \
         {{ dateStyle: 'medium', timeZone: 'UTC' }}).format(new Date('2026-01-02')))"
    );
    browser.run(&format!("{REVENUE}.focus()")).await;
    browser.press(&format!("{HOME}{RIGHT}")).await;
    browser.holds(&second).await;
    let order = orders::placed_at("2025-12-31T12:00:00Z", order_by("Yen", "JPY", 700));
    let created = api.create_order(&order).await;
    assert!(api.pay(created.order_id(), 700).await.is_success());
    let grown = format!("{DATES} === '2025-12-31,2026-01-10' && {ORDERS}.ariaValueNow === '2'");
    browser.holds(&grown).await;
    browser.text("main [role=status]", |text| text.contains("Orders\n11\n")).await;
    // After a click on a plot the keys that scroll a page do so.
    browser.click("#orders-per-day .u-over").await;
    browser.press(PAGE_DOWN).await;
    assert_eq!(browser.run(&format!("return {second}")).await, json!(true));
    browser.press(RIGHT).await;
    browser.holds(&format!("!{second}")).await;
    browser.holds("document.querySelectorAll('[aria-label=Currency] option').length === 2").await;
    let yen = format!(
        "const choice = document.querySelector('[aria-label=Currency]');
         const day = {REVENUE}.ariaValueText.split(':')[0];
         choice.value = 'JPY';
         choice.dispatchEvent(new Event('change'));
         return {REVENUE}.ariaValueText === `${{day}}: ¥0`;"
    );
    assert_eq!(browser.run(&yen).await, json!(true), "the day stays");
}

/// Without a pointer: a plot has a name, and tells one day after the other of the range that is shown.
async fn keys_lead_from_day_to_day(browser: &Browser) {
    let named = format!(
        "{REVENUE}.role === 'slider' && {REVENUE}.ariaLabel.startsWith('Revenue per day, EUR')"
    );
    browser.holds(&named).await;
    browser.run(&format!("{REVENUE}.focus()")).await;
    for (key, index, sum) in
        [(HOME, 0, "€1.10"), (RIGHT, 1, "€3.10"), (END, 9, "€3.10"), (LEFT, 8, "€1.10")]
    {
        browser.press(key).await;
        let told = format!(
            "{REVENUE}.ariaValueNow === '{index}' && {REVENUE}.ariaValueText.endsWith(': {sum}')"
        );
        browser.holds(&told).await;
        browser.text("#revenue-per-day .u-legend", |text| text.contains(sum)).await;
        // The other plot stands at the same day, for those who see it and for those who don't.
        let other = format!(
            "{ORDERS}.ariaValueNow === '{index}' && {ORDERS}.ariaValueText.endsWith(': 1 order') && \
             {ORDERS}.querySelector('.u-legend').textContent.endsWith('Orders1')"
        );
        browser.holds(&other).await;
    }
    browser.click("[data-days='7']").await;
    browser.run(&format!("{REVENUE}.focus()")).await;
    browser.press(HOME).await;
    browser
        .holds(&format!("{REVENUE}.ariaValueNow === '3' && {REVENUE}.ariaValueMin === '3'"))
        .await;
    browser.click("[data-days=all]").await;
}

/// An order on each of ten days; the history is open when the first of them comes.
async fn ten_days(browser: &Browser, api: &OrderClient) {
    browser.text("#connection", |text| text == "Live").await;
    browser.text("#orders-per-day", |text| text.contains("with the first order")).await;
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
        if day == 1 {
            browser.text("#orders-per-day .u-legend", |text| text.contains("Orders")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_is_dragged_is_what_the_history_tells_of() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/#/history", system.queries.base())).await;
    ten_days(&browser, &api).await;
    system.verify().await;
    browser.open("about:blank").await;
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
    no_range_is_empty(&browser).await;
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
    the_history_moves_on(&browser, &api).await;
    browser.close().await;
    system.stop().await;
}
