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

type Reply = Arc<Mutex<(u16, String)>>;

pub struct KeyServer {
    reply: Reply,
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
            reply: Arc::new(Mutex::new((200, set(keys)))),
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
            let (status, body) = reply.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let status = StatusCode::from_u16(status).expect("a status");
            answer::bytes(status, body.into_bytes(), "application/json")
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
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = (status, body.into());
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}
