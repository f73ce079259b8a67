//! The stream of a page: cut off, silent, paused while the page is hidden, ended with the view.

use std::time::Duration;

use serde_json::json;
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::proxy::Proxy;

use super::access::has_no_barrier;
use super::load::KEEP_STREAMS;
use super::{CLOCK, order_by, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_cut_off_catches_up() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    let proxy = Proxy::start(system.running.addresses.query);
    browser.open(&format!("http://{}/", proxy.address())).await;
    browser.text("#connection", |text| text == "Live").await;
    proxy.refuse();
    browser.text("#connection", |text| text.starts_with("Cut off")).await;
    a_cut_is_told_in_words_also_on_a_small_phone(&browser).await;
    assert_eq!(api.create_order(&order_by("missed", "EUR", 5)).await.status, 201);
    proxy.resume();
    browser.text("#connection", |text| text == "Live").await;
    browser.text("#newest", |text| text.contains("missed")).await;
    a_stream_that_is_silent_for_long_is_opened_anew(&browser, &proxy).await;
    no_rate_is_told_during_a_cut(&browser, &proxy, &api).await;
    browser.close().await;
    system.stop().await;
}

/// Not by a colour alone; and the words make the page no wider.
async fn a_cut_is_told_in_words_also_on_a_small_phone(browser: &Browser) {
    browser.look(320, 640, "light").await;
    let place = "document.getElementById('connection-text').getBoundingClientRect()";
    browser.holds(&format!("{place}.width > 0 && {place}.right <= innerWidth")).await;
    browser.holds("document.documentElement.scrollWidth <= innerWidth").await;
    has_no_barrier(browser, "a cut on a phone").await;
    browser.look(1280, 900, "light").await;
    has_no_barrier(browser, "a cut").await;
}

/// `silent` is the end of the time for which a stream may tell nothing; `begun` counts its beginnings.
const SILENCE: &str = "{
    const later = window.setTimeout;
    window.begun = 0;
    window.setTimeout = (work, millis, ...more) =>
        millis === 40000 ? (begun += 1, window.silent = work, 0) : later(work, millis, ...more);
}";

/// Nothing ends a connection whose other end is gone without a word.
async fn a_stream_that_is_silent_for_long_is_opened_anew(browser: &Browser, proxy: &Proxy) {
    browser.run_before(KEEP_STREAMS).await;
    browser.run_before(SILENCE).await;
    browser.open("about:blank").await;
    browser.open(&format!("http://{}/#/find", proxy.address())).await;
    browser.text("#connection", |text| text == "Live").await;
    for event in ["alive", "checkpoint"] {
        let hears = format!(
            "const before = begun;
             streams[0].dispatchEvent(new MessageEvent('{event}', {{ data: '{{}}' }}));
             return begun - before;"
        );
        assert_eq!(browser.run(&hears).await, json!(1), "{event}: it is not silent");
    }
    proxy.stall();
    browser.run("silent()").await;
    browser.text("#connection", |text| text.starts_with("Cut off")).await;
    browser.holds("streams.length === 2 && streams[0].readyState === EventSource.CLOSED").await;
    proxy.resume();
    browser.text("#connection", |text| text == "Live").await;
}

/// Rates of the pipeline are not known during a cut; afterwards they are those of all the time since.
async fn no_rate_is_told_during_a_cut(browser: &Browser, proxy: &Proxy, api: &OrderClient) {
    browser.run_before(CLOCK).await;
    browser.open("about:blank").await;
    browser.open(&format!("http://{}/#/pipeline", proxy.address())).await;
    browser.text("[data-step=views]", |text| text.contains("checkpoint")).await;
    browser.run("tick(10)").await;
    browser.text("[data-arrow=applied] b", |text| text == "0/s").await;
    proxy.refuse();
    browser.text("#connection", |text| text.starts_with("Cut off")).await;
    browser.run("tick(30)").await;
    for arrow in ["applied", "told"] {
        browser.text(&format!("[data-arrow={arrow}] b"), |text| text == "–").await;
    }
    let mut last = 0;
    for _ in 0..20 {
        last = api.create_lamp(5).await.position();
    }
    proxy.resume();
    browser.text("#connection", |text| text == "Live").await;
    browser.text("[data-step=views]", |text| text.contains(&format!("checkpoint {last}"))).await;
    let told = "const rate = document.querySelector('[data-arrow=applied] b');
        return [1, 2, 3, 4, 5].map(() => { tick(1); return parseFloat(rate.textContent); })";
    let rates: Vec<f64> = serde_json::from_value(browser.run(told).await).unwrap();
    assert!(rates.iter().all(|rate| *rate > 0.0 && *rate < 1.0), "{rates:?}: 20 in over 30 s");
}

