//! Figures of the views: what is told is what is there.

mod history;

use std::future::Future;

use serde_json::json;
use tests::browser::Browser;
use tests::client::OrderClient;

use super::missed::STREAMS;
use super::operations::start as start_services;
use super::{CLOCK, order_by, start};

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

/// The text of a part of a tile of the first view, as an expression of JavaScript.
fn tile_part(title: &str, part: &str) -> String {
    format!(
        "[...document.querySelectorAll('.tile')].find(one => one.querySelector('h2').textContent \
         === '{title}').querySelector('{part}').textContent"
    )
}

/// The value of a tile.
fn tile(title: &str) -> String {
    tile_part(title, ".value span")
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
    // Five digits fit beside each other on a phone, with their unit.
    browser.look(390, 844, "light").await;
    let fit = "[...document.querySelectorAll('.tile .value')].every(one => {
        one.firstChild.textContent = '12,345';
        return one.scrollWidth <= one.clientWidth;
    })";
    browser.holds(fit).await;
    browser.close().await;
    system.stop().await;
}

/// Nothing is known during a cut; what has grown meanwhile has grown in all of its time. The highest
/// lag from before it is none of the time after it.
async fn no_rate_is_told_during_a_cut(browser: &Browser, base: &str) {
    browser.run_before(STREAMS).await;
    browser.run_before(CLOCK).await;
    browser.open("about:blank").await;
    browser.open(&format!("{base}/")).await;
    browser.text("#connection", |text| text == "Live").await;
    let script = format!(
        "const seen = [], look = seconds => {{ tick(seconds); seen.push({}, {}); }};
         const tell = (name, data) =>
             streams[0].dispatchEvent(new MessageEvent(name, {{ data: JSON.stringify(data) }}));
         const reach = (applied, lag_ms = null) =>
             tell('checkpoint', {{ position: applied, applied, lag_ms }});
         reach(10_000, 9_000);
         look(10);
         tell('error');
         look(30);
         tell('open');
         reach(10_310);
         look(1);
         return seen;",
        tile("Commands"),
        tile_part("Lag of the views", ".sub")
    );
    let [before, during, after] =
        ["peak of 9.0 s in 10 s", "not known at the moment", "nothing changes at the moment"];
    let expected = json!(["0", before, "–", during, "10.0", after]);
    assert_eq!(browser.run(&script).await, expected, "310 commits in 31 s");
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
