//! The services that run for a test, so that a test that waits notices when one of them ends, and
//! can tell what all of them wait for.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::Method;
use tokio::runtime::{Handle, Id};
use waybill::client::Client;
use xtask::servers::Process;

/// For `/readyz` of a service that may be frozen.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

struct Watched {
    /// Tests that share a process have a runtime each.
    test: Option<Id>,
    process: Weak<Process>,
    client: Client,
}

static ALL: Mutex<Vec<Watched>> = Mutex::new(vec![]);

fn this_test() -> Option<Id> {
    Handle::try_current().ok().map(|runtime| runtime.id())
}

/// Adds a service to those of this test, until it is dropped.
pub fn watch(process: &Arc<Process>, client: &Client) {
    let one =
        Watched { test: this_test(), process: Arc::downgrade(process), client: client.clone() };
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|one| one.process.strong_count() > 0);
    all.push(one);
}

fn of_this_test() -> Vec<(Arc<Process>, Client)> {
    let test = this_test();
    let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let own = all.iter().filter(|one| one.test == test);
    own.filter_map(|one| Some((one.process.upgrade()?, one.client.clone()))).collect()
}

/// What happened to a service of this test that ended by itself.
pub fn ended() -> Option<String> {
    of_this_test().iter().find_map(|(process, _)| process.ended())
}

/// What each service of this test waits for, and what it wrote.
pub async fn situation() -> String {
    let mut told = String::new();
    for (process, client) in of_this_test() {
        let asked = client.send(Method::GET, "/readyz", &[], "");
        let ready = match tokio::time::timeout(READY_TIMEOUT, asked).await {
            Ok(Ok(answer)) => String::from_utf8_lossy(&answer.body).into_owned(),
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        let (name, output) = (process.name(), process.told());
        told.push_str(&format!("--- {name}, /readyz: {ready}\n{output}\n"));
    }
    told
}
