//! What the routes work with.

use std::sync::Arc;

use shared::aggregate::Aggregate;
use shared::event_store::EventStore;
use shared::log::LogId;
use shared::{Namespace, Result};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::write::Writer;

pub struct Service<A: Aggregate> {
    pub store: Arc<dyn EventStore>,
    pub writer: Writer<A>,
    pub log: LogId,
    pub namespace: Namespace,
    /// From here on nobody waits for what may come.
    pub stop: CancellationToken,
}

impl<A: Aggregate> Service<A> {
    /// Starts the write side over a log. The handle ends after the last user of the service is
    /// gone and everything submitted is answered.
    pub async fn start(
        store: Arc<dyn EventStore>,
        namespace: &Namespace,
        stop: CancellationToken,
    ) -> Result<(Self, JoinHandle<()>)> {
        let log = store.log_id().await?;
        let (writer, desk) = Writer::start(store.clone());
        Ok((Self { store, writer, log, namespace: namespace.clone(), stop }, desk))
    }
}
