//! A reader that always shows the token that it was given last, and so never sees anything go back.

use std::sync::Mutex;

use http::Method;
use serde_json::Value;
use waybill::client::Client;

use super::known::Known;

#[derive(Default)]
pub struct Watch {
    /// Of the latest answer to `/stats`, with the orders that it counted.
    stats: Option<(String, i64)>,
}

impl Watch {
    /// Reads the order that was written last, twice, and the sums of all.
    pub async fn look(&mut self, queries: &Client, token: Option<String>, known: &Mutex<Known>) {
        let Some(written) = token else { return };
        let Some((version, stream)) =
            written.split_once('.').and_then(|(_, seen)| seen.split_once('@'))
        else {
            return;
        };
        let path = format!("/orders/{}", stream.trim_start_matches("order-"));
        let mut token = written.clone();
        let mut least: i64 = version.parse().unwrap_or(i64::MAX);
        for _ in 0..2 {
            let Some((view, next)) = read(queries, &path, &token, known).await else { return };
            let version = view["version"].as_i64().unwrap_or(0);
            judge(known, &path, version, least);
            (token, least) = (next, version);
        }
        let (token, least) = self.stats.take().unwrap_or((token, 0));
        let Some((stats, next)) = read(queries, "/stats", &token, known).await else {
            self.stats = Some((token, least));
            return;
        };
        let orders = stats["orders"].as_i64().unwrap_or(-1);
        judge(known, "/stats", orders, least);
        self.stats = Some((next, orders));
    }
}

fn judge(known: &Mutex<Known>, path: &str, seen: i64, least: i64) {
    let mut known = known.lock().unwrap();
    known.reads += 1;
    if seen < least {
        known.violations.push(format!("{path} showed {seen} to a client that had seen {least}"));
    }
}

/// What is answered, and its token; nothing while the views are behind or away.
async fn read(
    queries: &Client,
    path: &str,
    token: &str,
    known: &Mutex<Known>,
) -> Option<(Value, String)> {
    let headers = [("consistency-token", token), ("prefer", "wait=1")];
    let answer = queries.send(Method::GET, path, &headers, "").await.ok()?;
    if answer.status.is_success() {
        let next = answer.headers.get("consistency-token")?.to_str().ok()?.to_owned();
        return Some((answer.json().ok()?, next));
    }
    if !answer.status.is_server_error() {
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        known.lock().unwrap().violations.push(format!("{path} answered {}: {told}", answer.status));
    }
    None
}
