//! The routes of query-api: the probes, the dashboard, live changes, and whatever the domain answers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use kernel::contract::ReadContract;
use kernel::query::Question;
use shared::auth::principal::caller;
use shared::auth::{Authenticator, Caller};
use shared::http::answer::{self, into_response};
use shared::http::conditional::is_known;
use shared::http::consistency_token::{self, Token};
use shared::http::probes::{get_or_head, probes};
use shared::http::problem::Problem;
use shared::http::serve::{Routes, address};
use shared::http::{Answer, Client, Guard, close, path, wait};
use shared::service::slot::ServiceSlot;
use uuid::Uuid;
use warp::Filter as _;
use warp::path::FullPath;

use crate::dashboard::{self, Links};
use crate::describe::describe;
use crate::service::Shown;
use crate::{Service, live};
use shared::service::health::Health;

/// How long a query waits for a token without `Prefer: wait=`.
const DEFAULT_WAIT: Duration = Duration::from_secs(2);

/// The dashboard, the probes, the description, live changes, and every other GET for the domain.
///
/// With an authenticator clients are asked who they are, by the guard that is returned.
pub fn routes(
    slot: ServiceSlot<Service>,
    health: Health,
    links: Links,
    contract: ReadContract,
    authenticator: Option<&Arc<Authenticator>>,
) -> (Routes, Option<Guard>) {
    let described = describe(contract, authenticator);
    let dashboard = dashboard::routes(links, described.guard());
    let live = warp::path!("live")
        .and(get_or_head())
        .and(warp::method())
        .and(warp::query::<BTreeMap<String, String>>())
        .and(warp::header::optional::<String>("last-event-id"))
        .and(caller())
        .and(address())
        .then({
            let slot = slot.clone();
            move |method, parameters, last: Option<String>, caller, address| {
                let slot = slot.clone();
                async move {
                    let (last, is_head) = (last.as_deref(), method == Method::HEAD);
                    let of = (caller, address);
                    into_response(live(&slot, &parameters, last, is_head, of).await)
                }
            }
        });
    // A wrong method of a path that is described was answered by the gate.
    let queries = warp::method()
        .and(warp::path::full())
        .and(warp::query::<BTreeMap<String, String>>())
        .and(warp::header::headers_cloned())
        .and(caller())
        .and(address())
        .then(move |method: Method, path: FullPath, parameters, headers, caller, address| {
            let slot = slot.clone();
            async move {
                let of = (&caller, address);
                let answer = match [Method::GET, Method::HEAD].contains(&method) {
                    true => query(&slot, path.as_str(), parameters, &headers, of).await,
                    false => Err(no_route()),
                };
                into_response(answer)
            }
        });
    let own = probes(health).or(described.gate()).unify().or(described.routes()).unify();
    let all = own.or(dashboard).unify().or(live).unify().or(queries).unify();
    (close(all.boxed(), "GET, HEAD"), described.guard())
}

async fn live(
    slot: &ServiceSlot<Service>,
    parameters: &BTreeMap<String, String>,
    last: Option<&str>,
    is_head: bool,
    of: (Caller, Option<IpAddr>),
) -> Answer {
    live::answer(slot.service()?.as_ref(), parameters, last, is_head, of).await
}

fn no_route() -> Problem {
    Problem::not_found("Nothing is answered at this path; docs/reference/http.md lists what is.")
}

async fn query(
    slot: &ServiceSlot<Service>,
    path: &str,
    parameters: BTreeMap<String, String>,
    headers: &HeaderMap,
    (caller, address): (&Caller, Option<IpAddr>),
) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let path = path::segments(path.trim_start_matches('/'))?;
    let seen = text(consistency_token::HEADER)
        .map(Token::parse)
        .transpose()
        .map_err(Problem::malformed)?;
    let wait = wait::preferred(text("prefer")).unwrap_or(DEFAULT_WAIT);
    let service = slot.service()?;
    let question = Question { path, parameters, owner: caller.owner().map(str::to_owned) };
    let client = Client::of(caller, address);
    let shown = service.answer_to(client.as_ref(), &question, seen.as_ref(), wait).await?;
    let shown = shown.ok_or_else(no_route)?;
    let etag = etag(&shown);
    let mut response = match is_known(headers, &etag)? {
        true => answer::bytes(StatusCode::NOT_MODIFIED, Bytes::new(), "application/json"),
        false => answer::bytes(StatusCode::OK, shown.reply.body, "application/json"),
    };
    answer::set(&mut response, "etag", &etag);
    answer::set(&mut response, "cache-control", "no-cache");
    answer::set(&mut response, consistency_token::HEADER, &shown.token.to_string());
    Ok(response)
}

/// The version of what is shown, of which log, by which generation: after a restored backup or by
/// another projection the same version shows something else. Else a name made of the bytes.
fn etag(Shown { reply, token, generation }: &Shown) -> String {
    match reply.version {
        Some(version) => format!("\"{version}-{}-{generation}\"", token.log),
        None => format!("\"{}\"", Uuid::new_v5(&Uuid::NAMESPACE_OID, &reply.body).simple()),
    }
}
