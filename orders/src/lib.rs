//! The domain: orders. Pure rules (`order`), the views made of their events (`view`), and the
//! questions that views answer (`queries`). No I/O.

pub mod money;
pub mod order;
pub mod queries;
pub mod values;
pub mod view;

pub use order::{Command, Event, Order, OrderAggregate, Status};
pub use queries::OrderQueries;
pub use view::OrderProjection;
