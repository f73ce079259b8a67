//! One order, and lists of orders.

mod page;

use kernel::aggregate::{Aggregate as _, parse_id};
use kernel::log::StreamName;
use kernel::parameters::{self, Parameters, bad};
use kernel::projection::Stored;
use kernel::query::{Error, Reply, Views};
use kernel::views::Batch;

use self::page::{Asked, Page};
use super::{Answered, DEFAULT_LIMIT, cut, entries, page};
use crate::order::{OrderAggregate, Status};
use crate::view::names;

pub async fn one(views: &dyn Views, parameters: &mut Parameters<'_>, id: &str) -> Answered {
    parameters.finish()?;
    let unknown =
        || Error::NotFound { what: "order", detail: format!("There is no order {id:?}.") };
    let id = parse_id(id).ok_or_else(unknown)?;
    let stream = StreamName::new(OrderAggregate::CATEGORY, id);
    let found = documents(views, vec![stream.clone()]).await?.pop().flatten();
    let view = found.ok_or_else(unknown)?;
    let shows = vec![(stream, view.version)];
    Ok(Some(Reply { body: view.document, version: Some(view.version), shows }))
}

pub async fn list(views: &dyn Views, parameters: &mut Parameters<'_>) -> Answered {
    let status = parameters.text("status").map(status).transpose()?;
    let customer = parameters.text("customer_id");
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let after = parameters.cursor(is_entry)?;
    parameters.finish()?;
    let index = match (status, customer) {
        (None, None) => names::ORDERS.to_owned(),
        (Some(status), None) => names::orders_by_status(status.as_str()),
        (None, Some(customer)) => names::orders_by_customer(customer),
        (Some(status), Some(customer)) => names::orders_by_both(status.as_str(), customer),
    };
    let found = entries(views, page(index, true, after, limit)).await?;
    let (found, next) = cut(found, limit);
    Page::of(views, Asked { status, customer }, &found, next).await?.reply()
}

/// Whether it has the form of an entry of a list of orders: a time, and an id.
fn is_entry(text: &str) -> bool {
    const FORM: &[u8; names::TIME] = b"0000-00-00T00:00:00.000Z";
    let parts = text.as_bytes().get(..names::TIME).zip(text.get(names::TIME..));
    parts.is_some_and(|(time, id)| {
        let fits = |(form, byte): (&u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        };
        FORM.iter().zip(time).all(fits)
            && parse_id(id).is_some_and(|parsed| parsed.to_string() == id)
    })
}

pub(super) fn status(text: &str) -> Result<Status, parameters::Error> {
    let known = || Status::ALL.map(Status::as_str).join(", ");
    Status::parse(text).ok_or_else(|| bad("status", &format!("one of {}", known()), text))
}

async fn documents(
    views: &dyn Views,
    streams: Vec<StreamName>,
) -> Result<Vec<Option<Stored>>, Error> {
    let mut batch = Batch::new();
    let found = batch.views(streams);
    Ok(views.read(&batch).await?.take(found)?)
}
