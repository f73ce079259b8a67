//! What no stream has told the page: it is there all the same, and the page does not ask to be told all.

use serde_json::json;
use tests::browser::Browser;
use tests::client::{Answer, OrderClient};
use tests::embedded::Embedded;

use super::{order_by, start};

/// Streams of the page that a test opens (`late`), and whose changes it may lose (`deaf`); and an answer that it
/// holds back, the first from the path `held`. Reads below the path `broken` fail, and those below `hung` have no
/// answer until `expire` ends the time for it; `met` counts both.
pub const STREAMS: &str = "
    Object.assign(window, { streams: [], late: false, deaf: false, lost: 0, held: null,
        broken: null, hung: null, met: 0 });
    const Stream = EventSource, ask = fetch;
    window.EventSource = class extends EventTarget {
        static CLOSED = Stream.CLOSED;
        constructor(url) { super(); this.url = url; streams.push(this); if (!late) this.open(); }
        get readyState() { return this.real?.readyState ?? Stream.CONNECTING; }
        open() {
            this.real = new Stream(this.url);
            for (const name of ['open', 'error', 'view', 'checkpoint', 'skipped', 'reset', 'alive']) {
                this.real.addEventListener(name, ({ data, lastEventId }) => {
                    if (name === 'view' && deaf) lost += 1;
                    else this.dispatchEvent(new MessageEvent(name, { data, lastEventId }));
                });
            }
        }
        close() { this.real?.close(); }
    };
    const ends = [];
    AbortSignal.timeout = () => {
        ends.push(new AbortController());
        return ends.at(-1).signal;
    };
    window.expire = () => ends.forEach(end => end.abort(new DOMException('late', 'TimeoutError')));
    window.fetch = async (url, options) => {
        if (broken && url.startsWith(broken)) {
            met += 1;
            return Response.json({ detail: 'Too many reads.' }, { status: 503 });
        }
        if (hung && url.startsWith(hung)) {
            met += 1;
            const { signal } = options;
            await new Promise((_, fail) => signal.addEventListener('abort', () => fail(signal.reason)));
        }
        const answer = await ask(url, options);
        if (url !== held) return answer;
        held = null;
        await new Promise(done => { window.release = done; });
        return answer;
    };";

/// Loses the changes that come from now on.
const LOSE: &str = "deaf = true; lost = 0";

/// An answer to the page: those that it asked for before have come, unless they are held back.
const ROUND: &str = "fetch('/stats').then(answer => answer.json()).then(() => setTimeout(done, 0))";

/// The services for clients, and what a test waits for at them.
struct Api {
    commands: OrderClient,
    queries: OrderClient,
}

impl Api {
    fn of(system: &Embedded) -> Self {
        let [commands, queries] = [&system.commands, &system.queries].map(OrderClient::new);
        Self { commands, queries }
    }

    /// Waits until the views have what a command did.
    async fn applied(&self, done: &Answer) {
        assert!(done.is_success(), "{:?}", done.body);
        let reader = self.queries.with_token(done.token()).waiting(30);
        assert_eq!(reader.order(done.order_id()).await.status, 200);
    }
}

async fn open_start(browser: &Browser, system: &Embedded) {
    browser.run_before(STREAMS).await;
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/", system.queries.base())).await;
    browser.text("#connection", |text| text == "Live").await;
}

/// Goes to a view of the page that is open.
async fn go(browser: &Browser, view: &str) {
    browser.run(&format!("location.hash = '#/{view}'")).await;
}

