//! Orders as they change.

use std::borrow::Cow;

use kernel::aggregate::parse_id;
use kernel::live::{Filter, Live, Shown, unreadable};
use kernel::parameters::{self, Parameters};
use kernel::projection::Stored;
use kernel::{Result, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use super::OrderQueries;
use super::orders::status;
use crate::order::Status;

const ORDER: &str = "order_id";
const CUSTOMER: &str = "customer_id";
const STATUS: &str = "status";

#[derive(Deserialize)]
struct Header<'a> {
    order_id: Uuid,
    #[serde(borrow)]
    customer_id: Cow<'a, str>,
    status: Status,
    updated_at: Timestamp,
}

impl Live for OrderQueries {
    fn filter(
        &self,
        parameters: &mut Parameters<'_>,
    ) -> std::result::Result<Filter, parameters::Error> {
        let order = parameters
            .read(ORDER, "the UUID of an order", |text| parse_id(text).map(|id| id.to_string()))?;
        let customer = parameters.text(CUSTOMER);
        let status = parameters.text(STATUS).map(status).transpose()?;
        let filter = Filter::default().with(ORDER, order).with(CUSTOMER, customer);
        Ok(filter.with(STATUS, status.map(Status::as_str)))
    }

    fn owned(&self, filter: Filter, owner: &str) -> Filter {
        filter.with(CUSTOMER, Some(owner))
    }

    fn show(&self, view: Stored) -> Result<Shown> {
        let header: Header<'_> = serde_json::from_slice(&view.document).map_err(unreadable)?;
        let facets = vec![
            (ORDER, header.order_id.to_string()),
            (CUSTOMER, header.customer_id.into_owned()),
            (STATUS, header.status.as_str().to_owned()),
        ];
        let at = header.updated_at;
        Ok(Shown { document: view.document, at, facets })
    }
}
