//! Where the services ask who their clients are, the page asks its user.

use serde_json::json;
use shared::auth::Role;
use tests::browser::Browser;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};

use super::access::has_no_barrier;

/// The key that ends an input (WebDriver, section 17.4.2).
const ENTER: char = '\u{e007}';

async fn sign_in(browser: &Browser, token: &str) {
    browser.holds("document.activeElement.id === 'token'").await;
    browser.run("document.getElementById('token').value = ''").await;
    browser.press(&format!("{token}{ENTER}")).await;
}

/// Where the page has another host name than the other services, they do not get its cookie. The page says
/// what they answer, and shows the views to whom query-api knows.
async fn what_other_hosts_refuse_does_not_end_the_session(
    browser: &Browser,
    system: &Embedded,
    token: &str,
) {
    let base = format!("http://localhost:{}", system.running.addresses.query.port());
    browser.open(&format!("{base}/#/pipeline")).await;
    sign_in(browser, token).await;
    browser.text("#session", |text| text.contains("ann")).await;
    browser.text("#no-operations", |text| text.contains("Authorization")).await;
    browser.run("location.hash = '#/'").await;
    browser.text("#newest", |text| text.contains("Created")).await;
    browser.text("#connection", |text| text == "Live").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_for_a_token_and_no_script_can_read_it() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let (first, second) = (tokens.of("ann", &Role::ALL), tokens.of("bob", &[Role::Query]));
    let shop = tokens.of("shop", &[Role::Command]);
    let (system, browser) =
        tokio::join!(Embedded::start_with(&folder, tokens.config()), Browser::start());
    let base = system.queries.base().to_owned();
    browser.look(1280, 900, "light").await;
    browser.open(&format!("{base}/")).await;
    sign_in(&browser, "wb_no").await;
    browser.text(".sign-in [role=alert]", |text| text.contains("none that is known")).await;
    has_no_barrier(&browser, "a token that is not taken").await;
    sign_in(&browser, &first).await;
    browser.text("#connection", |text| text == "Live").await;
    browser.text("#session", |text| text.contains("ann")).await;
    let seen =
        "return [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)]";
    assert_eq!(browser.run(seen).await, json!(["", "{}", "{}"]));

    // What the other services tell, at other ports of the host, with the same cookie: who has acted, which
    // is not the one who looks.
    let commands = OrderClient::new(&with(&system.commands, &shop));
    let order = commands.create_lamp(500).await.order_id();
    browser.open(&format!("{base}/#/orders/{order}")).await;
    browser.text(".timeline", |text| text.contains("by shop")).await;
    browser.text(".as-it-was", |text| text == "Created").await;
    browser.open(&format!("{base}/#/pipeline")).await;
    let live = "document.querySelector('[data-generation]')?.dataset.generation";
    browser.holds(live).await;
    let old = browser.run(&format!("return {live}")).await;
    browser.click(".heading button").await;
    browser.text(".heading [role=status]", |text| text.contains("begun")).await;
    let replaced = format!(
        "[...document.querySelectorAll('[data-generation]')].some(row => \
         row.dataset.generation !== {old} && row.textContent.includes('Live'))"
    );
    browser.holds(&replaced).await;
    what_other_hosts_refuse_does_not_end_the_session(&browser, &system, &first).await;
    browser.open(&format!("{base}/#/pipeline")).await;
    browser.holds(live).await;

    // A token that is revoked ends what is shown, and another one may do less.
    tokens.revoke(&first);
    browser.text("#connection", |text| text == "Not signed in").await;
    sign_in(&browser, &second).await;
    browser.text("#session", |text| text.contains("bob")).await;
    browser.text("#no-operations", |text| text.contains("roles")).await;
    browser.open(&format!("{base}/#/")).await;
    browser.text("#connection", |text| text == "Live").await;
    browser.click("#sign-out").await;
    browser.holds("document.activeElement.id === 'token'").await;
    browser.holds("!document.querySelector('#session button')").await;
    browser.close().await;
    system.stop().await;
}
