//! HTTP to one service, with typed answers. A test that is about the connection itself uses
//! `waybill::client::Client`; here an answer that does not come is a panic, but for `try_send`.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use kernel::Result;
use serde_json::{Value, json};
use uuid::Uuid;
use waybill::client::{Client, Response};

use crate::orders;

/// For one answer: longer than any `Prefer: wait=`.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(70);

/// What a service answered.
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
    response: Response,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self { status: response.status.as_u16(), body: response.body.clone(), response }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        self.response.json().unwrap_or_else(|failure| panic!("{failure}: {:?}", self.body))
    }

    pub fn is_success(&self) -> bool {
        self.response.status.is_success()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// Every value of a header that may come several times.
    pub fn all_of(&self, name: &str) -> Vec<&str> {
        let values = self.response.headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("text")).collect()
    }

    /// The names of its headers, in small letters.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.response.headers.keys().map(http::HeaderName::as_str)
    }

    fn expect(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no {name}: {} {:?}", self.status, self.body))
    }

    /// The order that a command was for.
    pub fn order_id(&self) -> Uuid {
        self.json()["order_id"].as_str().expect("an order").parse().expect("a UUID")
    }

    /// The version of the order, as a command, a view or a past state tells it.
    pub fn version(&self) -> i64 {
        self.json()["version"].as_i64().unwrap_or_else(|| panic!("no version: {:?}", self.body))
    }

    pub fn position(&self) -> i64 {
        self.json()["position"].as_i64().unwrap_or_else(|| panic!("no position: {:?}", self.body))
    }

    /// The path of the order that was created.
    pub fn location(&self) -> &str {
        self.expect("location")
    }

    pub fn token(&self) -> &str {
        self.expect("consistency-token")
    }

    pub fn etag(&self) -> &str {
        self.expect("etag")
    }

    /// The type of the problem without `/problems/`; empty when the answer is no problem.
    pub fn problem(&self) -> String {
        let body = self.json();
        body["type"].as_str().unwrap_or_default().trim_start_matches("/problems/").to_owned()
    }
}

/// Requests to one service, all with the same headers.
#[derive(Clone)]
pub struct OrderClient {
    client: Client,
    headers: Vec<(String, String)>,
}

impl OrderClient {
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), headers: vec![] }
    }

    /// The same, with one more header.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut more = self.clone();
        more.headers.push((name.to_owned(), value.to_owned()));
        more
    }

    pub fn with_token(&self, token: &str) -> Self {
        self.with("consistency-token", token)
    }

    /// Waits so many seconds for what the token names, or for what the feed does not have yet.
    pub fn waiting(&self, seconds: u32) -> Self {
        self.with("prefer", &format!("wait={seconds}"))
    }

    pub fn with_key(&self, key: &str) -> Self {
        self.with("idempotency-key", key)
    }

    /// Expects the order at the version that this entity tag names.
    pub fn expecting(&self, etag: &str) -> Self {
        self.with("if-match", etag)
    }

    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> = headers.collect();
        Ok(self.client.send(method, path, &headers, body).await?.into())
    }

    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        let answer = self.try_send(method, path, body);
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, answer).await.expect("an answer in time");
        answer.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    /// Sends text as JSON, whether or not it is.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.json().send(Method::POST, path, body).await
    }

    fn json(&self) -> Self {
        self.with("content-type", "application/json")
    }

    pub async fn create_order(&self, order: &Value) -> Answer {
        self.post("/orders", order.to_string()).await
    }

    /// The same, for a test in which connections break.
    pub async fn try_create_order(&self, order: &Value) -> Result<Answer> {
        self.json().try_send(Method::POST, "/orders", order.to_string()).await
    }

    /// Posts to a path below the order, such as `payments`.
    pub async fn post_to(&self, order: Uuid, path: &str, body: &Value) -> Answer {
        self.post(&format!("/orders/{order}/{path}"), body.to_string()).await
    }

    pub async fn pay(&self, order: Uuid, amount: i64) -> Answer {
        self.post_to(order, "payments", &json!({ "amount": amount })).await
    }

    /// Ships everything that is left to ship; a body may be left out for that.
    pub async fn ship(&self, order: Uuid) -> Answer {
        self.post(&format!("/orders/{order}/shipments"), "").await
    }

    /// Delivers everything that is on its way; a body may be left out for that.
    pub async fn deliver(&self, order: Uuid) -> Answer {
        self.post(&format!("/orders/{order}/deliveries"), "").await
    }

    pub async fn refund(&self, order: Uuid, amount: i64) -> Answer {
        self.post_to(order, "refunds", &json!({ "amount": amount })).await
    }

    /// A batch for `POST /commands`.
    pub async fn batch(&self, commands: &[Value]) -> Answer {
        self.post("/commands", json!(commands).to_string()).await
    }

    /// The view of an order.
    pub async fn order(&self, order: Uuid) -> Answer {
        self.get(&format!("/orders/{order}")).await
    }

    /// Creates an order for one lamp at this price.
    pub async fn create_lamp(&self, unit_price: i64) -> Answer {
        let created = self.create_order(&orders::order(unit_price)).await;
        assert_eq!(created.status, 201, "{:?}", created.body);
        created
    }
}
