//! Telling that this process leads.

use shared::service::health::Health;

use super::HEALTH_PART;
use crate::metrics;

/// As long as it is there, metrics and health tell that this process leads: a leading that ends by a panic
/// is told no longer either.
pub struct Leading<'a>(&'a Health);

impl<'a> Leading<'a> {
    pub fn begin(health: &'a Health) -> Self {
        metrics::RELAY_LEADS.set_to(true);
        health.tell(HEALTH_PART, "this process relays the log".to_owned());
        Self(health)
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        metrics::RELAY_LEADS.set_to(false);
        self.0.clear_note(HEALTH_PART);
    }
}

#[cfg(test)]
mod tests {
    use shared::service::metrics::text;
    use shared::service::vital::vital;

    use super::*;

    fn is_told() -> bool {
        let text = String::from_utf8(text()).unwrap();
        text.lines().any(|line| line == "waybill_relay_leader 1")
    }

    async fn panics(_leading: Leading<'_>) {
        panic!("as a test wants it")
    }

    #[tokio::test]
    async fn a_relay_that_panicked_leads_no_more() {
        let health = Health::default();
        let leading = Leading::begin(&health);
        assert!(is_told());
        vital(health.clone(), HEALTH_PART, panics(leading)).await;
        assert!(!is_told());
    }
}
