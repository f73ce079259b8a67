//! One order, and lists of orders.

mod page;

use kernel::aggregate::Aggregate as _;
use kernel::log::StreamName;
use kernel::projection::Stored;
use shared::problem::Problem;
use shared::queries::{Reply, Unanswered, Views};
use shared::view_store::{Answer, Read};
use uuid::Uuid;

use self::page::{Asked, Page};
use super::parameters::{Parameters, bad};
use super::{Answered, cut, entries, page};
use crate::order::{OrderAggregate, Status};
use crate::view::names;

pub async fn one(views: &Views<'_>, parameters: &mut Parameters<'_>, id: &str) -> Answered {
    parameters.finish()?;
    let unknown = || Problem::unknown("order", format!("There is no order {id:?}."));
    let id: Uuid = id.parse().map_err(|_| unknown())?;
    let stream = StreamName::new(OrderAggregate::CATEGORY, id);
    let found = documents(views, vec![stream.clone()]).await?.pop().flatten();
    let view = found.ok_or_else(unknown)?;
    let shows = vec![(stream, view.version)];
    Ok(Some(Reply { body: view.document, version: Some(view.version), shows }))
}

pub async fn list(views: &Views<'_>, parameters: &mut Parameters<'_>) -> Answered {
    let status = parameters.text("status").map(status).transpose()?;
    let customer = parameters.text("customer_id");
    let limit = parameters.limit()?;
    let after =
        parameters.cursor(|text| text.len() == names::TIME + names::ID && text.is_ascii())?;
    parameters.finish()?;
    let index = match (status, customer) {
        (None, None) => names::ORDERS.to_owned(),
        (Some(status), None) => names::orders_by_status(status.as_str()),
        (None, Some(customer)) => names::orders_by_customer(customer),
        (Some(status), Some(customer)) => names::orders_by_both(status.as_str(), customer),
    };
    let found = views.read(&[Read::List(page(index, true, after, limit))]).await?.pop();
    let (found, next) = cut(entries(found), limit);
    Page::of(views, Asked { status, customer }, &found, next).await?.reply()
}
fn status(text: &str) -> Result<Status, Problem> {
    let known = || Status::ALL.map(Status::as_str).join(", ");
    Status::parse(text).ok_or_else(|| bad("status", &format!("one of {}", known()), text))
}

async fn documents(
    views: &Views<'_>,
    streams: Vec<StreamName>,
) -> Result<Vec<Option<Stored>>, Unanswered> {
    match views.read(&[Read::Views(streams)]).await?.pop() {
        Some(Answer::Views(views)) => Ok(views),
        _ => Ok(vec![]),
    }
}
