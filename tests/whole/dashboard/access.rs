//! For everyone: nothing that axe-core calls serious, no error in any view, every view by keyboard, less motion where it is
//! asked for.

use serde_json::{Value, json};
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::orders;

use super::{order_by, start};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const LEFT: &str = "\u{e012}";

/// Orders for each view, and what shows that the view is complete.
async fn views(system: &Embedded) -> Vec<(String, &'static str)> {
    let api = OrderClient::new(&system.commands);
    let id = api.create_order(&order_by("C-1", "EUR", 1_250)).await.order_id();
    assert!(api.pay(id, 1_250).await.is_success());
    assert_eq!(api.create_order(&order_by("C-2", "JPY", 1_250)).await.status, 201);
    vec![
        (String::new(), "#newest tr + tr"),
        ("history".to_owned(), ".ranking .bar"),
        ("find".to_owned(), ".orders tr + tr"),
        (format!("orders/{id}"), ".as-it-was"),
        ("customers/C-1".to_owned(), ".orders tbody tr"),
        ("pipeline".to_owned(), "[data-generation]"),
        ("find?status=cancelled".to_owned(), ".more-row p"),
    ]
}

/// Nothing fades in or moves any more, but what moves for ever: half-faded text has less contrast.
const STANDS_STILL: &str = "document.getAnimations().every(one => one.playState !== 'running' \
    || one.effect.getComputedTiming().endTime === Infinity)";

/// Errors of a page: one that it logs, and one that nothing catches.
const WRONG: &str = "console.error('said');
    setTimeout(() => { setTimeout(done, 0); throw new Error('thrown'); }, 0);";

/// What axe-core finds that is serious or critical, with the place of each.
async fn barriers(browser: &Browser) -> Value {
    let axe = xtask::programs::axe_in_cache().unwrap();
    let axe = std::fs::read_to_string(axe).expect("`cargo xtask install` fetches axe-core");
    browser.run(&axe).await;
    let found =
        "axe.run(document, { resultTypes: ['violations'] }).then(found => done(found.violations
        .filter(one => ['serious', 'critical'].includes(one.impact))
        .map(one => [one.id, one.nodes.map(node => [node.html, node.failureSummary])])))";
    browser.run_until_done(found).await
}

