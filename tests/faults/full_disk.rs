//! The embedded log on a disk that is full.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use tests::client::{Answer, OrderClient};
use tests::orders;
use tests::services::program;
use tests::stores::TempDir;
use tests::torture::oracle;
use tests::until;
use tests::watched::watch;
use waybill::client::Client;
use xtask::servers::{Port, Process};

/// A small disk of its own, two files that take up room on it, and the system on what is left. The
/// first file goes while it runs; then it is killed, and starts again without the second.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=4m none "$DISK" && mkfifo "$FLAGS/one" "$FLAGS/two" || exit 1
for file in one two; do dd if=/dev/zero of="$DISK/$file" bs=1k count=1200 2>/dev/null; done
WAYBILL_DATA_DIR="$DISK/data" "$PROGRAM" up &
for file in one two; do
  read -r _ < "$FLAGS/$file"
  [ "$file" = two ] && { kill -9 $!; wait $!; }
  rm "$DISK/$file"
done
WAYBILL_DATA_DIR="$DISK/data" exec "$PROGRAM" up
"#;

struct OnSmallDisk {
    _process: Arc<Process>,
    flags: TempDir,
    commands: Client,
    queries: Client,
    created: usize,
    _ports: [Port; 3],
}

impl OnSmallDisk {
    async fn start(disk: &TempDir) -> Self {
        let flags = TempDir::default();
        let ports = [(); 3].map(|()| Port::reserve().unwrap());
        let [command, query, projector] =
            ports.each_ref().map(|port| format!("127.0.0.1:{}", port.number()));
        let mut shell = Command::new("unshare");
        shell.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT]);
        shell.env("DISK", &disk.0).env("FLAGS", &flags.0).env("PROGRAM", program("waybill"));
        shell.env("WAYBILL_COMMAND_LISTEN", &command).env("WAYBILL_QUERY_LISTEN", &query);
        shell.env("WAYBILL_PROJECTOR_LISTEN", &projector);
        let process = Arc::new(Process::start("waybill", &flags.0, &mut shell).unwrap());
        let client = |address| Client::new(&format!("http://{address}"));
        let (commands, queries) = (client(command), client(query));
        watch(&process, &commands);
        let this = Self { _process: process, flags, commands, queries, created: 0, _ports: ports };
        this.until_up().await;
        this
    }

    async fn until_up(&self) {
        until("there are views", || async { self.queries.get("/stats").await.ok() }).await;
    }

    async fn create(&self, number: usize) -> kernel::Result<Answer> {
        let name = format!("order {number}");
        let client = OrderClient::new(&self.commands).with_key(&name);
        let mut order = orders::order(5);
        order["items"][0]["name"] = json!("x".repeat(200));
        client.with("x-correlation-id", &name).try_create_order(&order).await
    }

    /// Orders until there is no room for one more.
    async fn fill(&mut self) {
        for number in self.created + 1..10_000 {
            let answer = self.create(number).await.unwrap();
            if !answer.is_success() {
                assert_eq!((answer.status, &answer.json()["status"]), (503, &json!(503)));
                return;
            }
            self.created = number;
        }
        panic!("the disk is larger than it should be");
    }

    /// Makes room, and asks again with the same key until there is a true answer.
    async fn make_room(&mut self, file: &str) {
        std::fs::write(self.flags.0.join(Path::new(file)), "\n").unwrap();
        until("there is room", || async {
            self.create(self.created + 1).await.ok().filter(Answer::is_success)
        })
        .await;
        self.created += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_commands_and_loses_none_that_it_took() {
    let disk = TempDir::default();
    let mut system = OnSmallDisk::start(&disk).await;
    system.fill().await;
    let first = system.created;
    system.make_room("one").await;
    system.fill().await;
    assert!(system.created > first, "there was room for more");
    system.make_room("two").await;
    let log = oracle::read(&system.commands).await;
    let written: Vec<String> = log.into_iter().map(|event| event.correlation).collect();
    let told: Vec<String> = (1..=system.created).map(|number| format!("order {number}")).collect();
    assert_eq!(written, told, "each that was acknowledged, once, in order");
    system.until_up().await;
    let wait = std::time::Duration::from_secs(30);
    let report = waybill::verify::check(&system.commands, &system.queries, wait).await.unwrap();
    assert!(report.quiet && report.differences.is_empty(), "{report:#?}");
}
