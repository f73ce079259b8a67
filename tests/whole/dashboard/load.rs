//! The page under a flood of changes: it shows the latest, works in frames, and stays small.

use serde_json::json;

use super::start;

/// Keeps the streams that the page opens, so that a test can tell it of changes.
pub(super) const KEEP_STREAMS: &str = "window.streams = [];
    window.EventSource = class extends EventSource {
        constructor(url) { super(url); window.streams.push(this); }
    };";

/// 20,000 new orders, 400 in each frame: how many rows were made, how many are there at most, and how
/// long all of it took.
const FLOOD: &str = "
    const body = document.getElementById('newest'), begun = performance.now();
    let told = 0, made = 0, most = 0;
    new MutationObserver(records => {
        made += records.reduce((sum, record) => sum + record.addedNodes.length, 0);
        most = Math.max(most, body.children.length);
    }).observe(body, { childList: true });
    const order = number => ({ order_id: crypto.randomUUID(), customer_id: `flood-${number}`, currency: 'EUR',
        status: 'created', version: 1, items: [{ sku: 'S', name: 'n', quantity: 1, unit_price: 1 }], total: 1, paid: 0,
        refunded: 0, placed_at: '2026-01-01T00:00:00.000Z', updated_at: '2026-01-01T00:00:00.000Z' });
    const tell = () => {
        for (let i = 0; i < 400; i++) {
            const view = order(++told);
            const data = JSON.stringify({ stream: `order-${view.order_id}`, version: 1, view });
            streams[0].dispatchEvent(new MessageEvent('view', { data }));
        }
        if (told < 20000) return requestAnimationFrame(tell);
        const shown = () => body.textContent.includes('flood-20000');
        const wait = () => shown() ? done([made, most, performance.now() - begun]) : requestAnimationFrame(wait);
        wait();
    };
    tell();";

/// Two orders that the page hears of for the first time at their sixth version: one was placed before
/// those that are shown, the other after them.
const LATE: &str = "
    const tell = (customer_id, placed_at) => {
        const view = { order_id: crypto.randomUUID(), customer_id, currency: 'EUR', status: 'paid',
            version: 6, items: [], total: 1, paid: 1, refunded: 0, placed_at, updated_at: placed_at };
        const data = JSON.stringify({ stream: `order-${view.order_id}`, version: 6, view });
        streams[0].dispatchEvent(new MessageEvent('view', { data }));
    };
    tell('changed', '2025-12-31T23:59:59.999Z');
    tell('batched', '2026-01-01T00:00:00.001Z');";

/// Rows at most, whatever the window.
const MAX_ROWS: f64 = 40.0;
/// Between two changes of the list, in milliseconds.
const SHOW_MILLIS: f64 = 250.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_changes_is_shown_in_few_steps_and_few_rows() {
    let (_folder, system, browser) = start().await;
    browser.run_before(KEEP_STREAMS).await;
    browser.look(2560, 1440, "dark").await;
    browser.open(&format!("{}/", system.queries.base())).await;
    browser.text("#connection", |text| text == "Live").await;
    browser.text("#newest", |text| text.contains("No orders yet")).await;
    let seen = browser.run_until_done(FLOOD).await;
    let figure = |index: usize| seen[index].as_f64().unwrap();
    let (made, most, millis) = (figure(0), figure(1), figure(2));
    assert!(most <= MAX_ROWS, "{seen}: bounded");
    // Every step makes at most twice as many rows as are shown.
    let steps = millis / SHOW_MILLIS + 2.0;
    assert!(made <= steps * 2.0 * MAX_ROWS, "{seen}: not one row for each order");
    let changes = browser.run("return document.querySelectorAll('.changes li').length").await;
    assert!(changes.as_f64().unwrap() <= MAX_ROWS && changes != json!(0), "{changes}");
    // An order that a batch has led on is a new one, too; an older one that has changed is not.
    browser.run(LATE).await;
    let newest = browser.text("#newest", |text| text.contains("batched")).await;
    assert!(!newest.contains("changed"), "{newest}");
    browser.close().await;
    system.stop().await;
}
