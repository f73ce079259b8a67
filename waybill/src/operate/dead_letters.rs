//! What arrived as an event and is none: `dead-letters`.

use http::{Method, StatusCode};
use kernel::Result;

use super::text;
use crate::client::Client;

/// Lists the oldest; true when there are none.
pub async fn list(projector: &Client) -> Result<bool> {
    let page = projector.get("/dead-letters?limit=1000").await?;
    let items = page["items"].as_array().cloned().unwrap_or_default();
    for one in &items {
        println!(
            "{}  {}  {} bytes from {}: {}",
            text(&one["id"]),
            text(&one["at"]),
            one["bytes"],
            text(&one["queue"]),
            plain(&text(&one["reason"])),
        );
    }
    let total = page["total"].as_u64().unwrap_or_default();
    match u64::try_from(items.len()).unwrap_or(u64::MAX) < total {
        true => println!("{total} dead letters; these are the oldest {}", items.len()),
        false => println!("{total} dead letters"),
    }
    Ok(total == 0)
}

/// Shows one with all its bytes; true when it is there.
pub async fn show(projector: &Client, id: &str) -> Result<bool> {
    let answer = projector.send(Method::GET, &format!("/dead-letters/{id}"), &[], "").await?;
    let told = answer.json()?;
    match answer.status.is_success() {
        true => println!("{told:#}"),
        false => println!("{}", text(&told["detail"])),
    }
    Ok(answer.status.is_success())
}

/// Removes one for good; true when it was there.
pub async fn discard(projector: &Client, id: &str) -> Result<bool> {
    let answer = projector.send(Method::DELETE, &format!("/dead-letters/{id}"), &[], "").await?;
    if answer.status == StatusCode::NO_CONTENT {
        println!("{id} is discarded");
        return Ok(true);
    }
    println!("{}", text(&answer.json()?["detail"]));
    Ok(false)
}

/// Reasons quote messages of any sender: no control character of them may reach the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
