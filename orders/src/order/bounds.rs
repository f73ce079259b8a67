//! What one order may hold. Sums over orders are 64 bits wide: they hold 9 million orders that are
//! as large as this, so no order that is accepted fills the sums that another one needs.

use super::event::OrderedItem;
use super::{Item, total};

/// Products of one order.
pub const MAX_ITEMS: usize = 500;
/// Of all items together.
pub const MAX_UNITS: i64 = 1_000_000;
/// In minor units of the order's currency: quantity × unit price of all items together.
pub const MAX_TOTAL: i64 = 1_000_000_000_000;
/// Bytes of sku and name of all items together.
pub const MAX_TEXT: usize = 48 << 10;

/// What one item adds to the size of its order.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Bytes of sku and name.
    text: usize,
    quantity: i64,
    unit_price: i64,
}

impl From<&OrderedItem> for Line {
    fn from(item: &OrderedItem) -> Self {
        let text = item.sku.as_str().len() + item.name.as_str().len();
        Self { text, quantity: item.quantity.get(), unit_price: item.unit_price.get() }
    }
}

impl From<&Item> for Line {
    fn from(item: &Item) -> Self {
        let text = item.sku.as_str().len() + item.name.as_str().len();
        Self { text, quantity: item.quantity.get(), unit_price: item.unit_price.get() }
    }
}

/// What a command would make of an order.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    items: usize,
    units: i64,
    total: i64,
    text: usize,
}

impl Size {
    /// The size of an order with these lines.
    pub fn of(lines: impl IntoIterator<Item = Line>) -> Self {
        let lines: Vec<Line> = lines.into_iter().collect();
        Self {
            items: lines.len(),
            units: lines.iter().fold(0, |units, line| units.saturating_add(line.quantity)),
            total: total(lines.iter().map(|line| (line.quantity, line.unit_price))),
            text: lines.iter().map(|line| line.text).sum(),
        }
    }

    /// Every bound that is passed, in words, with what there would be.
    pub fn exceeded(self) -> Vec<Exceeded> {
        let mut exceeded = vec![];
        let mut over = |what: &str, size: i128, bound: i128| {
            if size > bound {
                exceeded.push(Exceeded {
                    bound: format!("{bound} {what}"),
                    found: format!("{size} in all"),
                });
            }
        };
        over("items", self.items as i128, MAX_ITEMS as i128);
        over("units", self.units.into(), MAX_UNITS.into());
        over("minor units as its total", self.total.into(), MAX_TOTAL.into());
        over("bytes of skus and names in all", self.text as i128, MAX_TEXT as i128);
        exceeded
    }
}

/// A bound that a command would pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// Of what there may be how much: `500 items`.
    pub bound: String,
    /// How much there would be.
    pub found: String,
}
