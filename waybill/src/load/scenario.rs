//! A realistic flow: few products sell most, customers come back, some pay in parts, some cancel,
//! some want their money back. The same seed makes the same orders.

use std::collections::VecDeque;

use kernel::Timestamp;
use orders::order::total;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use uuid::Uuid;

const PRODUCTS: usize = 500;
const CUSTOMERS: usize = 2_000;
/// Orders are placed over so many days from 2026-01-01 on.
const DAYS: i64 = 90;
const NAMES: [&str; 8] =
    ["Lamp", "Chair", "Kettle", "Notebook", "Bicycle bell", "Blanket", "Mug", "Rucksack"];

/// An endless sequence of orders, each as the commands of its life.
pub struct Scenario {
    random: StdRng,
    products: Zipf,
    customers: Zipf,
}

impl Scenario {
    /// The same seed makes the same commands.
    pub fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            products: Zipf::new(PRODUCTS, 1.07),
            customers: Zipf::new(CUSTOMERS, 0.8),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }
}

struct Line {
    product: usize,
    quantity: i64,
}

impl Line {
    fn price(&self) -> i64 {
        199 + (self.product as i64 * 7_919) % 20_000
    }

    fn sku(&self) -> String {
        format!("P-{:04}", self.product)
    }

    fn json(&self) -> Value {
        let name =
            format!("{} {}", NAMES[self.product % NAMES.len()], self.product / NAMES.len() + 1);
        json!({ "sku": self.sku(), "name": name, "quantity": self.quantity, "unit_price": self.price() })
    }
}

/// Adds the fields of `with` to a command for an order.
fn command(kind: &str, order: Uuid, with: Value) -> Value {
    let mut command = json!({ "type": kind, "order_id": order });
    if let (Value::Object(command), Value::Object(with)) = (&mut command, with) {
        command.extend(with);
    }
    command
}

impl Iterator for Scenario {
    type Item = Vec<Value>;

    fn next(&mut self) -> Option<Vec<Value>> {
        let order = uuid::Builder::from_random_bytes(self.random.random()).into_uuid();
        let mut lines = self.lines();
        let mut commands = vec![self.create(order, &lines)];
        if self.chance(10) {
            self.change(order, &mut lines, &mut commands);
        }
        let total = total(lines.iter().map(|line| (line.quantity, line.price())));
        if self.chance(8) {
            commands.push(command("CancelOrder", order, json!({ "reason": "ordered by mistake" })));
        } else if self.chance(93) {
            self.pay(order, total, &mut commands);
            self.fulfil(order, total, &lines, &mut commands);
        }
        Some(commands)
    }
}

impl Scenario {
    fn lines(&mut self) -> Vec<Line> {
        let mut lines: Vec<Line> = vec![];
        for _ in 0..self.random.random_range(1..=4) {
            let product = self.products.draw(&mut self.random);
            if !lines.iter().any(|line| line.product == product) {
                lines.push(Line { product, quantity: self.random.random_range(1..=3) });
            }
        }
        lines
    }