/// Hides a page and shows it; `expire` is the end of the time after which a hidden one gives its stream up.
const HIDING: &str = "{
    const later = window.setTimeout;
    let hidden = false;
    Object.defineProperty(document, 'hidden', { get: () => hidden });
    window.setTimeout = (work, millis, ...more) =>
        millis === 10000 ? (window.expire = work, 0) : later(work, millis, ...more);
    window.hide = is => {
        hidden = is;
        document.dispatchEvent(new Event('visibilitychange'));
    };
}";

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_were_left_hold_no_connection() {
    let (_folder, system, browser) = start().await;
    let visits = async {
        // A browser opens six connections to a server, and keeps pages that were left.
        for _ in 0..8 {
            browser.open("about:blank").await;
            browser.open(&format!("{}/", system.queries.base())).await;
            browser.text("#connection", |text| text == "Live").await;
        }
    };
    tokio::time::timeout(Duration::from_secs(45), visits).await.expect("no visit waits");
    // Nor does one that is hidden for a while; it shows what it missed once it is seen.
    browser.run_before(KEEP_STREAMS).await;
    browser.run_before(HIDING).await;
    browser.open("about:blank").await;
    browser.open(&format!("{}/", system.queries.base())).await;
    browser.text("#connection", |text| text == "Live").await;
    browser.run("hide(true)").await;
    browser.holds("streams[0].readyState === EventSource.OPEN").await;
    browser.run("expire()").await;
    browser.text("#connection", |text| text == "Paused").await;
    browser.holds("streams.every(one => one.readyState === EventSource.CLOSED)").await;
    let api = OrderClient::new(&system.commands);
    assert_eq!(api.create_order(&order_by("missed", "EUR", 5)).await.status, 201);
    browser.run("hide(false)").await;
    browser.text("#connection", |text| text == "Live").await;
    browser.text("#newest", |text| text.contains("missed")).await;
    a_view_that_is_left_while_it_loads_is_not_shown(&browser, system.queries.base()).await;
    // One that begins hidden, as in a tab in the background, waits until it is seen.
    browser.run_before("hide(true)").await;
    browser.open("about:blank").await;
    browser.open(&format!("{}/", system.queries.base())).await;
    browser.text("#connection", |text| text == "Paused").await;
    browser.text("#newest", |text| text.contains("missed")).await;
    assert_eq!(browser.run("return streams.length").await, json!(0));
    browser.run("hide(false)").await;
    browser.text("#connection", |text| text == "Live").await;
    browser.close().await;
    system.stop().await;
}

/// Chooses a view, and the first one again while the other one loads; waits until that is loaded.
const LEAVE: &str = "
    const loaded = () => import('/assets/js/find.js').then(() => setTimeout(done, 0));
    addEventListener('hashchange', () => {
        addEventListener('hashchange', loaded, { once: true });
        location.hash = '#/';
    }, { once: true });
    location.hash = '#/find';";

async fn a_view_that_is_left_while_it_loads_is_not_shown(browser: &Browser, base: &str) {
    browser.open("about:blank").await;
    browser.open(&format!("{base}/")).await;
    browser.text("#connection", |text| text == "Live").await;
    browser.run_until_done(LEAVE).await;
    let open = "streams.filter(one => one.readyState !== EventSource.CLOSED).length";
    let headings = "[...document.querySelectorAll('main h1')].map(one => one.textContent)";
    let there = browser.run(&format!("return [{headings}, {open}]")).await;
    assert_eq!(there, json!([["Now"], 1]), "headings of the page, and its streams");
}
