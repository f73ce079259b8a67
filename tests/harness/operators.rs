//! What operators ask of a projector, and what is kept of it.

use http::Method;
use serde_json::Value;
use waybill::client::{Client, Response};

pub async fn ask(projector: &Client, method: Method, path: &str) -> Response {
    projector.send(method, path, &[], "").await.unwrap()
}

/// The same, with the status of the answer alone.
pub async fn status(projector: &Client, method: Method, path: &str) -> u16 {
    ask(projector, method, path).await.status.as_u16()
}

/// All acts, newest first, a page at a time.
pub async fn acts(projector: &Client, limit: usize) -> Vec<Value> {
    let (mut acts, mut cursor) = (vec![], String::new());
    loop {
        let path = format!("/operations?limit={limit}{cursor}");
        let page = projector.get(&path).await.unwrap();
        acts.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return acts,
        }
    }
}

/// Who did what, and what it came to.
pub fn told(acts: &[Value]) -> Vec<[Value; 3]> {
    let told =
        |act: &Value| [act["actor"].clone(), act["act"].clone(), act["outcome"]["result"].clone()];
    acts.iter().map(told).collect()
}
