//! A warp handler with one GET, and one that reads the newest 50 of a list: ZRANGE, and an MGET of what
//! it names.

use bytes::Bytes;
use http::{Response, StatusCode};
use redis::aio::MultiplexedConnection;
use warp::Filter as _;

use super::{Servers, listen};
use crate::Result;

/// Orders on a page.
const PAGE: usize = 50;
/// Bytes of an id, at the end of each entry of a list.
const ID: usize = 36;

pub async fn run(servers: Servers) -> Result<()> {
    let client = redis::Client::open(servers.redis.as_str())?;
    let redis = client.get_multiplexed_async_connection().await?;
    let namespace = servers.namespace.clone();
    let with = warp::any().map(move || (redis.clone(), namespace.clone()));
    let one = warp::path!("orders" / String).and(warp::get()).and(with.clone()).then(
        |id: String, (redis, namespace): (MultiplexedConnection, String)| async move {
            reply(one(redis, &namespace, &id).await)
        },
    );
    let list = warp::path!("orders").and(warp::get()).and(with).then(
        |(redis, namespace): (MultiplexedConnection, String)| async move {
            reply(list(redis, &namespace).await)
        },
    );
    let listener = listen("queries", servers.address_file.as_deref())?;
    warp::serve(one.or(list)).incoming(listener).run().await;
    Ok(())
}

fn reply(found: Result<Option<Vec<u8>>>) -> Response<Bytes> {
    let (status, body) = match found {
        Ok(Some(body)) => (StatusCode::OK, body),
        Ok(None) => (StatusCode::NOT_FOUND, b"{}".to_vec()),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, why.to_string().into_bytes()),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// The document behind the version.
fn document(view: &[u8]) -> &[u8] {
    let space = view.iter().position(|byte| *byte == b' ').map_or(0, |at| at + 1);
    &view[space..]
}

async fn one(
    mut redis: MultiplexedConnection,
    namespace: &str,
    id: &str,
) -> Result<Option<Vec<u8>>> {
    let key = format!("{namespace}:view:order-{id}");
    let view: Option<Vec<u8>> = redis::cmd("GET").arg(key).query_async(&mut redis).await?;
    Ok(view.map(|view| document(&view).to_vec()))
}

async fn list(mut redis: MultiplexedConnection, namespace: &str) -> Result<Option<Vec<u8>>> {
    let mut range = redis::cmd("ZRANGE");
    range.arg(format!("{namespace}:list:orders")).arg("+").arg("-").arg("BYLEX").arg("REV");
    let entries: Vec<String> = range.arg("LIMIT").arg(0).arg(PAGE).query_async(&mut redis).await?;
    let mut get = redis::cmd("MGET");
    for entry in &entries {
        let id = entry.get(entry.len().saturating_sub(ID)..).unwrap_or_default();
        get.arg(format!("{namespace}:view:order-{id}"));
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let views: Vec<Option<Vec<u8>>> = get.query_async(&mut redis).await?;
    let mut body = b"{\"items\":[".to_vec();
    for (number, view) in views.iter().flatten().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(document(view));
    }
    body.extend_from_slice(b"],\"next\":null}");
    Ok(Some(body))
}
