//! An order with a long history, and one whose history can't be read.

use futures::{StreamExt as _, stream};
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::proxy::Proxy;
use tests::services::System;
use uuid::Uuid;

use super::access::has_no_barrier;
use super::load::KEEP_STREAMS;
use super::operations::start as start_services;
use super::{order_by, start};

/// Events that the page holds at most.
const WINDOW: i64 = 200;

/// Pays one cent so many times.
async fn pay(api: &OrderClient, order: Uuid, times: usize) {
    let paid = stream::iter(0..times).map(|_| api.pay(order, 1)).buffer_unordered(32);
    assert!(paid.all(|paid| async move { paid.is_success() }).await);
}

/// Waits until the timeline has the events from the one version to the other, and no others.
async fn shows(browser: &Browser, first: i64, last: i64) {
    let versions =
        "[...document.querySelectorAll('.timeline button')].map(one => one.dataset.version)";
    let expected: Vec<String> = (first..=last).map(|version| version.to_string()).collect();
    browser.holds(&format!("{versions}.join() === '{}'", expected.join(","))).await;
}

/// Drags the slider over all versions, down to the first.
const DRAG: &str = "
    const real = window.fetch, slider = document.getElementById('version');
    window.asked = 0;
    window.fetch = (url, options) => {
        asked += url.includes('/state?');
        return real(url, options);
    };
    for (let version = Number(slider.max); version >= 1; version--) {
        slider.value = version;
        slider.dispatchEvent(new Event('input'));
    }";

#[tokio::test(flavor = "multi_thread")]
async fn of_a_long_history_a_part_is_drawn_and_only_what_is_new_is_read() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    let id = api.create_order(&order_by("C-1", "EUR", 1_250)).await.order_id();
    pay(&api, id, 449).await;
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/#/orders/{id}", system.queries.base())).await;
    browser.text(".travel output", |text| text == "450 of 450").await;
    shows(&browser, 450 - WINDOW + 1, 450).await;
    browser.text("main", |text| text.contains("251 to 450 of 450")).await;
    // A change is read from the last known version on.
    browser.run("performance.clearResourceTimings()").await;
    pay(&api, id, 1).await;
    browser.text(".travel output", |text| text == "451 of 451").await;
    shows(&browser, 451 - WINDOW + 1, 451).await;
    let asked = "return performance.getEntriesByType('resource').map(one => new URL(one.name))
        .filter(url => url.pathname.endsWith('/events')).map(url => Number(url.searchParams.get('after')))";
    let asked: Vec<i64> = serde_json::from_value(browser.run(asked).await).unwrap();
    assert!(asked.contains(&450) && asked.iter().all(|after| *after >= 450), "{asked:?}");
    // The slider reaches every version; those that it passes are not asked for. What comes then does not
    // move it, and the row that has the focus gives it on where it makes room.
    browser.run(DRAG).await;
    browser.text(".travel output", |text| text == "1 of 451").await;
    browser.text(".diff", |text| text.contains("Created")).await;
    let asked = browser.run("return asked").await;
    assert!(asked.as_i64().unwrap() < 5, "{asked} states");
    browser.run("document.querySelector('[data-version=\"252\"]').focus()").await;
    pay(&api, id, 1).await;
    browser.text(".travel output", |text| text == "1 of 452").await;
    shows(&browser, 253, 452).await;
    browser.holds("document.activeElement.dataset.version === '253'").await;
    buttons_lead_through(&browser).await;
    what_is_no_order_is_not_asked_for_again(&browser, system.queries.base()).await;
    browser.close().await;
    system.stop().await;
}

/// To the events before, and back. A button at the end of its way gives the focus to the other one.
async fn buttons_lead_through(browser: &Browser) {
    browser.click("#earlier").await;
    shows(browser, 53, 252).await;
    browser.click("#earlier").await;
    shows(browser, 1, 200).await;
    browser.holds("document.getElementById('earlier').hidden").await;
    browser.holds("document.activeElement.id === 'later'").await;
    browser.holds("document.querySelector('[data-version=\"1\"]').ariaPressed === 'true'").await;
    browser.click("#later").await;
    shows(browser, 201, 400).await;
    browser.click("#later").await;
    shows(browser, 253, 452).await;
    browser.holds("document.getElementById('later').hidden").await;
    browser.holds("document.activeElement.id === 'earlier'").await;
}

