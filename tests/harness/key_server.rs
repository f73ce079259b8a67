//! An identity provider that serves its keys by HTTP, as they are wanted or as they are not.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use serde_json::{Value, json};
use shared::auth::RemoteKeys;
use shared::endpoint::Endpoint;
use shared::http::{Hosts, Limits, Listener, ListenerOptions, answer, close, serve};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use warp::Filter as _;

use crate::jwt_keys::SigningKey;

struct Reply {
    status: u16,
    body: String,
    /// Where a client is to ask instead.
    location: Option<String>,
}

pub struct KeyServer {
    reply: Arc<Mutex<Reply>>,
    asked: Arc<AtomicUsize>,
    options: ListenerOptions,
    address: SocketAddr,
    stop: Option<DropGuard>,
}

/// A JWK set of these keys.
pub fn set(keys: &[&SigningKey]) -> String {
    let read = |key: &&SigningKey| serde_json::from_str(key.public()).expect("a key");
    json!({ "keys": keys.iter().map(read).collect::<Vec<Value>>() }).to_string()
}

impl KeyServer {
    pub async fn start(keys: &[&SigningKey]) -> Self {
        Self::start_with(keys, ListenerOptions::default()).await
    }

    pub async fn start_with(keys: &[&SigningKey], options: ListenerOptions) -> Self {
        let mut server = Self {
            reply: Arc::new(Mutex::new(Reply { status: 200, body: set(keys), location: None })),
            asked: Arc::default(),
            options,
            address: ([127, 0, 0, 1], 0).into(),
            stop: None,
        };
        server.come_back().await;
        server
    }

    /// Listens again, where it did before.
    pub async fn come_back(&mut self) {
        let socket = TcpListener::bind(self.address).await.expect("a port");
        self.address = socket.local_addr().expect("an address");
        let (reply, asked) = (self.reply.clone(), self.asked.clone());
        let keys = warp::path!("jwks").and(warp::get()).map(move || {
            asked.fetch_add(1, Ordering::Relaxed);
            let reply = reply.lock().unwrap_or_else(PoisonError::into_inner);
            let status = StatusCode::from_u16(reply.status).expect("a status");
            let body = reply.body.clone().into_bytes();
            let mut response = answer::bytes(status, body, "application/json");
            if let Some(location) = &reply.location {
                answer::set(&mut response, "location", location);
            }
            response
        });
        let stop = CancellationToken::new();
        let listener = Listener::new(socket, self.options.clone());
        let (routes, limits) = (close(keys.boxed(), "GET"), Limits::of_process(1));
        tokio::spawn(serve(listener, routes, Hosts::default(), limits, stop.clone()));
        self.stop = Some(stop.drop_guard());
    }

    /// Listens no more.
    pub fn go_away(&mut self) {
        self.stop = None;
    }

    pub fn url(&self) -> String {
        format!("{}://{}/jwks", self.options.scheme(), self.address)
    }

    pub fn keys(&self, interval: std::time::Duration, early: std::time::Duration) -> RemoteKeys {
        RemoteKeys { endpoint: Endpoint::from(&self.url()), interval, early }
    }

    /// What is answered from now on.
    pub fn answer(&self, status: u16, body: impl Into<String>) {
        self.reply(Reply { status, body: body.into(), location: None });
    }

    /// From now on clients are told to ask there.
    pub fn redirect(&self, status: u16, location: &str) {
        let location = Some(location.to_owned());
        self.reply(Reply { status, body: String::new(), location });
    }

    fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}
