//! Checks of the server, for operators. Nothing is written.

use std::time::Duration;

use futures::TryStreamExt as _;
use kernel::log::LogId;
use kernel::{Failure, Namespace, Result, Timestamp};
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Collection, Database};

use super::ask::in_time;
use super::connect::{KEYS, client};
use super::{MongoDb, failure};
use crate::diagnosis::{Finding, Findings};
use crate::endpoint::{Endpoint, MONGODB};
use crate::service::clock::{Clock, Reading};

/// For all checks together.
const TIMEOUT: Duration = Duration::from_secs(20);
const WHAT: &str = "checking MongoDB";

const REACHABLE: &str =
    "see that mongod runs, and that WAYBILL_MONGODB_URL names its host, port, replica set and user";
const REPLICA_SET: &str =
    "start mongod with --replSet rs0 and run rs.initiate() in it once (one node will do)";
const INDEXES: &str = "start a command-api or projector, which makes missing indexes; drop one that is not unique first";

impl MongoDb {
    /// What is well and what is not about the server at `url` and the log of this namespace, and which log
    /// that is. Takes 20 s at most.
    pub async fn diagnose(
        endpoint: impl Into<Endpoint>,
        namespace: &Namespace,
    ) -> (Vec<Finding>, Option<LogId>) {
        let (endpoint, name) = (endpoint.into(), namespace.as_str().to_owned());
        let named = endpoint.clone();
        let checks = async move {
            let client = client(&named, None).await?;
            let (log, admin) = (client.database(&name), client.database("admin"));
            let mut findings = Findings::about("mongodb");
            let asked = Timestamp::now();
            let hello = ask(&log, doc! { "hello": 1 }).await?;
            let answered = Timestamp::now();
            findings.ok("reachable", "it answers");
            server(&admin, &hello, &mut findings).await;
            if let Some(server) = local_time(&hello) {
                findings.clock(Reading { asked, server, answered });
            }
            let id = contents(&log, &mut findings).await;
            Ok((findings, id))
        };
        let (findings, id) = in_time(WHAT, TIMEOUT, checks).await.unwrap_or_else(|failure| {
            let mut findings = Findings::about("mongodb");
            findings.error("reachable", endpoint.explained(&MONGODB, failure), REACHABLE);
            (findings, None)
        });
        (findings.into_all(), id)
    }
}

/// The clock of the primary. Asking takes 6 s at most.
impl Clock for MongoDb {
    async fn clock(&self) -> Result<Reading> {
        let what = "asking MongoDB for the time";
        self.ask(what, move |this| async move {
            let asked = Timestamp::now();
            let hello = this.database.run_command(doc! { "hello": 1 }).await;
            let answered = Timestamp::now();
            let untold = || Failure::permanent(what, "the server does not tell it");
            let server = local_time(&hello.map_err(failure(what))?).ok_or_else(untold)?;
            Ok(Reading { asked, server, answered })
        })
        .await
    }
}

fn local_time(hello: &Document) -> Option<Timestamp> {
    let time = hello.get_datetime("localTime").ok()?;
    Some(Timestamp::from_millis(time.timestamp_millis()))
}

async fn ask(database: &Database, command: Document) -> Result<Document> {
    database.run_command(command).await.map_err(failure(WHAT))
}

fn number(document: &Document, field: &str) -> Option<i64> {
    match document.get(field)? {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    }
}

