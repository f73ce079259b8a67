//! Checks of the server, for operators. Nothing is written.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::{Failure, Namespace, Result, Timestamp};

use super::{Redis, failure};
use crate::diagnosis::{Finding, Findings};
use crate::endpoint::Endpoint;
use crate::service::clock::{Clock, Reading};
use crate::view_store::{Generation, ViewStore as _};

/// For all checks together.
const TIMEOUT: Duration = Duration::from_secs(15);
const WHAT: &str = "checking Redis";

const REACHABLE: &str =
    "see that redis-server runs, and that WAYBILL_REDIS_URL names its host, port and password";

type Settings = BTreeMap<String, String>;

impl Redis {
    /// What is well and what is not about the server at `url`, and the live generation of views of this
    /// namespace. Takes 15 s at most.
    pub async fn diagnose(
        endpoint: impl Into<Endpoint>,
        namespace: &Namespace,
    ) -> (Vec<Finding>, Option<Generation>) {
        let endpoint = endpoint.into();
        let mut findings = Findings::about("redis");
        let checks = async {
            let redis = Self::connect_to_any(&endpoint, namespace).await?;
            redis.check_all(&mut findings).await
        };
        let late = |_| Failure::transient(WHAT, format!("not done in {} s", TIMEOUT.as_secs()));
        let live =
            match tokio::time::timeout(TIMEOUT, checks).await.unwrap_or_else(|e| Err(late(e))) {
                Ok(live) => live,
                Err(failure) => {
                    findings.error("reachable", failure, REACHABLE);
                    None
                }
            };
        (findings.into_all(), live)
    }

    async fn check_all(&self, findings: &mut Findings) -> Result<Option<Generation>> {
        let connection = &mut self.connection.clone();
        let clock = self.clock().await?;
        findings.ok("reachable", "it answers");
        let info: String =
            ::redis::cmd("INFO").query_async(connection).await.map_err(failure(WHAT))?;
        let info: Settings = info
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        findings.version(info.get("redis_version").map_or("", String::as_str), (7, 0));
        role(&info, findings);
        let mut ask = ::redis::cmd("CONFIG");
        ask.arg("GET")
            .arg("maxmemory-policy")
            .arg("appendonly")
            .arg("appendfsync")
            .arg("maxmemory");
        match ask.query_async::<Settings>(connection).await {
            Ok(settings) => {
                eviction(&settings, findings);
                append_only_file(&settings, &info, findings);
                memory(&settings, &info, findings);
            }
            Err(error) if error.is_io_error() => return Err(failure(WHAT)(error)),
            Err(error) => {
                for check in ["eviction", "append-only-file", "memory"] {
                    findings.untold(check, format!("CONFIG GET is refused: {error}"));
                }
            }
        }
        findings.clock(clock);
        let live = self.live().await?;
        match &live {
            Some(live) => {
                findings.ok("views", format!("generation {} of log {} is live", live.id, live.log))
            }
            None => findings.note("views", "no views are live: a projector makes them"),
        }
        Ok(live)
    }
}

impl Clock for Redis {
    async fn clock(&self) -> Result<Reading> {
        let asked = Timestamp::now();
        let time = ::redis::cmd("TIME");
        let (seconds, micros): (i64, i64) = time
            .query_async(&mut self.connection.clone())
            .await
            .map_err(failure("asking Redis for the time"))?;
        let server = Timestamp::from_millis(seconds * 1_000 + micros / 1_000);
        Ok(Reading { asked, server, answered: Timestamp::now() })
    }
}

fn text<'a>(settings: &'a Settings, name: &str) -> &'a str {
    settings.get(name).map_or("", String::as_str)
}

fn role(info: &Settings, findings: &mut Findings) {
    match text(info, "role") {
        "master" => findings.ok("role", "master"),
        role => findings.error(
            "role",
            format!("its role is {role:?}: it takes no writes"),
            "name the master in WAYBILL_REDIS_URL",
        ),
    }
    if text(info, "cluster_enabled") == "1" {
        findings.error(
            "cluster",
            "it is a node of a Redis Cluster, which Waybill does not support",
            "use a single server, with replicas where a copy is wanted",
        );
    }
}

