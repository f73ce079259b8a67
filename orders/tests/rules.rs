//! Each rule of an order by its name: given what happened, when a command comes, then what.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod support {
    pub mod given;
    pub mod history;
}

use orders::Status;
use orders::order::bounds::MAX_UNITS;
use orders::values::MAX;
use support::given::{Named, given};
use support::history::*;

/// Two lamps at 10 and a chair at 5: 25 in all.
fn ordered() -> Named {
    order_created([item(LAMP, 2, 10), item(CHAIR, 1, 5)])
}

fn everything_shipped() -> Named {
    shipped([(LAMP, 2), (CHAIR, 1)])
}

#[test]
fn an_order_goes_its_way_from_creation_to_the_last_refund() {
    given([])
        .when(create_order([item(LAMP, 2, 10), item(CHAIR, 1, 5)]))
        .then([ordered()])
        .is(Status::Created)
        .when(add_item(item(TABLE, 1, 1)))
        .then([item_added(item(TABLE, 1, 1))])
        .is(Status::Created)
        .when(remove_item(TABLE))
        .then([item_removed(TABLE)])
        .is(Status::Created)
        .when(process_payment(10))
        .then([payment_processed(10)])
        .is(Status::PartiallyPaid)
        .when(process_payment(15))
        .then([payment_processed(15)])
        .is(Status::Paid)
        .when(ship([(LAMP, 1)]))
        .then([shipped([(LAMP, 1)])])
        .is(Status::PartiallyShipped)
        .when(ship_the_rest())
        .then([shipped([(LAMP, 1), (CHAIR, 1)])])
        .is(Status::Shipped)
        .when(deliver([(CHAIR, 1)]))
        .then([delivered([(CHAIR, 1)])])
        .is(Status::Shipped)
        .when(deliver_the_rest())
        .then([delivered([(LAMP, 2)])])
        .is(Status::Delivered)
        .when(refund_payment(5))
        .then([payment_refunded(5)])
        .is(Status::Delivered)
        .when(refund_payment(20))
        .then([payment_refunded(20)])
        .is(Status::Refunded);
}

#[test]
fn an_order_is_created_once() {
    given([ordered()]).when(create_order([item(LAMP, 1, 1)])).then_refused("order-exists");
}

#[test]
fn an_order_that_was_never_created_cannot_be_cancelled() {
    given([]).when(cancel_order()).then_refused("unknown-order");
}

#[test]
fn an_order_of_too_many_units_is_refused() {
    given([]).when(create_order([item(LAMP, MAX, 2)])).then_refused("out-of-range");
}

#[test]
fn an_order_that_costs_nothing_is_paid_at_once() {
    let free = || order_created([item(LAMP, 1, 0)]);
    given([free()])
        .is(Status::Paid)
        .when(ship_the_rest())
        .then([shipped([(LAMP, 1)])])
        .when(add_item(item(CHAIR, 1, 1)))
        .then_refused("something-shipped");
}

#[test]
fn an_item_is_added_once() {
    given([ordered()]).when(add_item(item(LAMP, 1, 1))).then_refused("item-exists");
}

#[test]
fn an_item_that_makes_an_order_too_large_is_refused() {
    given([ordered()]).when(add_item(item(TABLE, 1, MAX))).then_refused("out-of-range");
    given([ordered()]).when(add_item(item(TABLE, MAX, 0))).then_refused("out-of-range");
    given([ordered()]).when(add_item(item(TABLE, MAX_UNITS - 2, 0))).then_refused("out-of-range");
}

#[test]
fn an_item_that_was_not_ordered_cannot_be_removed() {
    given([ordered()]).when(remove_item(TABLE)).then_refused("unknown-item");
}

#[test]
fn the_last_item_cannot_be_removed() {
    given([order_created([item(LAMP, 1, 1)])]).when(remove_item(LAMP)).then_refused("last-item");
}

#[test]
fn the_items_of_a_paid_order_stay_as_they_are() {
    let paid = || given([ordered(), payment_processed(25)]);
    paid().when(add_item(item(TABLE, 1, 1))).then_refused("something-paid");
    paid().when(remove_item(LAMP)).then_refused("something-paid");
}

#[test]
fn a_payment_of_more_than_is_owed_is_refused() {
    given([ordered()]).when(process_payment(26)).then_refused("overpayment");
}

#[test]
fn a_refund_of_more_than_was_paid_is_refused() {
    given([ordered()]).when(refund_payment(1)).then_refused("over-refund");
    given([ordered(), payment_processed(25), payment_refunded(20)])
        .when(refund_payment(6))
        .then_refused("over-refund");
}

#[test]
fn nothing_is_shipped_before_everything_is_paid() {
    given([ordered(), payment_processed(24)])
        .when(ship_the_rest())
        .then_refused("not-paid-in-full");
}

#[test]
fn nothing_is_shipped_after_everything_was_refunded() {
    given([ordered(), payment_processed(25), payment_refunded(25)])
        .when(ship_the_rest())
        .then_refused("refunded");
}

#[test]
fn no_more_is_shipped_than_was_ordered() {
    let paid = || given([ordered(), payment_processed(25)]);
    paid().when(ship([(LAMP, 3)])).then_refused("over-shipment");
    paid().when(ship([(TABLE, 1)])).then_refused("unknown-item");
    given([ordered(), payment_processed(25), everything_shipped()])
        .when(ship_the_rest())
        .then_refused("nothing-to-ship");
}

#[test]
fn no_more_is_delivered_than_was_shipped() {
    given([ordered(), payment_processed(25)])
        .when(deliver_the_rest())
        .then_refused("nothing-to-deliver");
    given([ordered(), payment_processed(25), everything_shipped()])
        .when(deliver([(LAMP, 3)]))
        .then_refused("over-delivery");
}

#[test]
fn an_order_of_which_something_was_shipped_cannot_be_cancelled() {
    given([ordered(), payment_processed(25), everything_shipped()])
        .when(cancel_order())
        .then_refused("something-shipped");
}

#[test]
fn a_cancelled_order_can_be_refunded_and_nothing_else() {
    let cancelled = || given([ordered(), payment_processed(25), order_cancelled()]);
    for command in [
        add_item(item(TABLE, 1, 1)),
        remove_item(LAMP),
        process_payment(1),
        ship_the_rest(),
        deliver_the_rest(),
        cancel_order(),
    ] {
        cancelled().when(command).then_refused("cancelled");
    }
    cancelled().when(refund_payment(25)).then([payment_refunded(25)]).is(Status::Cancelled);
}

#[test]
fn a_paid_order_can_be_cancelled_before_anything_is_shipped() {
    given([ordered(), payment_processed(25)])
        .when(cancel_order())
        .then([order_cancelled()])
        .is(Status::Cancelled);
}
