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

    /// The bound that is passed, in words.
    pub fn exceeded(self) -> Option<String> {
        let over =
            |what: &str, bound: String| Some(format!("An order may have up to {bound} {what}."));
        match self {
            _ if self.items > MAX_ITEMS => over("items", MAX_ITEMS.to_string()),
            _ if self.units > MAX_UNITS => over("units", MAX_UNITS.to_string()),
            _ if self.total > MAX_TOTAL => over("minor units as its total", MAX_TOTAL.to_string()),
            _ if self.text > MAX_TEXT => {
                over("bytes of skus and names in all", MAX_TEXT.to_string())
            }
            _ => None,
        }
    }
}
