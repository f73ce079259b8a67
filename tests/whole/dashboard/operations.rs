//! What operators do on the page: they try parked streams again, discard dead letters, make new views.

use kernel::Timestamp;
use kernel::log::{Entry, StreamName};
use kernel::views::Parked;
use serde_json::json;
use shared::auth::Role;
use shared::event_store::EventStore as _;
use shared::view_store::{Generation, Progress, ViewStore as _};
use tests::browser::Browser;
use tests::orders;
use tests::services::{System, Urls};
use tests::stores::parked;
use tests::tokens::Tokens;
use tests::until;
use uuid::Uuid;

use super::access::has_no_barrier;

/// Keys (WebDriver, section 17.4.2).
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// A system whose dashboard may ask the other services.
pub async fn start() -> (System, Browser) {
    let mut system = System::start(&Urls::of_the_run(), 1, 1).await;
    let base = |client: &waybill::client::Client| client.base().to_owned();
    let (command, projector, queries) = (
        base(&system.commands[0].client),
        base(&system.projectors[0].client),
        base(&system.queries.client),
    );
    for service in system.commands.iter_mut().chain(&mut system.projectors) {
        service.process.kill();
        service.restart_with(&[("WAYBILL_CORS_ORIGINS", &queries)]);
    }
    system.queries.process.kill();
    system
        .queries
        .restart_with(&[("WAYBILL_COMMAND_URL", &command), ("WAYBILL_PROJECTOR_URL", &projector)]);
    let (_, browser) = tokio::join!(system.until_ready(), Browser::start());
    (system, browser)
}

/// An order that is parked for good: its second event can't be read. Returns its note.
async fn poison(system: &System) -> Parked {
    let id = system.commands[0].api().create_lamp(5).await.order_id();
    let store = system.own.mongodb().await;
    let position = store.head().await.unwrap() + 1;
    let stream = StreamName::new("order", id);
    let poison = orders::commit(position, &stream, 2, &orders::unreadable());
    store.insert(&[Entry::Commit(poison)]).await.unwrap();
    let views = system.own.redis().await;
    let live = views.live().await.unwrap().unwrap().id;
    until("it is parked", || async {
        let notes = parked(&views, &live).await;
        notes.into_iter().find(|note| note.stream == stream)
    })
    .await
}

/// An order that can be applied and is parked all the same, as by a fault that is over.
async fn park(system: &System, other: &Parked) -> StreamName {
    let created = system.commands[0].api().create_lamp(5).await;
    let reader = system.queries.api().with_token(created.token()).waiting(30);
    assert_eq!(reader.get(created.location()).await.status, 200);
    let views = system.own.redis().await;
    let live = views.live().await.unwrap().unwrap().id;
    let stream = StreamName::new("order", created.order_id());
    let reason = "a fault that is over".to_owned();
    let note =
        Parked { stream: stream.clone(), reason, at: Timestamp::now(), let_go: 0, ..other.clone() };
    views.park(&live, &note).await.unwrap();
    stream
}

/// A message on the queue of the live views that is no event.
async fn dead_letter(system: &System, body: &[u8]) {
    let live = system.own.redis().await.live().await.unwrap().unwrap();
    let queue = live.id.queue(&system.own.namespace);
    tests::servers::publish(&queue, &[body]).await;
    until_letters(system, 1).await;
}

/// Waits for so many dead letters: while the page looks at them, they are not seen.
async fn until_letters(system: &System, count: usize) {
    until("so many dead letters are kept", || async {
        let page = system.projectors[0].get("/dead-letters").await;
        (page["total"] == count).then_some(())
    })
    .await;
}

/// From now on the page takes the projector for one of a build that does not tell what was repaired.
const OLDER_PROJECTOR: &str = "
    const real = window.fetch;
    window.fetch = async (url, options) => {
      const answer = await real(url, options);
      if (!String(url).endsWith('/flow')) return answer;
      const { repaired, ...told } = await answer.json();
      return Response.json(told);
    };
    window.currentProjector = () => { window.fetch = real; };";

/// The healer's checkpoint, and what it repaired, also where another worker did that; nothing of repairs
/// where the projector does not tell of them.
async fn what_was_healed_is_shown(system: &System, browser: &Browser) {
    let views = system.own.redis().await;
    let live = views.live().await.unwrap().unwrap().id;
    views.count_repaired(&live, 7).await.unwrap();
    let repaired = system.projectors[0].get("/flow").await["repaired"].clone();
    assert!(repaired.as_u64() >= Some(7), "{repaired}");
    let words = format!("; {repaired} repaired since these views were made");
    browser.text(".healer", |text| text.contains("checked up to") && text.ends_with(&words)).await;
    browser.run(OLDER_PROJECTOR).await;
    let is_untold = |text: &str| text.contains("checked up to") && !text.contains("repaired");
    browser.text(".healer", is_untold).await;
    browser.run("window.currentProjector()").await;
}

