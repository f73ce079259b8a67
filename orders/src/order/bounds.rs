//! What one order may hold. Sums over orders are 64 bits wide: they hold 9 million orders that are
//! as large as this, so no order that is accepted fills the sums that another one needs.

use super::event::OrderedItem;

pub const MAX_ITEMS: usize = 500;
/// Of all items together.
pub const MAX_UNITS: i64 = 1_000_000;
/// In minor units of the order's currency: quantity × unit price of all items together.
pub const MAX_TOTAL: i64 = 1_000_000_000_000;
/// Bytes of sku and name of all items together.
pub const MAX_TEXT: usize = 48 << 10;

/// What a command would make of an order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Size {
    items: usize,
    units: i64,
    total: i64,
    text: usize,
}

impl Size {
    pub fn of<'a>(items: impl IntoIterator<Item = &'a OrderedItem>) -> Self {
        items.into_iter().fold(Self::default(), |size, item| {
            let (quantity, price) = (item.quantity.get(), item.unit_price.get());
            size.with(item.sku.as_str().len() + item.name.as_str().len(), quantity, price)
        })
    }

    /// One item more.
    pub fn with(self, text: usize, quantity: i64, unit_price: i64) -> Self {
        Self {
            items: self.items + 1,
            units: self.units.saturating_add(quantity),
            total: self.total.saturating_add(quantity.saturating_mul(unit_price)),
            text: self.text + text,
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
