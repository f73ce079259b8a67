//! What operators did, as it was recorded.

use kernel::aggregate::parse_id;
use kernel::parameters::Parameters;
use schemars::JsonSchema;
use serde::Serialize;
use shared::http::Answer;
use shared::http::answer::into_response;
use shared::http::probes::get_or_head;
use shared::http::serve::Routes;
use shared::operation_log::Entry;
use shared::service::slot::ServiceSlot;
use uuid::Uuid;
use warp::Filter;

use super::{DEFAULT_LIMIT, Given, live};
use crate::Operations;

/// What operators did, newest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct Acts {
    items: Vec<Entry>,
    /// The `cursor` of the next page, whose items are older; `null` at the end.
    next: Option<Uuid>,
}

pub(super) fn routes(slot: ServiceSlot<Operations>) -> Routes {
    let with = warp::any().map(move || slot.clone());
    warp::path!("operations")
        .and(get_or_head())
        .and(with)
        .and(warp::query::<Given>())
        .then(|slot: ServiceSlot<Operations>, parameters| async move {
            into_response(list(&slot, &parameters).await)
        })
        .boxed()
}

async fn list(slot: &ServiceSlot<Operations>, given: &Given) -> Answer {
    let mut parameters = Parameters::new(given);
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let expected = "the `next` of an answer to this path";
    let before = parameters.read("cursor", expected, parse_id)?;
    parameters.finish()?;
    let page = slot.service()?.recorded(before, limit).await?;
    let next = page.entries.last().filter(|_| page.more).map(|oldest| oldest.id);
    live(&Acts { items: page.entries, next })
}
