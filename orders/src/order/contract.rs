//! The commands, events and refusals of orders, for the descriptions that the services give.

use kernel::contract::{Command, Event, Member, ProblemPage, Rule, Shape, WriteContract};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::Order;
use super::command::{
    CancelOrder, CreateOrder, DeliverProducts, ProcessPayment, RefundPayment, RemoveItem,
    ShipProducts,
};
use super::event::{
    ItemRemoved, OrderCancelled, OrderCreated, OrderedItem, PaymentProcessed, PaymentRefunded,
    ProductDelivered, ProductShipped,
};

pub fn contract() -> WriteContract {
    WriteContract {
        commands: commands(),
        events: events(),
        state: Some(Shape::of::<Order>(crate::queries::examples::order())),
        problems: problems(),
        rules: rules(),
        facts: facts(),
    }
}

fn command<T: JsonSchema>(name: &'static str, about: &'static str, example: Value) -> Command {
    Command { name, about, fields: Shape::of::<T>(example) }
}

fn commands() -> Vec<Command> {
    let parcel = json!({ "sku": "P-0001", "quantity": 1 });
    vec![
        command::<CreateOrder>(
            "CreateOrder",
            "Places an order. Without `order_id` the service draws one.",
            json!({
                "customer_id": "C-00042", "currency": "EUR", "items": [lamp()],
                "placed_at": "2026-01-31T12:00:00Z",
            }),
        ),
        command::<OrderedItem>(
            "AddItem",
            "Orders another product, while nothing is paid and nothing is shipped.",
            json!({ "sku": "P-0002", "name": "Chair", "quantity": 1, "unit_price": 4900 }),
        ),
        command::<RemoveItem>(
            "RemoveItem",
            "Takes a product off the order, while nothing is paid and nothing is shipped. The last \
             item cannot be removed.",
            json!({ "sku": "P-0002" }),
        ),
        command::<ProcessPayment>(
            "ProcessPayment",
            "Takes a payment of at most what is owed.",
            json!({ "amount": 2500, "reference": "PSP-7781" }),
        ),
        command::<RefundPayment>(
            "RefundPayment",
            "Gives back at most what is paid and not refunded yet.",
            json!({ "amount": 1250, "reason": "one lamp was broken" }),
        ),
        command::<ShipProducts>(
            "ShipProducts",
            "Ships products, once the order is paid in full and not wholly refunded. Without `items` \
             all that remains is shipped.",
            json!({ "items": [parcel], "carrier": "Post", "tracking": "RR-1" }),
        ),
        command::<DeliverProducts>(
            "DeliverProducts",
            "Notes that products arrived. Without `items` all that is shipped and not delivered has.",
            json!({ "items": [parcel] }),
        ),
        command::<CancelOrder>(
            "CancelOrder",
            "Ends the order, while nothing is shipped.",
            json!({ "reason": "ordered by mistake" }),
        ),
    ]
}

fn lamp() -> Value {
    json!({ "sku": "P-0001", "name": "Lamp", "quantity": 2, "unit_price": 1250 })
}

fn event<T: JsonSchema>(name: &'static str, about: &'static str, example: Value) -> Event {
    Event { name, version: 1, about, data: Shape::of::<T>(example) }
}

fn events() -> Vec<Event> {
    let parcels = json!([{ "sku": "P-0001", "quantity": 2 }]);
    vec![
        event::<OrderCreated>(
            "OrderCreated",
            "An order was placed.",
            json!({
                "order_id": crate::queries::examples::ORDER_ID, "customer_id": "C-00042",
                "currency": "EUR", "items": [lamp()], "placed_at": "2026-01-31T12:00:00.000Z",
            }),
        ),
        event::<OrderedItem>("ItemAdded", "A product was added to the order.", lamp()),
        event::<ItemRemoved>(
            "ItemRemoved",
            "A product was taken off the order.",
            json!({ "sku": "P-0002" }),
        ),
        event::<PaymentProcessed>(
            "PaymentProcessed",
            "A payment arrived.",
            json!({ "amount": 2500, "reference": "PSP-7781" }),
        ),
        event::<PaymentRefunded>(
            "PaymentRefunded",
            "A part of what was paid was given back.",
            json!({ "amount": 1250, "reason": "one lamp was broken" }),
        ),
        event::<ProductShipped>(
            "ProductShipped",
            "Products left for the customer.",
            json!({ "items": parcels, "carrier": "Post", "tracking": "RR-1" }),
        ),
        event::<ProductDelivered>(
            "ProductDelivered",
            "Products that were shipped reached the customer.",
            json!({ "items": parcels }),
        ),
        event::<OrderCancelled>(
            "OrderCancelled",
            "The order ended before anything was shipped.",
            json!({ "reason": "ordered by mistake" }),
        ),
    ]
}

fn problems() -> Vec<ProblemPage> {
    vec![
        ProblemPage {
            name: "order-exists",
            status: 409,
            title: "It exists already",
            meaning: "There is an order by this id already, so none was created.",
            remedy: "Read the order. To create another one, take another id, or leave it out.",
        },
        order_not_found(),
    ]
}

/// Of commands and of queries.
pub fn order_not_found() -> ProblemPage {
    ProblemPage {
        name: "order-not-found",
        status: 404,
        title: "There is nothing by this id",
        meaning: "There is no order by this id.",
        remedy: "Check the id. A view may be behind: a query with the Consistency-Token of the \
                 command that created the order waits until the view has it.",
    }
}

/// As `decide` refuses.
fn rules() -> Vec<Rule> {
    let rule = |(name, about)| Rule { name, about };
    [
        ("unknown-order", "there is no such order (404 `order-not-found`)"),
        ("order-exists", "the order exists already (409 `order-exists`)"),
        ("out-of-range", "the order would become larger than an order may be (422 `validation`)"),
        ("cancelled", "the order is cancelled"),
        ("something-paid", "items cannot change once something is paid; `paid` says how much"),
        (
            "something-shipped",
            "items cannot change, and the order cannot be cancelled, once something is shipped",
        ),
        ("item-exists", "the order has an item with this sku"),
        ("unknown-item", "the order has no item with this sku"),
        ("last-item", "the last item cannot be removed"),
        ("overpayment", "more than is owed; `owed` says how much is"),
        ("over-refund", "more than is paid and not refunded yet; `refundable` says how much is"),
        (
            "not-paid-in-full",
            "an order is shipped once it is paid in full; `owed` says what is not",
        ),
        ("refunded", "all that was paid is refunded, so nothing is shipped"),
        ("nothing-to-ship", "nothing is left to ship"),
        ("nothing-to-deliver", "nothing is left to deliver"),
        ("over-shipment", "more than is left to ship; `left` says how much is"),
        ("over-delivery", "more than is left to deliver; `left` says how much is"),
    ]
    .map(rule)
    .to_vec()
}

/// As `decide` states them.
fn facts() -> Vec<Member> {
    vec![
        Member::of::<i64>("paid", "Of `something-paid`: how much is paid, in minor units.", 2500),
        Member::of::<i64>(
            "owed",
            "Of `overpayment` and `not-paid-in-full`: how much is owed, in minor units.",
            2500,
        ),
        Member::of::<i64>(
            "refundable",
            "Of `over-refund`: how much is paid and not refunded yet, in minor units.",
            1250,
        ),
        Member::of::<i64>(
            "left",
            "Of `over-shipment` and `over-delivery`: how many units are left of the product.",
            1,
        ),
    ]
}
