//! Orders that are searched for.

use serde_json::json;
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::orders;
use uuid::Uuid;

use super::missed::is_read_twice;
use super::{order_by, start};

/// The key that ends an input (WebDriver, section 17.4.2).
const ENTER: char = '\u{e007}';

/// The ids of the orders that are listed, as an expression of JavaScript.
const LISTED: &str =
    "[...document.querySelectorAll('.orders tbody tr')].map(row => row.querySelector('a').title)";

/// Waits until these orders are listed, in this order, and no others.
async fn lists(browser: &Browser, expected: &[Uuid]) {
    let expected = json!(expected);
    browser.holds(&format!("JSON.stringify({LISTED}) === JSON.stringify({expected})")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_found_by_id_by_time_and_page_by_page() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    let mut ids = vec![];
    for day in 1..=3 {
        let order = order_by("Winter", "EUR", 1_250);
        let order = orders::placed_at(&format!("2026-01-0{day}T12:00:00Z"), order);
        ids.push(api.create_order(&order).await.order_id());
    }
    let many = order_by("Many", "EUR", 5);
    browser.run("scrollTo(0, 0)").await; // The bar is over the button where the list was left.
    let created = futures::future::join_all((0..60).map(|_| api.create_order(&many))).await;
    assert!(created.iter().all(|created| created.status == 201));
    system.verify().await;
    browser.look(1280, 900, "light").await;
    let base = system.queries.base();
    // Both ends of a range are in it, and the newest order is the first.
    browser.open(&format!("{base}/#/find?from=2026-01-02&to=2026-01-03")).await;
    lists(&browser, &[ids[2], ids[1]]).await;
    browser.text(".more-row p", |text| text == "2 orders shown, all that fit.").await;
    // An id leads to the order, however it is written.
    browser.run("document.querySelector('[name=what]').focus()").await;
    browser.press(&format!(" {} {ENTER}", ids[0].to_string().to_uppercase())).await;
    browser.text(".heading .id", |text| text == ids[0].to_string()).await;
    browser.text(".travel output", |text| text == "1 of 1").await;
    // A long list goes on at a button, without a gap and without an order twice.
    browser.open(&format!("{base}/#/find?customer_id=Many")).await;
    browser.text(".more-row p", |text| text == "50 orders shown.").await;
    browser.holds(&format!("new Set({LISTED}).size === 50")).await;
    browser.click(".more-row button").await;
    browser.text(".more-row p", |text| text == "60 orders shown, all that fit.").await;
    browser.holds(&format!("new Set({LISTED}).size === 60")).await;
    browser.holds("document.querySelector('.more-row button').hidden").await;
    who_goes_back_finds_the_list_as_it_was(&browser).await;
    new_orders_wait_for_a_button(&browser, &api).await;
    lists_grow_where_nothing_is_pushed_away(&browser, &api).await;
    a_customer_may_be_named_like_an_order(&browser, &api).await;
    browser.close().await;
    system.stop().await;
}

/// A list that was read on, scrolled and left for one of its orders.
async fn who_goes_back_finds_the_list_as_it_was(browser: &Browser) {
    let scrolled = "addEventListener('scroll', () => done(0), { once: true }); scrollTo(0, 400);";
    browser.run_until_done(scrolled).await;
    browser.run("document.querySelectorAll('.orders tbody a.mono')[55].click()").await;
    browser.text(".travel output", |text| text == "1 of 1").await;
    browser.run("history.back()").await;
    browser.text(".more-row p", |text| text == "60 orders shown, all that fit.").await;
    browser.holds("scrollY === 400").await;
}

/// Where there is something to look at, new orders come when they are asked for, also by the same search once more.
async fn new_orders_wait_for_a_button(browser: &Browser, api: &OrderClient) {
    is_read_twice(browser, "?customer_id=Many&limit=60").await;
    let many = order_by("Many", "EUR", 5);
    browser.run("scrollTo(0, 0)").await; // The bar is over the button where the list was left.
    for button in [".panel > header > button", ".fields button"] {
        let new = api.create_order(&many).await;
        assert_eq!(new.status, 201);
        let is_listed = format!("[...{LISTED}].includes('{}')", new.order_id());
        browser.text(".more-row p", |text| text == "60 orders shown; others may fit by now.").await;
        browser.holds(&format!("!{is_listed}")).await;
        browser.click(button).await;
        browser.text(".more-row p", |text| text == "60 orders shown.").await;
        browser.holds(&is_listed).await;
        browser.holds("document.querySelector('.panel > header > button').hidden").await;
    }
}

/// An empty search shows what comes to fit; the page of a customer has all orders, as its sums do.
async fn lists_grow_where_nothing_is_pushed_away(browser: &Browser, api: &OrderClient) {
    browser.run("location.hash = '#/find?customer_id=New&status=paid'").await;
    is_read_twice(browser, "?customer_id=New&status=paid&limit=50").await;
    browser.text(".more-row p", |text| text == "No order fits.").await;
    let order = order_by("New", "EUR", 5);
    let first = api.create_order(&order).await.order_id();
    assert!(api.pay(first, 5).await.is_success());
    lists(browser, &[first]).await;
    browser.run("location.hash = '#/customers/New'").await;
    is_read_twice(browser, "?customer_id=New&limit=50").await;
    let second = api.create_order(&order).await.order_id();
    lists(browser, &[second, first]).await;
    browser.text(".more-row p", |text| text == "2 orders shown, all that fit.").await;
}

/// Searches for an order or a customer, in an empty form.
async fn seek(browser: &Browser, what: &str) {
    browser.run("location.hash = '#/find'").await;
    browser.holds("document.querySelector('[name=what]')?.value === ''").await;
    browser.run("document.querySelector('[name=what]').focus()").await;
    browser.press(&format!("{what}{ENTER}")).await;
}

/// What no order is leads to the customer of that name, where there is one; capitals are part of it.
async fn a_customer_may_be_named_like_an_order(browser: &Browser, api: &OrderClient) {
    let name = Uuid::now_v7().to_string().to_uppercase();
    let id = api.create_order(&order_by(&name, "EUR", 5)).await.order_id();
    browser.run(&format!("location.hash = '#/customers/{name}'")).await;
    lists(browser, &[id]).await;
    seek(browser, &name).await;
    browser.holds(&format!("location.hash === '#/find?customer_id={name}'")).await;
    lists(browser, &[id]).await;
    let none = Uuid::now_v7();
    seek(browser, &none.to_string()).await;
    browser.text("#no-history", |text| text.contains("There is no order")).await;
    browser.holds(&format!("location.hash === '#/orders/{none}'")).await;
}
