//! Requests as bytes, rendered once; only the id of the order is new in each.

use serde_json::json;
use waybill::load::{rest, scenario::Scenario};

use super::connection::host;
use super::ids::LENGTH;
use super::{Mix, Plan, target};

/// Stands in a rendered request where the id comes.
const PLACE: &str = "ffffffff-ffff-4fff-bfff-ffffffffffff";
/// Orders that are rendered; a run goes round them with new ids.
const ORDERS: usize = 2_048;

/// One request, and where in it the id stands.
#[derive(Debug)]
pub struct Request {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Request {
    fn new(method: &str, host: &str, path: &str, headers: &str, body: &str) -> Self {
        let length = match (method, body) {
            ("GET", _) => String::new(),
            _ => format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()),
        };
        let text =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}{length}\r\n{body}");
        let places = text.match_indices(PLACE).map(|(at, _)| at).collect();
        Self { bytes: text.into_bytes(), places }
    }

    /// Whose order it creates.
    pub fn customer(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        let (_, body) = text.split_once("\r\n\r\n")?;
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        Some(body["customer_id"].as_str()?.to_owned())
    }

    /// Writes the request for this order over what `into` held.
    pub fn render(&self, id: &[u8; LENGTH], into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(&self.bytes);
        for place in &self.places {
            into[*place..place + LENGTH].copy_from_slice(id);
        }
    }
}

/// The requests of each order in their sequence.
pub fn prepare(plan: &Plan, seed: u64) -> Vec<Vec<Request>> {
    let host = host(target(plan));
    match plan.mix {
        Mix::Create | Mix::Visible => creates(host),
        Mix::Mixed | Mix::Live | Mix::Crowd => lives(host, seed),
        Mix::Get => vec![vec![get(host)]],
        Mix::List | Mix::Watch => {
            vec![vec![Request::new("GET", host, "/orders?limit=50", "", "")]]
        }
    }
}

/// Asks whether the server is ready.
pub fn ready(url: &str) -> Vec<u8> {
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    Request::new("GET", host, "/readyz", "", "").bytes
}

/// Asks for an order.
pub fn get(host: &str) -> Request {
    Request::new("GET", host, &format!("/orders/{PLACE}"), "", "")
}

/// Orders of two items; customers and products come again as often as in the mixed flow.
pub fn creates(host: &str) -> Vec<Vec<Request>> {
    let create = |number: usize| {
        let item = |sku: usize| {
            json!({ "sku": format!("P-{sku:04}"), "name": format!("Lamp {sku}"), "quantity": 1 + sku % 3,
                    "unit_price": 199 + 7_919 * sku % 20_000 })
        };
        let first = number * number % 500;
        let currency = ["EUR", "EUR", "EUR", "USD", "GBP"][number % 5];
        let body = json!({
            "order_id": PLACE,
            "customer_id": format!("C-{:05}", number * 7 % 2_000),
            "currency": currency,
            "items": [item(first), item((first + 1 + number % 7) % 500)],
        });
        vec![Request::new("POST", host, "/orders", "", &body.to_string())]
    };
    (0..ORDERS).map(create).collect()
}

/// The flow of `waybill load`, whose clients send a key with every command.
fn lives(host: &str, seed: u64) -> Vec<Vec<Request>> {
    let life = |commands: Vec<serde_json::Value>| {
        let requests = commands.into_iter().enumerate().map(|(number, mut command)| {
            if let Some(id) = command.get_mut("order_id") {
                *id = PLACE.into();
            }
            let (method, path, body) = rest(command);
            let key = format!("idempotency-key: {PLACE}-{number}\r\n");
            Request::new(method.as_str(), host, &path, &key, &body)
        });
        requests.collect()
    };
    Scenario::new(seed).take(ORDERS).map(life).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_put_wherever_it_belongs() {
        let id = [b'a'; LENGTH];
        let mut bytes = vec![];
        for request in lives("h", 1).iter().flatten().chain(creates("h").iter().flatten()) {
            request.render(&id, &mut bytes);
            let text = std::str::from_utf8(&bytes).unwrap();
            assert!(!text.contains(PLACE) && text.contains(&"a".repeat(LENGTH)), "{text}");
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("content-length: {}", body.len())), "{text}");
        }
        assert!(lives("h", 1).iter().all(|order| order[0].customer().is_some()));
    }
}
