//! `cargo xtask screenshots`: pictures of the dashboard, of a system that is at work.

#![expect(clippy::expect_used, reason = "a picture that can't be taken ends the program")]

use std::path::Path;
use std::process::Command;

use tests::browser::Browser;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::let_pass;
use tests::load::plan;
use tests::stores::TempDir;
use waybill::load::Plan;

/// What is there before, and what comes meanwhile.
const BEFORE: usize = 12_000;
const MEANWHILE: Meanwhile = Meanwhile { commands: 60_000, rate: 80 };

struct Meanwhile {
    commands: usize,
    rate: u32,
}

/// A picture: its name, the view, the size of the window, the colours, what shows that it is complete,
/// and how long the view moves before.
type Picture = (&'static str, &'static str, (u32, u32), &'static str, &'static str, u64);
const PICTURES: [Picture; 13] = [
    ("now", "", (1280, 800), "dark", "#newest tr", 30),
    ("now-light", "", (1280, 800), "light", "#newest tr", 15),
    ("now-phone", "", (390, 844), "light", "#newest tr", 10),
    ("now-phone-dark", "", (390, 844), "dark", "#newest tr", 10),
    ("now-wall", "", (2560, 1440), "dark", "#newest tr", 20),
    ("now-wall-light", "", (2560, 1440), "light", "#newest tr", 20),
    ("history", "history", (1280, 1000), "light", ".ranking .bar", 2),
    ("history-phone", "history", (390, 844), "dark", ".ranking .bar", 2),
    ("find", "find?status=paid", (1280, 800), "light", ".orders tbody tr", 2),
    ("order", "orders/{id}", (1280, 1000), "light", ".as-it-was", 2),
    ("order-phone", "orders/{id}", (390, 844), "dark", ".as-it-was", 2),
    ("pipeline", "pipeline", (1280, 800), "dark", "[data-generation]", 6),
    ("pipeline-phone", "pipeline", (390, 844), "light", "[data-generation]", 6),
];

#[tokio::main]
async fn main() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs").join("images");
    std::fs::create_dir_all(&images).expect("a folder for the pictures");
    let folder = TempDir::default();
    let (system, browser) = tokio::join!(Embedded::start(&folder), Browser::start());
    let drive = |plan: Plan| {
        let commands = system.commands.clone();
        async move { plan.drive(&commands, plan.seed.unwrap_or(1)).await.expect("answers") }
    };
    drive(Plan { seed: Some(7), ..plan(BEFORE) }).await;
    let Meanwhile { commands, rate } = MEANWHILE;
    let load = tokio::spawn(drive(Plan { rate, seed: Some(8), ..plan(commands) }));
    let delivered = OrderClient::new(&system.queries).get("/orders?status=delivered&limit=1").await;
    let id = delivered.json()["items"][0]["order_id"].as_str().expect("an order").to_owned();
    for (name, view, (width, height), scheme, complete, seconds) in PICTURES {
        browser.look(width, height, scheme).await;
        browser.open("about:blank").await;
        let view = view.replace("{id}", &id);
        browser.open(&format!("{}/#/{view}", system.queries.base())).await;
        browser.text(complete, |_| true).await;
        let_pass(std::time::Duration::from_secs(seconds)).await;
        let encoded = images.join(format!("{name}.base64"));
        std::fs::write(&encoded, browser.picture().await).expect("it is written");
        decode(&encoded, &images.join(format!("{name}.png")));
        println!("docs/images/{name}.png");
    }
    load.abort();
    browser.close().await;
    system.stop().await;
}

fn decode(from: &Path, to: &Path) {
    let picture = std::fs::File::create(to).expect("a file");
    let done = Command::new("base64").arg("-d").arg(from).stdout(picture).status();
    assert!(done.expect("base64 of coreutils").success());
    std::fs::remove_file(from).expect("it is removed");
}
