//! The questions, for the description that query-api gives of itself.

use std::borrow::Cow;

use kernel::contract::{Link, Parameter, ProblemPage, Query, ReadContract, Shape};
use kernel::parameters::{Date, Limit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Items;
use super::customers::Customer;
use super::examples::{ORDER_ID, order};
use super::stats::{Day, Product, Totals};
use crate::order::contract::order_not_found;
use crate::order::{Order, Status};
use crate::values::Currency;

pub fn contract() -> ReadContract {
    ReadContract {
        queries: [orders(), customers(), stats()].concat(),
        filters: vec![
            Parameter::of::<Uuid>("order_id", "Changes of this order alone.", ORDER_ID),
            Parameter::of::<String>("customer_id", "Orders of this customer alone.", "C-00042"),
            Parameter::of::<Status>("status", "Orders that have this status now.", "paid"),
        ],
        view: Some(Shape::of::<Order>(order())),
        problems: vec![order_not_found(), customer_not_found()],
    }
}

fn customer_not_found() -> ProblemPage {
    ProblemPage {
        name: "customer-not-found",
        status: 404,
        title: "There is nothing by this id",
        meaning: "There is no order of a customer by this id.",
        remedy: "Check the id. A view may be behind: a query with the Consistency-Token of the \
                 command that created the order waits until the view has it.",
    }
}

fn list<T: JsonSchema>(item: Value, next: Value) -> Shape
where
    Items<T>: JsonSchema,
{
    Shape::of::<Items<T>>(json!({ "items": [item], "next": next }))
}

fn cursor<T: JsonSchema>(example: &str) -> Parameter {
    Parameter::of::<T>("cursor", "The `next` of the page before.", example)
}

fn limit() -> Parameter {
    Parameter::of::<Limit>("limit", "How many items the page has at most; 50 without it.", 50)
}

fn orders() -> Vec<Query> {
    vec![
        Query {
            path: "/orders",
            about: "Orders, newest first by `placed_at`, then by id. A page ends at about 1 MiB, and \
                    leaves out an order that changes during the read, so only `next` tells the end.",
            parameters: vec![
                Parameter::of::<Status>("status", "Orders that have this status alone.", "paid"),
                Parameter::of::<String>("customer_id", "Those of one customer alone.", "C-00042"),
                Parameter::of::<Moment>(
                    "from",
                    "Placed on this UTC day, or at this time, or later.",
                    "2026-01-01",
                ),
                Parameter::of::<Moment>(
                    "to",
                    "Placed on this UTC day, or at this time, or earlier; not before `from`.",
                    "2026-12-31T23:59:59Z",
                ),
                limit(),
                cursor::<Entry>(&format!("2026-01-31T12:00:00.000Z{ORDER_ID}")),
            ],
            answer: list::<Order>(order(), Value::Null),
            missing: None,
            owned: true,
            links: vec![Link {
                to: "/orders/{order_id}",
                parameter: "order_id",
                value: "/items/0/order_id",
            }],
        },
        Query {
            path: "/orders/{order_id}",
            about: "An order as it is.",
            parameters: vec![Parameter::of::<Uuid>("order_id", "Which order.", ORDER_ID)],
            answer: Shape::of::<Order>(order()),
            missing: Some("order"),
            owned: true,
            links: vec![],
        },
    ]
}

fn customers() -> Vec<Query> {
    let customer = json!({
        "customer_id": "C-00042", "orders": 1, "lifetime_value": { "EUR": 2500 },
        "first_order_at": "2026-01-31T12:00:00.000Z", "last_order_at": "2026-01-31T12:00:00.000Z",
    });
    vec![
        Query {
            path: "/customers",
            about: "Customers by lifetime value in one currency, largest first. A page ends at about 1 \
                    MiB, so only `next` tells the end; name the currency to go on in the same one.",
            parameters: vec![
                Parameter::of::<Currency>(
                    "currency",
                    "In which currency; without it, in that of most orders.",
                    "EUR",
                ),
                limit(),
                cursor::<Ranked>("9223372036854778307C-00042"),
            ],
            answer: list::<Customer>(customer.clone(), Value::Null),
            missing: None,
            owned: false,
            links: vec![],
        },
        Query {
            path: "/customers/{customer_id}",
            about: "A customer.",
            parameters: vec![Parameter::of::<String>("customer_id", "Which customer.", "C-00042")],
            answer: Shape::of::<Customer>(customer),
            missing: Some("customer"),
            owned: true,
            links: vec![],
        },
    ]
}

fn stats() -> Vec<Query> {
    let totals = json!({
        "orders": 1, "by_status": { "paid": 1 }, "customers": 1, "revenue": { "EUR": 2500 },
    });
    let day = json!({
        "date": "2026-01-31", "orders": 1, "units": 2, "revenue": { "EUR": 2500 },
    });
    let product = json!({
        "sku": "P-0001", "name": "Lamp", "orders": 1, "units": 2, "value": { "EUR": 2500 },
    });
    let query = |path, about, parameters, answer| Query {
        path,
        about,
        parameters,
        answer,
        missing: None,
        owned: false,
        links: vec![],
    };
    vec![
        query("/stats", "Totals over all orders.", vec![], Shape::of::<Totals>(totals)),
        query(
            "/stats/daily",
            "UTC days, oldest first. Days without anything are left out, and a page ends at about 1 \
             MiB, so only `next` tells the end.",
            vec![
                Parameter::of::<Date>("from", "The first day.", "2026-01-01"),
                Parameter::of::<Date>("to", "The last day, not before `from`.", "2026-12-31"),
                limit(),
                cursor::<Date>("2026-01-31"),
            ],
            list::<Day>(day, json!("2026-01-31")),
        ),
        query(
            "/stats/products",
            "Products, most units first. A page ends at about 1 MiB, so only `next` tells the end.",
            vec![limit(), cursor::<Ranked>("9223372036854775810P-0001")],
            list::<Product>(product, Value::Null),
        ),
    ]
}

/// A day, or a time.
enum Moment {}

impl JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "anyOf": [{ "format": "date" }, { "format": "date-time" }],
        })
    }
}

/// A cursor of a list by time.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct Entry(
    #[schemars(regex(
        pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    ))]
    String,
);

/// A cursor of a list by a sum.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct Ranked(#[schemars(regex(pattern = r"^[0-9]{19}[^\x00-\x1f\x7f-\x9f]+$"))] String);