async fn server(admin: &Database, hello: &Document, findings: &mut Findings) {
    match ask(admin, doc! { "buildInfo": 1 }).await {
        Ok(told) => findings.version(told.get_str("version").unwrap_or_default(), (6, 0)),
        Err(failure) => findings.untold("version", failure),
    }
    match ask(admin, doc! { "serverStatus": 1 }).await {
        Ok(told) => journal(&told, findings),
        Err(failure) => findings.untold("journal", failure),
    }
    if hello.get("msg").and_then(Bson::as_str) == Some("isdbgrid") {
        return findings.note("replica-set", "it is a mongos; the shards are not looked at");
    }
    let Ok(name) = hello.get_str("setName") else {
        let found =
            "it is no replica set, so it can neither confirm nor read what a majority holds";
        return findings.error("replica-set", found, REPLICA_SET);
    };
    match hello.get_bool("isWritablePrimary") {
        Ok(true) => findings.ok("replica-set", format!("{name}, with a primary that takes writes")),
        _ => findings.error(
            "replica-set",
            format!("{name} was asked at a member that takes no writes"),
            "name all members and ?replicaSet= in WAYBILL_MONGODB_URL; see rs.status() for an election that fails",
        ),
    }
    match ask(admin, doc! { "replSetGetStatus": 1 }).await {
        Ok(status) => majority(&status, findings),
        Err(failure) => findings.untold("majority", failure),
    }
    match ask(admin, doc! { "replSetGetConfig": 1 }).await {
        Ok(told) => majority_journal(&told, findings),
        Err(failure) => findings.untold("majority-journal", failure),
    }
}

/// Commits ask for the journal by themselves. What is read as held by a majority is not in the journals of
/// one where this is off, and may be taken back.
fn majority_journal(told: &Document, findings: &mut Findings) {
    let check = "majority-journal";
    let config = told.get_document("config").ok();
    match config.map(|config| config.get_bool("writeConcernMajorityJournalDefault")) {
        None => findings.untold(check, "the server does not tell the configuration of the set"),
        // It is on where it is not named.
        Some(Ok(true) | Err(_)) => findings.ok(check, "a majority holds what its journals hold"),
        Some(Ok(false)) => findings.warning(
            check,
            "writeConcernMajorityJournalDefault is false: what a majority held may be gone after its \
             members crashed, although it was read",
            "run in mongosh: `config = rs.conf(); config.writeConcernMajorityJournalDefault = true; \
             rs.reconfig(config)`",
        ),
    }
}

/// A commit is confirmed once a majority has it in its journal.
fn journal(status: &Document, findings: &mut Findings) {
    let engine = status.get_document("storageEngine").ok();
    let name = engine.and_then(|engine| engine.get_str("name").ok()).unwrap_or("unknown");
    match engine.and_then(|engine| engine.get_bool("persistent").ok()) {
        Some(true) => findings.ok("journal", format!("storage engine {name}, on disk")),
        Some(false) => findings.error(
            "journal",
            format!("the storage engine {name} keeps nothing on disk"),
            "run mongod with --storageEngine wiredTiger",
        ),
        None => findings.untold("journal", "the server does not name its storage engine"),
    }
}

fn majority(status: &Document, findings: &mut Findings) {
    let needed = number(status, "writeMajorityCount").unwrap_or(1);
    let members: Vec<&Document> =
        status.get_array("members").into_iter().flatten().filter_map(Bson::as_document).collect();
    let holds = |member: &&&Document| {
        let state = member.get_str("stateStr").unwrap_or_default();
        state == "PRIMARY" || state == "SECONDARY"
    };
    let up = i64::try_from(members.iter().filter(holds).count()).unwrap_or(i64::MAX);
    let found =
        format!("{up} of {} members hold data and are up; a write needs {needed}", members.len());
    if up < needed {
        let fix = "start the members that are down (rs.status() names them): until then every command waits";
        findings.error("majority", found, fix);
    } else if up == needed && members.len() > 1 {
        findings.warning(
            "majority",
            format!("{found}: none may fail"),
            "start the members that are down",
        );
    } else {
        findings.ok("majority", found);
    }
    if members.len() == 1 {
        findings.note("copies", "one member: a lost disk loses the log; three members keep it");
    }
}

