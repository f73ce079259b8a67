//! The routes of command-api.

mod batch;
mod bodies;
mod headers;
mod read;
mod rest;
mod submit;

use http::Method;
use kernel::aggregate::Aggregate;
use shared::http::probes::probes;
use shared::http::serve::Routes;
use shared::http::{answer, close};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::Service;

/// Everything but the probes waits behind the slot until the service has its log. Single commands come
/// first, as each route that is tried in vain costs them time.
pub fn routes<A: Aggregate>(slot: ServiceSlot<Service<A>>, health: Health) -> Routes {
    let full = full(slot.clone());
    let rest = rest::routes(slot.clone());
    let commands = is_command().and(rest.clone());
    let batch = batch::routes(slot.clone());
    let read = read::routes(slot);
    let others = probes(health).or(batch).unify().or(read).unify().or(rest).unify();
    close(full.or(commands).unify().or(others).unify().boxed(), "GET, HEAD, POST")
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
    let turned_away = move |method: Method| {
        let service = slot.service().ok().filter(|_| changes_something(&method));
        let full = service.and_then(|service| submit::has_room(&service).err());
        std::future::ready(full.map(Reply::into_response).ok_or_else(warp::reject::not_found))
    };
    warp::method().and_then(turned_away).boxed()
}

pub(crate) use answer::into_response;