/// Finds nothing serious in what is shown now, in dark colours and then in light ones, which stay.
pub async fn has_no_barrier(browser: &Browser, shown: &str) {
    for scheme in ["dark", "light"] {
        browser.prefer(&[("prefers-color-scheme", scheme)]).await;
        browser.holds(STANDS_STILL).await;
        assert_eq!(barriers(browser).await, json!([]), "{shown}, {scheme}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_view_has_a_serious_barrier() {
    let (_folder, system, browser) = start().await;
    let looks = [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light")];
    for (view, complete) in views(&system).await {
        for (width, height, scheme) in looks {
            browser.look(width, height, scheme).await;
            browser.open("about:blank").await;
            browser.open(&format!("{}/#/{view}", system.queries.base())).await;
            browser.text(complete, |_| true).await;
            browser.holds(STANDS_STILL).await;
            assert_eq!(barriers(&browser).await, json!([]), "{view:?} at {width}, {scheme}");
            let wide = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(browser.run(&format!("return {wide}")).await, json!(true), "{view:?}");
            let errors = browser.errors().await;
            assert!(errors.is_empty(), "{view:?} at {width}, {scheme}: {errors:?}");
        }
    }
    // The checks themselves find what is there to find.
    browser.run_until_done(WRONG).await;
    let errors = browser.errors().await;
    assert!(["said", "thrown"].iter().all(|one| errors.iter().any(|error| error.contains(one))));
    browser.run("document.querySelector('main').append(document.createElement('button'))").await;
    assert_eq!(barriers(&browser).await[0][0], "button-name");
    browser.close().await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_everything() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    let id = api.create_order(&order_by("C-1", "EUR", 1_250)).await.order_id();
    assert!(api.pay(id, 1_250).await.is_success());
    let base = system.queries.base();
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{base}/")).await;
    browser.text("#newest", |text| text.contains("Paid")).await;
    // Past the navigation to the content, and from there into the list.
    browser.press(TAB).await;
    browser.holds("document.activeElement.matches('.skip')").await;
    browser.press(ENTER).await;
    browser.holds("document.activeElement.id === 'main'").await;
    let is_focused = format!("document.activeElement.title === '{id}'");
    until_focused(&browser, &is_focused).await;
    browser.press(ENTER).await;
    browser.text(".travel output", |text| text == "2 of 2").await;
    // Back in time by the arrow keys.
    until_focused(&browser, "document.activeElement.id === 'version'").await;
    browser.press(LEFT).await;
    browser.text(".travel output", |text| text == "1 of 2").await;
    browser.text(".as-it-was", |text| text == "Created").await;
    // A search, from the first key to the answer.
    browser.open(&format!("{base}/#/find")).await;
    until_focused(&browser, "document.activeElement.name === 'what'").await;
    browser.press(&format!("C-1{ENTER}")).await;
    browser.text("h2 ~ *, main", |text| text.contains("The customer's page")).await;
    // A plot, and the figures of one of its days.
    browser.open(&format!("{base}/#/history")).await;
    browser.text(".ranking .bar", |_| true).await;
    until_focused(&browser, "document.activeElement.id === 'orders-per-day'").await;
    browser.press(LEFT).await;
    browser.holds("document.activeElement.ariaValueText.endsWith(': 1 order')").await;
    browser.close().await;
    system.stop().await;
}

/// Opens a view anew.
async fn open(browser: &Browser, system: &Embedded, view: &str) {
    browser.open("about:blank").await;
    browser.open(&format!("{}/#/{view}", system.queries.base())).await;
    browser.text("#connection", |text| text == "Live").await;
}

/// Gives the focus to the first element for which an expression of `one` holds.
async fn focus(browser: &Browser, selector: &str, wanted: &str) {
    let found = format!("[...document.querySelectorAll('{selector}')].find(one => {wanted})");
    browser.holds(&found).await;
    browser.run(&format!("{found}.focus()")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_leave_the_focus_where_it_is() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    let many: Vec<Value> = (0..101).map(|_| orders::create(5)).collect();
    assert!(api.batch(&many).await.is_success());
    let order = order_by("C-1", "EUR", 1_250);
    let id = api.create_order(&order).await.order_id();
    let other = api.create_order(&order).await.order_id();
    system.verify().await;
    browser.look(1280, 900, "light").await;
    // The link to the customer of an order; that of the other order has the same address.
    let row = format!("[data-key='{id}']");
    let link = "document.activeElement.matches('td.wide a')";
    let is_there = format!("return {link} && document.activeElement.closest(\"{row}\") !== null");
    for (view, act, status) in [("", "payments", "Paid"), ("find", "shipments", "Shipped")] {
        open(&browser, &system, view).await;
        focus(&browser, "td.wide a", &format!("one.closest(\"{row}\")")).await;
        let body = if act == "payments" { json!({ "amount": 1_250 }) } else { json!({}) };
        assert!(api.post_to(id, act, &body).await.is_success());
        browser.text(&row, |text| text.contains(status)).await;
        assert_eq!(browser.run(&is_there).await, json!(true), "{view:?}");
    }
    // One of the biggest customers.
    open(&browser, &system, "history").await;
    focus(&browser, ".ranking a", "one.text === 'C-1'").await;
    assert!(api.pay(other, 1_250).await.is_success());
    browser.holds("document.activeElement.closest('tr')?.textContent.includes('25.00')").await;
    // The button of a list; at the end, what it has brought.
    open(&browser, &system, "customers/c").await;
    let rows = "document.querySelectorAll('.orders tbody tr')";
    browser.holds(&format!("{rows}.length === 50")).await;
    focus(&browser, ".more-row button", "!one.hidden").await;
    browser.press(ENTER).await;
    browser.holds(&format!("{rows}.length === 100")).await;
    let is_more = browser.run("return document.activeElement.textContent").await;
    assert_eq!(is_more, json!("More"));
    browser.press(ENTER).await;
    browser.holds(&format!("{rows}[100]?.contains(document.activeElement)")).await;
    browser.close().await;
    system.stop().await;
}

/// Presses Tab until the expression holds.
async fn until_focused(browser: &Browser, expression: &str) {
    for _ in 0..60 {
        browser.press(TAB).await;
        if browser.run(&format!("return {expression}")).await == json!(true) {
            return;
        }
    }
    panic!("Tab does not reach it: {expression}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_by_itself_where_less_motion_is_asked_for() {
    let (_folder, system, browser) = start().await;
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/", system.queries.base())).await;
    browser.text("#connection", |text| text == "Live").await;
    browser.holds("document.getAnimations().length > 0").await;
    browser.prefer(&[("prefers-reduced-motion", "reduce")]).await;
    browser.holds("document.getAnimations().length === 0").await;
    let api = OrderClient::new(&system.commands);
    assert_eq!(api.create_order(&order_by("C-1", "EUR", 5)).await.status, 201);
    browser.text("#newest", |text| text.contains("C-1")).await;
    assert_eq!(browser.run("return document.getAnimations().length").await, json!(0));
    browser.close().await;
    system.stop().await;
}
