//! What clients may take of a service, and for how long.

use std::time::Duration;

use super::Unsent;
use crate::service::open_files;

/// What one HTTP listener allows its clients.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections beyond these, which are answered probes and metrics alone; further ones are closed at once.
    pub spare: usize,
    /// For the whole header of a request; and with TLS for the handshake before.
    pub header: Duration,
    /// The same on a spare connection, and for its answer.
    pub spare_header: Duration,
    /// For the whole body of a request, once its header is there.
    pub body: Duration,
    /// For a client to take an answer, from when it first keeps the service waiting.
    pub answer: Duration,
    /// For large answers that clients have not taken yet.
    pub unsent: Unsent,
    /// For requests under way when the service stops.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            spare: 256,
            header: Duration::from_secs(10),
            spare_header: Duration::from_secs(2),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            unsent: Unsent::of_process(),
            shutdown: Duration::from_secs(10),
        }
    }
}

/// Open files that are left for the log, for servers, and for connections that are being closed.
const OTHERS: usize = 512;
/// Connections below which a service can't serve many clients.
const FEW: usize = 1_000;

impl Limits {
    /// The default, cut to the files that the process may have open, which `listeners` share.
    pub fn of_process(listeners: usize) -> Self {
        let limits = Self::default();
        let Some(files) = open_files::limit() else { return limits };
        let (wanted, limits) = (limits.connections, limits.within(files, listeners));
        let connections = limits.connections;
        if connections < FEW {
            tracing::warn!(files, connections, "few open files are allowed: raise `ulimit -Hn`");
        } else if connections < wanted {
            tracing::info!(files, connections, "open files allow fewer connections than usual");
        }
        limits
    }

    fn within(self, files: usize, listeners: usize) -> Self {
        let others = OTHERS.min(files / 2);
        let each = (files - others) / listeners.max(1);
        let spare = self.spare.min(each / 4);
        let connections = self.connections.min(each - spare).max(1);
        Self { connections, spare, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_cut_to_the_files_that_may_be_open() {
        let within = |files, listeners| {
            let limits = Limits::default().within(files, listeners);
            (limits.connections, limits.spare)
        };
        assert_eq!(within(1 << 20, 1), (10_000, 256));
        assert_eq!(within(1_000_000_000, 3), (10_000, 256));
        assert_eq!(within(4_096, 1), (3_328, 256));
        assert_eq!(within(1_024, 1), (384, 128));
        for (files, listeners) in [(1_024, 3), (256, 3), (64, 1), (1, 3), (0, 1)] {
            let (connections, spare) = within(files, listeners);
            assert!(connections >= 1 && (connections + spare) * listeners <= files.max(listeners));
        }
    }
}
