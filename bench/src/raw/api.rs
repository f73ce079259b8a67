//! The raw chain's api: an accept loop of its own, one handler.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::flow::{Flow, Job};
use super::order::{Order, now};
use super::{Servers, group, listen, relay, spawn};
use crate::Result;

/// Between two looks at how far the views are.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

pub async fn run(servers: Servers, [groups, rounds]: [Duration; 2]) -> Result<()> {
    let flow = Rc::new(Flow::default());
    let commits = group::prepare(&servers).await?;
    let publisher = relay::connect(&servers).await?;
    spawn("groups", group::run(flow.clone(), commits, groups));
    spawn("relay", relay::run(flow.clone(), publisher, rounds));
    spawn("views", follow(flow.clone(), servers.clone()));
    let listener = listen("commands", servers.address_file.as_deref())?;
    loop {
        let (stream, _) = listener.accept().await?;
        let flow = flow.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| answer(&flow, request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            drop(connection.await); // Clients go when they like.
        });
    }
}

/// Keeps in mind how far the views are.
async fn follow(flow: Rc<Flow>, servers: Servers) -> Result<()> {
    let client = redis::Client::open(servers.redis.as_str())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let key = format!("{}:applied", servers.namespace);
    loop {
        let applied: Option<i64> = redis::cmd("GET").arg(&key).query_async(&mut connection).await?;
        flow.applied.set(applied.unwrap_or(0));
        flow.moved.notify_waiters();
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn answer(
    flow: &Flow,
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let answered = match (request.method(), request.uri().path()) {
        (&Method::POST, "/orders") => create(flow, request.into_body()).await,
        (&Method::GET, "/generations") => Ok(json(StatusCode::OK, generations(flow))),
        _ => Ok(json(StatusCode::NOT_FOUND, "{}".to_owned())),
    };
    Ok(answered.unwrap_or_else(|why| json(StatusCode::BAD_REQUEST, why.to_string())))
}

async fn create(flow: &Flow, body: Incoming) -> Result<Response<Full<Bytes>>> {
    let body = body.collect().await?.to_bytes();
    let now = now();
    let order = Order::read(&body, &now)?;
    let order_id = order.order_id.clone().into_owned();
    let (reply, written) = oneshot::channel();
    let data = serde_json::to_string(&order)?;
    flow.waiting.borrow_mut().push(Job { order_id: order_id.clone(), data, reply });
    flow.arrived.notify_one();
    let position = written.await?;
    let body = format!(r#"{{"order_id":"{order_id}","position":{position},"version":1}}"#);
    let mut response = json(StatusCode::CREATED, body);
    let location = format!("/orders/{order_id}").parse()?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Head and views, in the form in which the projector tells them.
fn generations(flow: &Flow) -> String {
    let (head, applied) = (flow.head.get(), flow.applied.get());
    format!(r#"{{"items":[{{"live":true,"checkpoint":{applied}}}],"head":{head}}}"#)
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
