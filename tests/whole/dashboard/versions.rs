//! What the timeline of an order tells of each event, and the slider through its versions.

use http::Method;
use serde_json::json;
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::orders;

use super::start;

/// Moves the slider to a version.
async fn choose(browser: &Browser, version: i64) {
    let script = format!(
        "const slider = document.getElementById('version'); slider.value = {version};
         slider.dispatchEvent(new Event('input'));"
    );
    browser.run(&script).await;
}

/// Waits until these are the differences that the chosen event made, and no others.
async fn changed(browser: &Browser, expected: &[&str]) {
    let told = "[...document.querySelectorAll('.diff li')].map(one => one.textContent)";
    let expected = json!(expected);
    browser.holds(&format!("JSON.stringify({told}) === JSON.stringify({expected})")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_tells_why_it_happened_and_what_it_changed() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    let order = orders::order_of(&[orders::item("A", 2, 1_000), orders::item("B", 3, 250)]);
    let id = api.create_order(&order).await.order_id();
    let asked = api.with("x-correlation-id", "checkout-7").with("x-causation-id", "cart-3");
    assert!(asked.post_to(id, "items", &orders::item("C", 1, 500)).await.is_success());
    let removed = api.send(Method::DELETE, &format!("/orders/{id}/items/B"), "").await;
    assert!(removed.is_success(), "{:?}", removed.body);
    assert!(api.pay(id, 2_500).await.is_success());
    let part = json!({ "items": [{ "sku": "A", "quantity": 1 }] });
    assert!(api.post_to(id, "shipments", &part).await.is_success());
    assert!(api.deliver(id).await.is_success());
    browser.look(1280, 900, "light").await;
    let base = system.queries.base();
    browser.open(&format!("{base}/#/orders/{id}")).await;
    browser.text(".travel output", |text| text == "6 of 6").await;
    let causes = browser.text(".timeline [data-version='2']", |text| !text.is_empty()).await;
    assert!(causes.contains("by an unnamed client · caused by cart-3"), "{causes}");
    assert!(causes.contains("correlation checkout-7"), "{causes}");
    let causes = browser.text(".timeline [data-version='3']", |text| !text.is_empty()).await;
    assert!(causes.contains("correlation ") && !causes.contains("caused by"), "{causes}");
    let all: [(i64, &[&str]); 5] = [
        (6, &["A delivered0→1"]),
        (5, &["statusPaid→Partially shipped", "A shipped0→1"]),
        (4, &["statusCreated→Paid", "paid€0.00→€25.00"]),
        (3, &["total€32.50→€25.00", "item B3 × Chair→removed"]),
        (2, &["total€27.50→€32.50", "item C1 × Chair"]),
    ];
    for (version, changes) in all {
        choose(&browser, version).await;
        changed(&browser, changes).await;
    }
    // Of an order that is cancelled nothing is owed any more; before that, all of it was.
    let id = api.create_lamp(1_250).await.order_id();
    assert!(api.post_to(id, "cancellation", &json!({})).await.is_success());
    browser.open(&format!("{base}/#/orders/{id}")).await;
    browser.text(".as-it-was", |text| text == "Cancelled").await;
    let owed = |place: &str, sum: &str| {
        format!("document.querySelector('{place} .facts.large').textContent.endsWith('Owed{sum}')")
    };
    browser.holds(&owed(".past", "€0.00")).await;
    browser.holds(&owed(".grid:not(.past)", "€0.00")).await;
    choose(&browser, 1).await;
    browser.holds(&owed(".past", "€12.50")).await;
    browser.close().await;
    system.stop().await;
}

/// Holds answers for version 2 back until `fail` ends the last of them with an error.
const HOLD_VERSION_2: &str = "{
    const real = window.fetch;
    window.fetch = (url, options) => {
        if (!url.endsWith('/state?version=2')) return real(url, options);
        window.asking = options.signal;
        return new Promise(resolve => {
            window.fail = () => {
                window.fail = null;
                resolve(Response.json({ detail: 'Too many.' }, { status: 429 }));
            };
        });
    };
}";

/// Keeps all that the page tells of what the chosen event changed.
const KEEP_TOLD: &str = "window.told = [];
    const place = document.querySelector('.diff');
    new MutationObserver(() => told.push(place.textContent)).observe(place, { childList: true });";

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_left_shows_neither_its_error_nor_its_state() {
    let (_folder, system, browser) = start().await;
    let api = OrderClient::new(&system.commands);
    let id = api.create_lamp(1_250).await.order_id();
    for _ in 0..4 {
        assert!(api.pay(id, 1).await.is_success());
    }
    browser.run_before(HOLD_VERSION_2).await;
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/#/orders/{id}", system.queries.base())).await;
    browser.text(".travel output", |text| text == "5 of 5").await;
    changed(&browser, &["paid€0.03→€0.04"]).await;
    choose(&browser, 2).await;
    browser.holds("window.fail").await;
    browser.run(KEEP_TOLD).await;
    choose(&browser, 5).await;
    browser.holds("asking.aborted").await;
    browser.run("fail()").await;
    choose(&browser, 4).await;
    changed(&browser, &["paid€0.02→€0.03"]).await;
    let told = browser.run("return told.join()").await.to_string();
    assert!(!told.contains("can't be read"), "{told}");
    // Where the chosen version can't be read, no other one stands in for it.
    choose(&browser, 2).await;
    browser.holds("window.fail").await;
    browser.run("fail()").await;
    browser.text(".diff", |text| text.contains("can't be read: Too many.")).await;
    browser.holds("!document.querySelector('.past .facts, .past table')").await;
    choose(&browser, 5).await;
    browser.text(".as-it-was", |text| text == "Partially paid").await;
    // What has the focus keeps it while the order changes.
    let places = ["dd a", ".grid:not(.past) [aria-label=Items]", ".past [aria-label=Items]"];
    for (place, version) in places.into_iter().zip(6..) {
        browser.run(&format!("document.querySelector('{place}').focus()")).await;
        assert!(api.pay(id, 1).await.is_success());
        let sum = format!("€0.0{}", version - 1);
        browser.text(".past .facts", |text| text.contains(&sum)).await;
        browser.text(".facts.two", |text| text.contains(&format!("Version\n{version}"))).await;
        browser.holds(&format!("document.activeElement.matches('{place}')")).await;
    }
    browser.close().await;
    system.stop().await;
}
