//! What operators look at and ask for: `rebuild`, `parked`, `dead-letters`, `audit`, `state`.

pub mod dead_letters;

use std::time::{Duration, Instant};

use kernel::{Failure, Result};
use serde_json::Value;

use crate::client::Client;
use crate::load::progress;

/// Between two looks at a generation in the making.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Asks for a rebuild of the views and shows it until the new ones are live.
pub async fn rebuild(projector: &Client) -> Result<bool> {
    let answer = projector.post("/rebuild", &[], "").await?;
    let mut told = answer.json()?;
    if !answer.status.is_success() {
        return Err(Failure::permanent("rebuilding", text(&told["detail"])));
    }
    let id = told["id"].take();
    println!("Making generation {} beside the live one.", text(&id));
    let started = Instant::now();
    let bar = progress(0);
    loop {
        let all = projector.get("/generations").await?;
        let ours =
            all["items"].as_array().and_then(|items| items.iter().find(|one| one["id"] == id));
        let gone =
            || Failure::permanent("rebuilding", "the generation is gone: was Redis flushed?");
        let ours = ours.ok_or_else(gone)?;
        bar.set_length(all["head"].as_u64().unwrap_or(0));
        bar.set_position(ours["checkpoint"].as_u64().unwrap_or(0));
        if ours["progress"]["outrun"] == true {
            bar.set_message("the log grows faster than it is read");
        }
        if ours["live"] == true {
            bar.finish_and_clear();
            println!(
                "live after {:.1} s, {} commits",
                started.elapsed().as_secs_f64(),
                ours["checkpoint"]
            );
            return Ok(true);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Lists the parked streams; true when there are none.
pub async fn parked(projector: &Client) -> Result<bool> {
    let notes = projector.get("/parked").await?;
    let items = notes["items"].as_array().cloned().unwrap_or_default();
    for note in &items {
        println!(
            "{} from version {} on: {}",
            text(&note["stream"]),
            note["version"],
            text(&note["reason"])
        );
    }
    println!("{} parked", items.len());
    Ok(items.is_empty())
}

/// Shows everything that is known of a parked stream.
pub async fn show(projector: &Client, commands: &Client, stream: &str) -> Result<bool> {
    let notes = projector.get("/parked").await?;
    let items = notes["items"].as_array().cloned().unwrap_or_default();
    let Some(note) = items.iter().find(|note| note["stream"] == stream) else {
        println!("{stream} is not parked");
        return Ok(false);
    };
    println!("{note:#}");
    let id = stream.split_once('-').map_or(stream, |(_, id)| id);
    audit(commands, id).await
}

/// Tries a parked stream again; true when it is applied.
pub async fn retry(projector: &Client, stream: &str) -> Result<bool> {
    let answer = projector.post(&format!("/parked/{stream}/retry"), &[], "").await?;
    let told = answer.json()?;
    match answer.status.is_success() {
        true => println!("{stream} is applied"),
        false => println!("{}", text(&told["detail"])),
    }
    Ok(answer.status.is_success())
}

/// Gives the log a new identity.
pub async fn renew(projector: &Client) -> Result<bool> {
    let answer = projector.post("/log/renew", &[], "").await?;
    let told = answer.json()?;
    match answer.status.is_success() {
        true => println!("The log is {} now; its views are being made again.", text(&told["log"])),
        false => println!("{}", text(&told["detail"])),
    }
    Ok(answer.status.is_success())
}

/// Who did what to an order, when and why.
pub async fn audit(commands: &Client, order: &str) -> Result<bool> {
    let mut after = Value::from(0);
    while !after.is_null() {
        let mut page = commands.get(&format!("/orders/{order}/events?after={after}")).await?;
        page["events"].as_array().into_iter().flatten().for_each(show_event);
        after = page["next"].take();
    }
    Ok(true)
}

fn show_event(event: &Value) {
    let number = |field: &str| text(&event[field]).trim_start_matches('0').to_owned();
    println!(
        "{:>4}  {}  {}  at position {}, correlation {}{}",
        number("sequence"),
        text(&event["time"]),
        text(&event["type"]),
        number("position"),
        text(&event["correlationid"]),
        event["actor"].as_str().map(|actor| format!(", by {actor}")).unwrap_or_default(),
    );
    println!("      {}", event["data"]);
}

/// An order as it was at a version or a time.
pub async fn state(
    commands: &Client,
    order: &str,
    version: Option<i64>,
    at: Option<&str>,
) -> Result<bool> {
    let until = match (version, at) {
        (Some(version), _) => format!("?version={version}"),
        (None, Some(at)) => format!("?at={}", at.replace('+', "%2B")),
        (None, None) => String::new(),
    };
    println!("{:#}", commands.get(&format!("/orders/{order}/state{until}")).await?);
    Ok(true)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
