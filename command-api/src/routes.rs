//! The routes of command-api.

mod batch;
mod bodies;
mod commands;
mod describe;
mod headers;
mod read;
mod rest;
mod results;
mod schemas;
mod submit;

use std::sync::Arc;

use http::Method;
use kernel::aggregate::Aggregate;
use shared::auth::Authenticator;
use shared::http::probes::probes;
use shared::http::serve::Routes;
use shared::http::{Client, Guard, answer, client, close};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use self::commands::Commands;
use crate::Service;

/// Everything but the probes waits behind the slot until the service has its log. Single commands come
/// first, as each route that is tried in vain costs them time.
///
/// With an authenticator clients are asked who they are, by the guard that is returned.
pub fn routes<A: Aggregate>(
    slot: ServiceSlot<Service<A>>,
    health: Health,
    authenticator: Option<&Arc<Authenticator>>,
) -> (Routes, Option<Guard>) {
    let known = Arc::new(Commands::of::<A>());
    let description = describe::describe::<A>(&known, authenticator);
    let first = full(slot.clone()).or(description.gate()).unify();
    let rest = rest::routes(slot.clone(), known.clone());
    let commands = is_command().and(rest.clone());
    let batch = batch::routes(slot.clone(), known);
    let described = description.routes().or(schemas::routes(slot.clone())).unify().boxed();
    let read = read::routes(slot);
    let others = probes(health).or(batch).unify().or(read).unify().or(rest).unify();
    let all = first.or(commands).unify().or(others).unify().or(described).unify();
    (close(all.boxed(), "GET, HEAD, POST"), description.guard())
}

fn changes_something(method: &Method) -> bool {
    method == Method::POST || method == Method::DELETE
}

fn is_command() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    let check = |method: Method| {
        std::future::ready(match changes_something(&method) {
            true => Ok(()),
            false => Err(warp::reject::not_found()),
        })
    };
    warp::method().and_then(check).untuple_one()
}

/// Turns commands away while there is no room for them, before anything of them is read: under
/// overload most are, and what that costs is taken from the others.
fn full<A: Aggregate>(slot: ServiceSlot<Service<A>>) -> BoxedFilter<(Response,)> {
    let turned_away = move |method: Method, path: FullPath, client: Option<Client>| {
        let service = slot.service().ok().filter(|_| changes_something(&method));
        let of_batch = path.as_str().strip_prefix('/') == Some(batch::PATH);
        let client = client.as_ref();
        let full = service.and_then(|service| submit::has_room(&service, of_batch, client).err());
        std::future::ready(full.map(Reply::into_response).ok_or_else(warp::reject::not_found))
    };
    warp::method().and(warp::path::full()).and(client()).and_then(turned_away).boxed()
}

pub(crate) use answer::into_response;