/// What the stream of the view tells, by the word of the test.
async fn tell(browser: &Browser, event: &str, data: &str) {
    let event = format!("new MessageEvent('{event}', {{ data: '{data}' }})");
    browser.run(&format!("streams.at(-1).dispatchEvent({event})")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_before_the_stream_was_there_or_was_lost_is_read() {
    let (_folder, system, browser) = start().await;
    let api = Api::of(&system);
    open_start(&browser, &system).await;
    for view in ["find?customer_id=C-1", "customers/C-1", ""] {
        let created = api.commands.create_order(&order_by("C-1", "EUR", 1_250)).await;
        api.applied(&created).await;
        let row = format!("[data-key='{}']", created.order_id());
        browser.run("late = true; deaf = false").await;
        go(&browser, view).await;
        browser.text(&row, |text| text.contains("Created")).await;
        // Nothing tells of the payment: the stream begins behind it.
        api.applied(&api.commands.pay(created.order_id(), 1_250).await).await;
        browser.run("streams.at(-1).open()").await;
        browser.text(&row, |text| text.contains("Paid")).await;
        browser.text("#connection", |text| text == "Live").await;
        browser.run(LOSE).await;
        assert!(api.commands.ship(created.order_id()).await.is_success());
        browser.holds("lost > 0").await;
        tell(&browser, "reset", r#"{"reason":"a test"}"#).await;
        browser.text(&row, |text| text.contains("Shipped")).await;
    }
    // An order by itself, whose first answer is late.
    let created = api.commands.create_order(&order_by("C-1", "EUR", 1_250)).await;
    api.applied(&created).await;
    let id = created.order_id();
    browser.run(&format!("deaf = false; held = '/orders/{id}'")).await;
    go(&browser, &format!("orders/{id}")).await;
    browser.holds("window.release").await;
    api.applied(&api.commands.pay(id, 1_250).await).await;
    browser.run("streams.at(-1).open()").await;
    browser.text("#connection", |text| text == "Live").await;
    browser.run_until_done(ROUND).await;
    browser.run("release()").await;
    browser.run_until_done(ROUND).await;
    browser.text(".frame", |text| text == "Paid").await;
    browser.text(".travel output", |text| text == "2 of 2").await;
    browser.close().await;
    system.stop().await;
}

/// Waits until a list was read at the beginning, and once more when the stream was there.
pub async fn is_read_twice(browser: &Browser, search: &str) {
    let read = format!(
        "performance.getEntriesByType('resource').filter(one => one.name.endsWith('/orders{search}'))"
    );
    browser.holds(&format!("{read}.length >= 2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_tells_of_what_leaves_it_and_is_told_of_a_part_where_much_changes() {
    let (_folder, system, browser) = start().await;
    let api = Api::of(&system);
    let id = api.commands.create_order(&order_by("C-1", "EUR", 1_250)).await.order_id();
    api.applied(&api.commands.pay(id, 1_250).await).await;
    open_start(&browser, &system).await;
    let row = format!("[data-key='{id}']");
    go(&browser, "find?status=paid").await;
    is_read_twice(&browser, "?status=paid&limit=50").await;
    browser.text(&row, |text| text.contains("Paid")).await;
    browser.text(".more-row p", |text| text == "1 order shown, all that fit.").await;
    assert!(api.commands.ship(id).await.is_success());
    browser.text(&row, |text| text.contains("Shipped")).await;
    browser.text(".more-row p", |text| text == "1 order shown; 1 no longer fits.").await;
    browser.holds(&format!("document.querySelector(\"{row}\").matches('.gone')")).await;
    // A search for all orders is not told of all changes, and knows what it was not told.
    go(&browser, "find").await;
    is_read_twice(&browser, "?limit=50").await;
    let most = "new URL(streams.at(-1).url, location).searchParams.get('max_per_second')";
    browser.holds(&format!("Number({most}) > 0")).await;
    browser.text(&row, |text| text.contains("Shipped")).await;
    browser.run(LOSE).await;
    let newer = api.commands.create_order(&order_by("C-2", "EUR", 1_250)).await;
    assert!(api.commands.deliver(id).await.is_success());
    browser.holds("lost >= 2").await;
    tell(&browser, "skipped", r#"{"views":2}"#).await;
    browser.text(&row, |text| text.contains("Delivered")).await;
    // Newer orders do not push away what is looked at, as they would do under load.
    let is_shown =
        format!("Boolean(document.querySelector(\"[data-key='{}']\"))", newer.order_id());
    assert_eq!(browser.run(&format!("return {is_shown}")).await, json!(false));
    tell(&browser, "reset", r#"{"reason":"a test"}"#).await;
    browser.holds(&is_shown).await;
    what_could_not_be_read_is_read_again(&browser, &api).await;
    browser.close().await;
    system.stop().await;
}

/// Of a list: nothing else tells it of these orders.
async fn what_could_not_be_read_is_read_again(browser: &Browser, api: &Api) {
    let note = "document.querySelector('.more-row p').textContent";
    let faults = [
        ("broken", "Too many reads.", "broken = null"),
        ("hung", "It does not answer in time.", "hung = null; expire()"),
    ];
    for (fault, why, end) in faults {
        let created = api.commands.create_order(&order_by("C-3", "EUR", 1_250)).await;
        api.applied(&created).await;
        browser.run(&format!("{fault} = '/orders'; met = 0; window.whys = []")).await;
        let look = format!(
            "new MutationObserver(() => whys.push({note}))
                 .observe(document.querySelector('.more-row p'), {{ childList: true }})"
        );
        browser.run(&look).await;
        tell(browser, "reset", r#"{"reason":"a test"}"#).await;
        browser.holds("met > 0").await;
        browser.run(end).await;
        browser
            .holds(&format!("document.querySelector(\"[data-key='{}']\")", created.order_id()))
            .await;
        browser.holds(&format!("whys.includes('{why}')")).await;
    }
}
