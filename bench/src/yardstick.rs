//! What Waybill is compared with: the raw loops, run as scenarios are.

mod apply;
mod chain;
mod insert;
mod publish;
mod reads;
mod visible;

use crate::scenario::Scenario;

pub fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(chain::CHAIN_256),
        Box::new(chain::CHAIN_64),
        Box::new(insert::Insert),
        Box::new(visible::Visible),
        Box::new(publish::Publish),
        Box::new(apply::Apply),
        Box::new(reads::GET),
        Box::new(reads::LIST),
    ]
}
