//! One order, and lists of orders.

mod page;

use std::ops::Bound;

use kernel::Timestamp;
use kernel::aggregate::{Aggregate as _, parse_id};
use kernel::log::StreamName;
use kernel::parameters::{self, Parameters, bad};
use kernel::projection::Stored;
use kernel::query::{Error, Reply, Views};
use kernel::views::{Batch, List};

use self::page::{Asked, Page};
use super::{Answered, DEFAULT_LIMIT, cut, entries, page};
use crate::order::{OrderAggregate, Status};
use crate::view::names;

/// Bytes of a day, as in `2026-01-31`.
const DATE: usize = 10;

pub async fn one(
    views: &dyn Views,
    parameters: &mut Parameters<'_>,
    id: &str,
    owner: Option<&str>,
) -> Answered {
    parameters.finish()?;
    let unknown =
        || Error::NotFound { what: "order", detail: format!("There is no order {id:?}.") };
    let id = parse_id(id).ok_or_else(unknown)?;
    let stream = StreamName::new(OrderAggregate::CATEGORY, id);
    let found = documents(views, vec![stream.clone()]).await?.pop().flatten();
    let view = found.ok_or_else(unknown)?;
    if !(Asked { status: None, customer: owner }).fits(&view.document)? {
        return Err(unknown());
    }
    let shows = vec![(stream, view.version)];
    Ok(Some(Reply { body: view.document, version: Some(view.version), shows }))
}

pub async fn list(
    views: &dyn Views,
    parameters: &mut Parameters<'_>,
    owner: Option<&str>,
) -> Answered {
    let status = parameters.text("status").map(status).transpose()?;
    let customer = parameters.text("customer_id");
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let after = parameters.cursor(is_entry)?;
    let from = parameters.read("from", MOMENT, moment)?;
    let to = parameters.read("to", MOMENT, moment)?;
    parameters.finish()?;
    if let (Some(from), Some(to)) = (&from, &to)
        && *from > behind_all_of(to)
    {
        return Err(bad("to", &format!("a time not before {from}"), to).into());
    }
    if owner.is_some() && customer.is_some() && owner != customer {
        return Page::default().reply();
    }
    let customer = owner.or(customer);
    let index = match (status, customer) {
        (None, None) => names::ORDERS.to_owned(),
        (Some(status), None) => names::orders_by_status(status.as_str()),
        (None, Some(customer)) => names::orders_by_customer(customer),
        (Some(status), Some(customer)) => names::orders_by_both(status.as_str(), customer),
    };
    let mut list = page(index, true, after, limit);
    within(&mut list, from, to);
    let found = entries(views, list).await?;
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

const MOMENT: &str = "a date such as 2026-01-31 or a time such as 2026-01-31T08:00:00Z";

/// What the entries of a day, or of a time, begin with.
fn moment(text: &str) -> Option<String> {
    match text.len() == DATE {
        true => {
            let day = Timestamp::parse(&format!("{text}T00:00:00Z")).ok()?.date();
            (day == text).then_some(day)
        }
        false => Some(Timestamp::parse(text).ok()?.to_string()),
    }
}

/// Is sorted behind all entries that begin so: they are of digits, letters and `-:.`.
fn behind_all_of(beginning: &str) -> String {
    format!("{beginning}~")
}

/// Narrows a part of a list to the entries from one beginning to another, both included.
fn within(list: &mut List, from: Option<String>, to: Option<String>) {
    if let Some(from) = from {
        list.from = Bound::Included(from);
    }
    if let Some(to) = to {
        let to = behind_all_of(&to);
        let is_narrower = match &list.to {
            Bound::Unbounded => true,
            Bound::Included(cursor) | Bound::Excluded(cursor) => to < *cursor,
        };
        if is_narrower {
            list.to = Bound::Excluded(to);
        }
    }
}

pub(super) fn status(text: &str) -> Result<Status, parameters::Error> {
    let known = || Status::ALL.map(Status::as_str).join(", ");
    Status::parse(text).ok_or_else(|| bad("status", &format!("one of {}", known()), text))
}

/// The documents of the first of these streams; see `Batch::views`.
async fn documents(
    views: &dyn Views,
    streams: Vec<StreamName>,
) -> Result<Vec<Option<Stored>>, Error> {
    let mut batch = Batch::new();
    let found = batch.views(streams);
    Ok(views.read(&batch).await?.take(found)?)
}
