//! Faults of the services' own processes.

use futures::FutureExt as _;
use rand::RngExt as _;
use xtask::programs::faketime;
use xtask::servers::Process;

use super::{Cluster, Do, Faults};
use crate::services::Service;

pub const FAULTS: &[(&str, Do)] = &[
    ("kill -9 command-api", |faults, cluster| faults.kill(&mut cluster.commands).boxed()),
    ("kill -9 projector", |faults, cluster| faults.kill(&mut cluster.projectors).boxed()),
    ("kill -9 query-api", |faults, cluster| {
        faults.kill(std::slice::from_mut(&mut cluster.queries)).boxed()
    }),
    ("SIGSTOP command-api", |faults, cluster| faults.freeze(&cluster.commands[0].process).boxed()),
    ("SIGSTOP projector", |faults, cluster| faults.freeze(&cluster.projectors[0].process).boxed()),
    ("clock ±1 h, command-api", |faults, cluster| faults.clock(&mut cluster.commands).boxed()),
    ("clock ±1 h, projector", |faults, cluster| faults.clock(&mut cluster.projectors).boxed()),
    ("projectors 2→1→4→1→2", |faults, cluster| faults.scale(cluster).boxed()),
    ("command-apis 2→4→1→2", |faults, cluster| faults.join_and_leave(cluster).boxed()),
];

impl Faults {
    fn any<'a>(&mut self, services: &'a mut [Service]) -> &'a mut Service {
        let index = self.random.random_range(0..services.len());
        &mut services[index]
    }

    async fn kill(&mut self, services: &mut [Service]) {
        let service = self.any(services);
        service.process.kill();
        service.restart();
    }

    pub(super) async fn freeze(&mut self, process: &Process) {
        process.signal("STOP");
        self.pause(500..3_500).await;
        process.signal("CONT");
    }

    /// One process lives an hour away from the others for a while.
    async fn clock(&mut self, services: &mut [Service]) {
        let hour = if self.random.random_bool(0.5) { "+3600s" } else { "-3600s" };
        let library = faketime().expect("`cargo xtask torture` installs it");
        let preload = library.to_str().expect("a path");
        let away = [("LD_PRELOAD", preload), ("FAKETIME", hour), ("DONT_FAKE_MONOTONIC", "1")];
        let service = self.any(services);
        service.process.kill();
        service.restart_with(&away);
        self.pause(2_000..5_000).await;
        services.iter_mut().for_each(|service| {
            service.process.kill();
            service.restart();
        });
    }

    /// Clients are told of those that come, and of those that go only when they are gone.
    async fn join_and_leave(&mut self, cluster: &mut Cluster) {
        for _ in 0..2 {
            cluster.add_command_api();
            cluster.tell_clients();
            self.pause(500..2_000).await;
        }
        while cluster.commands.len() > 1 {
            let index = self.random.random_range(0..cluster.commands.len());
            let leaving = cluster.commands.swap_remove(index);
            match self.random.random_bool(0.5) {
                true => leaving.process.stop(),
                false => leaving.process.kill(),
            }
            cluster.tell_clients();
            self.pause(500..2_000).await;
        }
        cluster.add_command_api();
        cluster.tell_clients();
    }

    async fn scale(&mut self, cluster: &mut Cluster) {
        while cluster.projectors.len() > 1
            && let Some(last) = cluster.projectors.pop()
        {
            last.process.stop();
        }
        self.pause(500..2_000).await;
        while cluster.projectors.len() < 4 {
            cluster.add_projector();
        }
        self.pause(2_000..4_000).await;
        while cluster.projectors.len() > 1
            && let Some(last) = cluster.projectors.pop()
        {
            last.process.kill();
        }
        self.pause(500..2_000).await;
        cluster.add_projector();
    }
}