    fn create(&mut self, order: Uuid, lines: &[Line]) -> Value {
        let customer = self.customers.draw(&mut self.random);
        let currency = ["EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "USD", "USD", "GBP"]
            [self.random.random_range(0..10)];
        let millis = 1_767_225_600_000 + self.random.random_range(0..DAYS * 86_400_000);
        command(
            "CreateOrder",
            order,
            json!({
                "customer_id": format!("C-{customer:05}"),
                "currency": currency,
                "items": lines.iter().map(Line::json).collect::<Vec<_>>(),
                "placed_at": Timestamp::from_millis(millis),
            }),
        )
    }

    fn change(&mut self, order: Uuid, lines: &mut Vec<Line>, commands: &mut Vec<Value>) {
        if lines.len() > 1 && self.chance(40) {
            let gone = lines.remove(0);
            commands.push(command("RemoveItem", order, json!({ "sku": gone.sku() })));
        }
        let product = self.products.draw(&mut self.random);
        if !lines.iter().any(|line| line.product == product) {
            let line = Line { product, quantity: 1 };
            commands.push(command("AddItem", order, line.json()));
            lines.push(line);
        }
    }

    fn pay(&mut self, order: Uuid, total: i64, commands: &mut Vec<Value>) {
        let first = if self.chance(20) { total / 2 } else { total };
        for amount in [first, total - first].into_iter().filter(|amount| *amount > 0) {
            let reference = format!("card-{}", self.random.random_range(100_000..1_000_000));
            commands.push(command(
                "ProcessPayment",
                order,
                json!({ "amount": amount, "reference": reference }),
            ));
        }
    }

    fn fulfil(&mut self, order: Uuid, total: i64, lines: &[Line], commands: &mut Vec<Value>) {
        if self.chance(4) {
            commands.push(command("CancelOrder", order, json!({ "reason": "out of stock" })));
            commands.push(command(
                "RefundPayment",
                order,
                json!({ "amount": total, "reason": "cancelled" }),
            ));
            return;
        }
        if lines.len() > 1 && self.chance(25) {
            let first =
                json!({ "items": [{ "sku": lines[0].sku(), "quantity": 1 }], "carrier": "Post" });
            commands.push(command("ShipProducts", order, first));
        }
        let tracking = format!("T{}", self.random.random_range(10_000_000..100_000_000));
        commands.push(command(
            "ShipProducts",
            order,
            json!({ "carrier": "Post", "tracking": tracking }),
        ));
        if self.chance(90) {
            commands.push(command("DeliverProducts", order, json!({})));
        }
        if self.chance(6) {
            let amount = if self.chance(30) { total } else { (total / 10).max(1) };
            commands.push(command(
                "RefundPayment",
                order,
                json!({ "amount": amount, "reason": "damaged" }),
            ));
        }
    }
}

/// The orders' commands as they would arrive from so many clients at a time: each order's in
/// their sequence.
pub(super) fn mixed(
    mut orders: impl Iterator<Item = Vec<Value>>,
    clients: usize,
) -> impl Iterator<Item = Value> {
    let mut open: VecDeque<VecDeque<Value>> = VecDeque::new();
    std::iter::from_fn(move || {
        while open.len() < clients.max(1)
            && let Some(order) = orders.next()
        {
            open.push_back(order.into());
        }
        let mut order = open.pop_front()?;
        let command = order.pop_front();
        if !order.is_empty() {
            open.push_back(order);
        }
        command
    })
}

/// Draws 0, 1, 2, … with a probability that falls with the rank (Zipf's law).
struct Zipf {
    cumulated: Vec<f64>,
}

impl Zipf {
    fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=ranks).map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        });
        Self { cumulated: weights.collect() }
    }

    fn draw(&self, random: &mut StdRng) -> usize {
        let all = self.cumulated.last().copied().unwrap_or(1.0);
        let point = random.random_range(0.0..all);
        self.cumulated.partition_point(|sum| *sum < point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::aggregate::{Aggregate, CommandContext};
    use orders::{OrderAggregate, order::Command};

    #[test]
    fn the_same_seed_makes_the_same_orders() {
        let some = |seed| Scenario::new(seed).take(20).collect::<Vec<_>>();
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
    }

    #[test]
    fn every_command_of_the_flow_is_accepted_in_its_turn() {
        for commands in Scenario::new(7).take(500) {
            let mut state = None;
            for command in commands {
                let context = CommandContext { now: Timestamp::default(), new_id: Uuid::nil() };
                let parsed: Command = OrderAggregate::parse(command.clone(), &context)
                    .unwrap_or_else(|invalid| panic!("{command}: {invalid:?}"))
                    .command;
                let events = OrderAggregate::decide(&state, &parsed)
                    .unwrap_or_else(|refusal| panic!("{command}: {refusal:?}"));
                events.iter().for_each(|event| OrderAggregate::evolve(&mut state, event));
            }
        }
    }
}