/// The log of the namespace, and the disk that holds it; returns the id of the log.
async fn contents(log: &Database, findings: &mut Findings) -> Option<LogId> {
    match ask(log, doc! { "dbStats": 1 }).await {
        Ok(stats) => {
            let bytes = |field| number(&stats, field).and_then(|bytes| u64::try_from(bytes).ok());
            match (bytes("fsUsedSize"), bytes("fsTotalSize")) {
                (Some(used), Some(of)) if of > 0 => {
                    findings.room(
                        "disk",
                        used,
                        of,
                        "make room on the disk of mongod: it stops when it is full",
                    );
                }
                _ => findings.untold("disk", "the server does not tell its disk"),
            }
        }
        Err(failure) => findings.untold("disk", failure),
    }
    let commits = log.collection::<Document>("commits");
    match commits.find_one(doc! { "_id": 0_i64 }).await.map_err(failure(WHAT)) {
        Ok(Some(identity)) => {
            let id = identity.get_str("log").ok();
            let format = number(&identity, "format").unwrap_or(1);
            findings.ok("log", format!("{}, format {format}", id.unwrap_or("without an id")));
            indexes(&commits, findings).await;
            return id.map(LogId::stored);
        }
        Ok(None) => findings
            .note("log", format!("{} holds none yet: the first service makes it", log.name())),
        Err(failure) => findings.untold("log", failure),
    }
    None
}

async fn indexes(commits: &Collection<Document>, findings: &mut Findings) {
    let listed = async { commits.list_indexes().await?.try_collect::<Vec<_>>().await };
    let listed = match listed.await.map_err(failure(WHAT)) {
        Ok(listed) => listed,
        Err(failure) => return findings.untold("indexes", failure),
    };
    let is_there = |keys: Document| {
        listed.iter().any(|index| {
            let unique = index.options.as_ref().and_then(|options| options.unique);
            same_keys(&index.keys, &keys) && unique == Some(true)
        })
    };
    let wanted = [("stream", doc! { "stream": 1, "from": 1 }), (KEYS, doc! { "key": 1 })];
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|(_, keys)| !is_there(keys.clone()))
        .map(|(name, _)| name)
        .collect();
    match missing.is_empty() {
        true => findings.ok("indexes", "both unique indexes are there"),
        false => findings.error(
            "indexes",
            format!("no unique index on commits for: {}", missing.join(", ")),
            INDEXES,
        ),
    }
}

/// Whether an index is on these fields, in this order. A shell writes its numbers as doubles.
fn same_keys(index: &Document, wanted: &Document) -> bool {
    let fields = |keys: &Document| -> Vec<(String, Option<i64>)> {
        keys.keys().map(|field| (field.clone(), number(keys, field))).collect()
    };
    fields(index) == fields(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Verdict;

    fn verdicts(add: impl FnOnce(&mut Findings)) -> Vec<(&'static str, Verdict)> {
        let mut findings = Findings::about("mongodb");
        add(&mut findings);
        findings.into_all().into_iter().map(|one| (one.check, one.verdict)).collect()
    }

    #[test]
    fn a_storage_engine_that_keeps_nothing_is_found() {
        for (engine, expected) in [
            (doc! { "name": "wiredTiger", "persistent": true }, Verdict::Ok),
            (doc! { "name": "inMemory", "persistent": false }, Verdict::Error),
            (doc! {}, Verdict::Note),
        ] {
            let status = doc! { "storageEngine": engine };
            assert_eq!(verdicts(|it| journal(&status, it)), [("journal", expected)]);
        }
    }

    #[test]
    fn a_set_of_which_no_further_member_may_fail_is_found() {
        let status = |up: usize| {
            let state = |n| if n < up { "SECONDARY" } else { "(not reachable/healthy)" };
            let members: Vec<Document> = (0..3).map(|n| doc! { "stateStr": state(n) }).collect();
            doc! { "writeMajorityCount": 2, "members": members }
        };
        for (up, expected) in [(3, Verdict::Ok), (2, Verdict::Warning), (1, Verdict::Error)] {
            assert_eq!(verdicts(|it| majority(&status(up), it)), [("majority", expected)]);
        }
    }
}