/// Shows how far views are that another build of the projector makes, as during an upgrade: this one leaves
/// them alone, and what the test reports of them is all that happens to them.
async fn views_in_the_making_are_shown(system: &System, browser: &Browser) {
    let views = system.own.redis().await;
    let live = views.live().await.unwrap().unwrap();
    let next = Generation::new(live.log, live.projection + 1);
    assert!(views.begin(&next).await.unwrap());
    let head = system.own.mongodb().await.head().await.unwrap();
    let row = format!("document.querySelector('[data-generation={}]')", next.id);
    for (reached, outrun, warning) in [(1, false, ""), (head - 1, true, " The log grows faster.")] {
        let (at, complete_until) = (Timestamp::now(), None);
        let progress = Progress { at, reached, head, outrun, complete_until };
        views.report(&next.id, &progress).await.unwrap();
        let (behind, share) = (head - reached, reached * 100 / head);
        let cells = json!([
            "Being made",
            reached.to_string(),
            behind.to_string(),
            format!("{share}%{warning}")
        ]);
        let shown = format!("[...({row}?.cells ?? [])].slice(1, 5).map(cell => cell.textContent)");
        browser.holds(&format!("JSON.stringify({shown}) === JSON.stringify({cells})")).await;
        let width = format!("{row}.querySelector('.bar span').style.width");
        browser.holds(&format!("Math.floor(parseFloat({width})) === {share}")).await;
    }
    views.remove(&next.id).await.unwrap();
    browser.holds(&format!("!{row}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_of_parked_streams_is_shown_and_how_many_there_are() {
    let (system, browser) = start().await;
    let poisoned = poison(&system).await;
    let views = system.own.redis().await;
    let live = views.live().await.unwrap().unwrap().id;
    for _ in 0..119 {
        let stream = StreamName::new("order", Uuid::new_v4());
        views.park(&live, &Parked { stream, ..poisoned.clone() }).await.unwrap();
    }
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/#/pipeline", system.queries.client.base())).await;
    browser.text("#parked-count", |text| text.contains("50 of 120 are shown")).await;
    browser.holds("document.querySelectorAll(\"[aria-label^='Retry ']\").length === 50").await;
    browser.text("[data-generation]", |text| text.contains("120")).await;
    browser.close().await;
    system.remove().await;
}

/// A projector does not know the page, or asks for tokens, which a page of a query-api without any can't have.
async fn what_the_projector_refuses_is_said_and_the_views_are_shown(
    system: &mut System,
    browser: &Browser,
) {
    system.projectors[0].process.kill();
    system.projectors[0].restart();
    browser.text("#no-operations", |text| text.contains("can't be asked")).await;
    browser.holds("document.querySelectorAll('.panel:not([hidden])').length === 1").await;
    browser.text("[data-step=views]", |text| text.contains("checkpoint")).await;
    browser.text("[data-arrow=published]", |text| text.contains('–')).await;
    has_no_barrier(browser, "no operations").await;
    let tokens = Tokens::default();
    tokens.of("operator", &[Role::Operate]);
    let file = tokens.file().display().to_string();
    let page = system.queries.client.base();
    system.projectors[0].process.kill();
    system.projectors[0]
        .restart_with(&[("WAYBILL_TOKENS_FILE", &file), ("WAYBILL_CORS_ORIGINS", page)]);
    browser.text("#no-operations", |text| text.contains("Authorization")).await;
    browser.run("location.hash = '#/'").await;
    browser.text("#newest", |text| text.contains("Created")).await;
    browser.text("#connection", |text| text == "Live").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_retry_discard_and_rebuild_on_the_page() {
    let (mut system, browser) = start().await;
    let poisoned = poison(&system).await;
    let healthy = park(&system, &poisoned).await;
    dead_letter(&system, b"<img src=x onerror=document.title='pwned'>").await;
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{}/#/pipeline", system.queries.client.base())).await;
    // What is published and what waits is told, and what the healer did.
    browser.text("[data-step=exchange]", |text| text.contains("position")).await;
    browser.text("[data-arrow=delivered]", |text| text.contains("waiting")).await;
    what_was_healed_is_shown(&system, &browser).await;
    // One stream can be applied, the other says why not.
    browser.click(&format!("[aria-label='Retry {healthy}']")).await;
    browser.holds(&format!("!document.querySelector(\"[aria-label='Retry {healthy}']\")")).await;
    browser.click(&format!("[aria-label='Retry {}']", poisoned.stream)).await;
    browser.text(".heading [role=status]", |text| text.contains("UnknownEvent")).await;
    browser.text("main", |text| text.contains(poisoned.stream.as_str())).await;
    // A message is text, whatever it holds, and goes once that is confirmed.
    browser.text("main", |text| text.contains("<img src=x onerror")).await;
    has_no_barrier(&browser, "a parked stream and a dead letter").await;
    browser.click(".danger").await;
    browser.click("dialog button:not(.danger)").await;
    browser.holds("!document.querySelector('dialog') && document.querySelector('.danger')").await;
    browser.holds("document.activeElement.matches('.danger')").await;
    browser.press(ENTER).await;
    browser.holds("document.querySelector('dialog')?.open").await;
    has_no_barrier(&browser, "the question whether to discard").await;
    browser.press(ESCAPE).await;
    browser.holds("!document.querySelector('dialog')").await;
    browser.holds("document.activeElement.matches('.danger')").await;
    until_letters(&system, 1).await;
    browser.click(".danger").await;
    browser.click("dialog .danger").await;
    browser.text("main", |text| text.contains("every message was an event")).await;
    browser.holds("document.activeElement.matches('.empty')").await;
    until_letters(&system, 0).await;
    let title = browser.run("return document.title").await;
    assert_eq!(title, json!("Pipeline · Waybill"));
    views_in_the_making_are_shown(&system, &browser).await;
    // New views take the place of the old ones.
    let old = system.own.redis().await.live().await.unwrap().unwrap().id;
    browser.click(".heading button").await;
    let replaced = format!(
        "[...document.querySelectorAll('[data-generation]')].some(row => \
         row.dataset.generation !== '{old}' && row.textContent.includes('Live'))"
    );
    browser.holds(&replaced).await;
    what_the_projector_refuses_is_said_and_the_views_are_shown(&mut system, &browser).await;
    browser.close().await;
    system.remove().await;
}
