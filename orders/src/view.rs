//! The views of orders: each order as it is, and what it adds to lists, rankings and sums.

use kernel::log::Recorded;
use kernel::projection::{Facts, FieldKey, Projection, Rank, Texts, Unprojectable};

use crate::order::{Event, Order, OrderAggregate};
use kernel::aggregate::Aggregate as _;

/// The projection of orders, as the read side is given it.
#[derive(Debug, Clone, Copy)]
pub struct OrderProjection;

impl Projection for OrderProjection {
    type View = Order;

    const VERSION: u32 = 2;

    fn fold(
        view: Option<Order>,
        recorded: &Recorded,
        texts: &mut Texts,
    ) -> Result<Order, Unprojectable> {
        let event = OrderAggregate::decode(&recorded.event)
            .map_err(|invalid| Unprojectable(invalid.detail))?;
        let mut order = view;
        OrderAggregate::evolve(&mut order, &event);
        let missing = || Unprojectable(format!("{} before OrderCreated", recorded.event.kind));
        let mut order = order.ok_or_else(missing)?;
        order.version = recorded.version;
        order.updated_at = recorded.at;
        names_of_products(&order, &event, texts);
        Ok(order)
    }

    fn facts(order: &Order) -> Facts {
        let mut facts = Facts::default();
        lists(order, &mut facts);
        totals(order, &mut facts);
        customer(order, &mut facts);
        day(order, &mut facts);
        products(order, &mut facts);
        facts
    }
}

/// Names of lists and records, and how their entries are written.
pub mod names {
    use crate::order::Order;

    /// List of all orders, by time.
    pub const ORDERS: &str = "orders";
    /// List of all customers, by id.
    pub const CUSTOMERS: &str = "customers";
    /// List of all days on which an order was placed.
    pub const DAYS: &str = "days";
    /// List of all products, by units ordered.
    pub const PRODUCTS: &str = "products";
    /// Record of the sums over all orders.
    pub const STATS: &str = "stats";
    /// Field of `STATS` and prefix of the fields that follow it.
    pub const BY_STATUS: &str = "status:";
    /// Prefix of fields: paid less refunded, by currency.
    pub const REVENUE: &str = "revenue:";
    /// Prefix of fields of `STATS`: orders by currency.
    pub const CURRENCY: &str = "currency:";
    /// Prefix of fields of a customer: paid less refunded, by currency.
    pub const LIFETIME: &str = "lifetime:";
    /// Prefix of fields of a product: quantity × unit price, by currency.
    pub const VALUE: &str = "value:";

    /// List of the orders of a status, by time.
    pub fn orders_by_status(status: &str) -> String {
        format!("orders-by-status:{status}")
    }

    /// List of the orders of a customer, by time.
    pub fn orders_by_customer(customer: &str) -> String {
        format!("orders-by-customer:{customer}")
    }

    /// List of the orders of a customer that have a status, by time.
    pub fn orders_by_both(status: &str, customer: &str) -> String {
        format!("orders-by-status-and-customer:{status}:{customer}")
    }

    /// List of customers, by what they paid in this currency.
    pub fn customers_by_value(currency: &str) -> String {
        format!("customers-by-value:{currency}")
    }

    /// Record of a customer.
    pub fn customer(id: &str) -> String {
        format!("customer:{id}")
    }

    /// Record of a day.
    pub fn day(date: &str) -> String {
        format!("day:{date}")
    }

    /// Record of a product.
    pub fn product(sku: &str) -> String {
        format!("product:{sku}")
    }

    /// An order in a list: its time, in fixed width, then its id.
    pub fn entry(order: &Order) -> String {
        format!("{}{}", order.placed_at, order.order_id)
    }

    /// Bytes of the time in front of an entry, and in front of a product's name.
    pub const TIME: usize = kernel::timestamp::WIDTH;
    /// Bytes of an order's id.
    pub const ID: usize = 36;
    /// Bytes of the value in front of a ranked entry.
    pub const RANK: usize = kernel::projection::RANK;
}

fn lists(order: &Order, facts: &mut Facts) {
    let (status, customer) = (order.status.as_str(), order.customer_id.as_str());
    facts.enter(names::ORDERS, names::entry(order));
    facts.enter(names::orders_by_status(status), names::entry(order));
    facts.enter(names::orders_by_customer(customer), names::entry(order));
    facts.enter(names::orders_by_both(status, customer), names::entry(order));
    facts.enter(names::CUSTOMERS, customer);
    facts.enter(names::DAYS, order.placed_at.date());
}

fn totals(order: &Order, facts: &mut Facts) {
    let key = |prefix: &str, field: &str| FieldKey::new(names::STATS, format!("{prefix}{field}"));
    facts.add(key("", "orders"), 1);
    facts.add(key(names::BY_STATUS, order.status.as_str()), 1);
    facts.add(key(names::CURRENCY, order.currency.as_str()), 1);
    facts.add(key(names::REVENUE, order.currency.as_str()), order.net());
}

/// 1 for an order that counts, 0 for a cancelled one.
fn counts(order: &Order) -> i64 {
    i64::from(!order.is_cancelled())
}

fn customer(order: &Order, facts: &mut Facts) {
    let id = order.customer_id.as_str();
    let key = |field: String| FieldKey::new(names::customer(id), field);
    facts.add(key("orders".to_owned()), counts(order));
    let value = key(format!("{}{}", names::LIFETIME, order.currency));
    let index = names::customers_by_value(order.currency.as_str());
    facts.add_ranked(value, order.net(), Rank { index, member: id.to_owned(), zeros: true });
}

fn day(order: &Order, facts: &mut Facts) {
    let date = order.placed_at.date();
    let key = |field: String| FieldKey::new(names::day(&date), field);
    facts.add(key("orders".to_owned()), counts(order));
    facts.add(key("units".to_owned()), counts(order) * order.units());
    facts.add(key(format!("{}{}", names::REVENUE, order.currency)), order.net());
}

fn products(order: &Order, facts: &mut Facts) {
    for item in &order.items {
        let sku = item.sku.as_str();
        let key = |field: String| FieldKey::new(names::product(sku), field);
        let rank = Rank { index: names::PRODUCTS.to_owned(), member: sku.to_owned(), zeros: false };
        facts.add(key("orders".to_owned()), counts(order));
        facts.add_ranked(key("units".to_owned()), counts(order) * item.quantity.get(), rank);
        facts.add(key(format!("{}{}", names::VALUE, order.currency)), counts(order) * item.value());
    }
}

/// A product is called as in the newest order that has it.
fn names_of_products(order: &Order, event: &Event, texts: &mut Texts) {
    let items = match event {
        Event::OrderCreated(created) => &created.items[..],
        Event::ItemAdded(item) => std::slice::from_ref(item),
        _ => &[],
    };
    for item in items {
        let field = FieldKey::new(names::product(item.sku.as_str()), "name");
        texts.offer(field, format!("{}{}", names::entry(order), item.name));
    }
}