/// `each` is what the page does every 2 s; `asked` counts its questions to the log. The answer to the first one takes
/// so long that the stream is there before it.
const COUNT: &str = "{
    const every = window.setInterval, real = window.fetch;
    Object.assign(window, { each: [], asked: 0 });
    window.setInterval = (work, millis) =>
        millis === 2000 ? (each.push(work), 0) : every(work, millis);
    window.fetch = async (url, options) => {
        const isFirst = url.includes('/events') && (asked += 1) === 1;
        const answer = await real(url, options);
        if (isFirst) await new Promise(next => setTimeout(next, 2000));
        return answer;
    };
}";

/// Lets 40 s pass for that.
const LET_PASS: &str = "(async () => {
    for (let i = 0; i < 20; i++) {
        each.forEach(work => work());
        await fetch('/stats').then(answer => answer.text());
        await new Promise(next => setTimeout(next, 0));
    }
    done(asked);
})();";

/// An order that is not there is so once more when the stream is there. What can't be an order has no stream.
async fn what_is_no_order_is_not_asked_for_again(browser: &Browser, base: &str) {
    browser.run_before(KEEP_STREAMS).await;
    browser.run_before(COUNT).await;
    browser.open("about:blank").await;
    browser.open(&format!("{base}/#/orders/{}", Uuid::now_v7())).await;
    browser.text("#no-history", |text| text.contains("does not have it: There is no order")).await;
    browser.text("#connection", |text| text == "Live").await;
    let asked = browser.run_until_done(LET_PASS).await;
    assert!((1..=3).contains(&asked.as_i64().unwrap()), "{asked} questions");
    has_no_barrier(browser, "an order that is not there").await;
    browser.run("location.hash = '#/orders/abc'").await;
    browser.text("#no-order", |text| text.contains("not the id of an order")).await;
    browser.text("#connection", |text| text == "Nothing to follow").await;
    has_no_barrier(browser, "what can't be an order").await;
    browser.holds("streams.length === 1 && streams[0].readyState === EventSource.CLOSED").await;
}

/// Lets the page lose command-api for a while, in which the order is paid in part. It shows a history that
/// ends before the view does, says so, and reads the rest by itself.
async fn a_history_that_ends_early_says_so(
    system: &mut System,
    browser: &Browser,
    order: Uuid,
    page: &str,
) {
    let base = system.commands[0].client.base().trim_start_matches("http://").to_owned();
    let proxy = Proxy::start(base.parse().unwrap());
    let through = format!("http://{}", proxy.address());
    system.queries.process.kill();
    system.queries.restart_with(&[("WAYBILL_COMMAND_URL", &through)]);
    system.queries.until_ready().await;
    browser.open("about:blank").await;
    browser.open(page).await;
    browser.text(".travel output", |text| text == "1 of 1").await;
    proxy.refuse();
    assert!(system.commands[0].api().pay(order, 250).await.is_success());
    browser.text(".frame", |text| text == "Partially paid").await;
    browser.text("#stale", |text| text.contains("can't be read from the log")).await;
    browser.text(".travel output", |text| text == "1 of 1").await;
    proxy.resume();
    browser.text(".travel output", |text| text == "2 of 2").await;
    browser.holds("document.getElementById('stale').hidden").await;
    browser.open("about:blank").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_command_api_an_order_shows_its_view_and_says_what_is_missing() {
    let (mut system, browser) = start_services().await;
    let created = system.commands[0].api().create_order(&order_by("C-1", "EUR", 1_250)).await;
    let reader = system.queries.api().with_token(created.token()).waiting(30);
    assert_eq!(reader.get(created.location()).await.status, 200);
    let id = created.order_id();
    let raw = format!("{}/orders/{id}/events", system.commands[0].client.base());
    browser.look(1280, 900, "light").await;
    let page = format!("{}/#/orders/{id}", system.queries.client.base());
    browser.open(&page).await;
    browser.text(".as-it-was", |text| text == "Created").await;
    browser.holds(&format!("document.querySelector('.heading a').href === '{raw}'")).await;
    browser.holds("!document.getElementById('no-history')").await;
    // The link leads to the events as the log has them.
    browser.open(&raw).await;
    browser.text("body", |text| text.contains("waybill.OrderCreated")).await;
    a_history_that_ends_early_says_so(&mut system, &browser, id, &page).await;
    system.commands[0].process.kill();
    browser.open(&page).await;
    browser.text("#no-history", |text| text.contains("does not answer here")).await;
    browser.text(".frame", |text| text == "Partially paid").await;
    browser.text("main", |text| text.contains("12.50") && text.contains("Lamp")).await;
    browser.holds("!document.querySelector('.timeline')").await;
    browser.close().await;
    system.remove().await;
}
