//! The leases by which one worker heals or makes a generation for all.

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use shared::view_store::{Generation, ViewStore};

/// How long a lease lasts after it was taken or renewed: so long do the other workers wait before they
/// go on in the place of one that died.
pub(crate) const LEASE_TERM: Duration = Duration::from_secs(5);

/// Takes leases in the name of this worker. There is one lease per generation, for whatever is done to
/// it.
#[derive(Clone)]
pub(crate) struct LeaseHolder {
    views: Arc<dyn ViewStore>,
    /// Tells workers apart.
    name: String,
}

impl LeaseHolder {
    pub(crate) fn new(views: Arc<dyn ViewStore>, name: String) -> Self {
        Self { views, name }
    }

    /// Takes or renews the lease for `LEASE_TERM`; false while another worker holds it, or when the
    /// generation is gone.
    pub(crate) async fn hold(&self, generation: &Generation) -> Result<bool> {
        self.views.lease(&generation.id, &self.name, LEASE_TERM).await
    }

    /// Ends a lease that this worker holds, so that another worker can go on at once.
    pub(crate) async fn release(&self, generation: &Generation) -> Result<()> {
        self.views.lease(&generation.id, &self.name, Duration::from_millis(1)).await.map(drop)
    }
}