fn eviction(settings: &Settings, findings: &mut Findings) {
    match text(settings, "maxmemory-policy") {
        "noeviction" => findings.ok("eviction", "maxmemory-policy is noeviction"),
        policy => findings.error(
            "eviction",
            format!("maxmemory-policy is {policy}, so it may drop parts of the views"),
            "run `CONFIG SET maxmemory-policy noeviction`, and set it in redis.conf too",
        ),
    }
}

fn append_only_file(settings: &Settings, info: &Settings, findings: &mut Findings) {
    let check = "append-only-file";
    if text(settings, "appendonly") != "yes" {
        let found =
            "appendonly is no: after a crash of Redis all views are made again from the log";
        return findings.warning(
            check,
            found,
            "run `CONFIG SET appendonly yes`, and set it in redis.conf too",
        );
    }
    if text(info, "aof_last_write_status") == "err" {
        let found = "the last write to the append-only file failed";
        return findings.error(check, found, "look for room and errors on the disk of Redis");
    }
    match text(settings, "appendfsync") {
        "no" => findings.warning(
            check,
            "appendfsync is no: a crash of the machine may lose much of the views",
            "run `CONFIG SET appendfsync everysec`, and set it in redis.conf too",
        ),
        fsync => findings.ok(check, format!("on, appendfsync {fsync}")),
    }
}

fn memory(settings: &Settings, info: &Settings, findings: &mut Findings) {
    let number = |settings: &Settings, name| text(settings, name).parse::<u64>().ok();
    let used = number(info, "used_memory");
    let limit = number(settings, "maxmemory").filter(|limit| *limit > 0);
    let fix = "give Redis more memory: a rebuild needs room for a second set of views, and writes fail \
               when it is full";
    match (used, limit.or_else(|| number(info, "total_system_memory"))) {
        (Some(used), Some(of)) => findings.room("memory", used, of, fix),
        _ => findings.untold("memory", "the server does not tell it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Verdict;

    fn told<const N: usize>(pairs: [(&str, &str); N]) -> Settings {
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn verdicts(add: impl FnOnce(&mut Findings)) -> Vec<(&'static str, Verdict)> {
        let mut findings = Findings::about("redis");
        add(&mut findings);
        findings.into_all().into_iter().map(|one| (one.check, one.verdict)).collect()
    }

    #[test]
    fn an_append_only_file_that_is_off_failed_or_not_flushed_is_found() {
        for (appendonly, last_write, fsync, expected) in [
            ("yes", "ok", "everysec", Verdict::Ok),
            ("yes", "ok", "always", Verdict::Ok),
            ("yes", "ok", "no", Verdict::Warning),
            ("yes", "err", "everysec", Verdict::Error),
            ("yes", "err", "no", Verdict::Error),
            ("no", "ok", "everysec", Verdict::Warning),
        ] {
            let settings = told([("appendonly", appendonly), ("appendfsync", fsync)]);
            let info = told([("aof_last_write_status", last_write)]);
            let found = verdicts(|it| append_only_file(&settings, &info, it));
            assert_eq!(found, [("append-only-file", expected)], "{settings:?} {info:?}");
        }
    }

    #[test]
    fn a_node_of_a_cluster_is_found_and_a_memory_of_unknown_size_is_told() {
        let node = told([("role", "master"), ("cluster_enabled", "1")]);
        let expected = [("role", Verdict::Ok), ("cluster", Verdict::Error)];
        assert_eq!(verdicts(|it| role(&node, it)), expected);
        let single = told([("role", "master"), ("cluster_enabled", "0")]);
        assert_eq!(verdicts(|it| role(&single, it)), [("role", Verdict::Ok)]);
        let (settings, info) = (told([("maxmemory", "0")]), told([("used_memory", "90")]));
        assert_eq!(verdicts(|it| memory(&settings, &info, it)), [("memory", Verdict::Note)]);
        let info = told([("used_memory", "90"), ("total_system_memory", "100")]);
        assert_eq!(verdicts(|it| memory(&settings, &info, it)), [("memory", Verdict::Warning)]);
    }
}
