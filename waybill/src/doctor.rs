//! Checks of the servers and of this machine: `doctor`. The checks are those of the adapters.

use std::collections::BTreeMap;

use kernel::Namespace;
use serde_json::json;
use shared::diagnosis::{Finding, Findings, Verdict};
use shared::event_store::mongodb::MongoDb;
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::open_files;
use shared::view_store::redis::Redis;

use crate::outcome::{Error, Outcome, Result};
use crate::output::{BAD, CARE, FAINT, GOOD, Output, Table, left};

const MONGODB: &str = "WAYBILL_MONGODB_URL";
const RABBITMQ: &str = "WAYBILL_RABBITMQ_URL";
const REDIS: &str = "WAYBILL_REDIS_URL";

/// Files and connections that a service should be able to have open: 10,000 connections of clients,
/// and its own.
const OPEN_FILES: u64 = 10_400;

/// The servers to be checked.
#[derive(Default)]
struct Servers {
    mongodb: Option<String>,
    rabbitmq: Option<String>,
    redis: Option<String>,
    namespace: Namespace,
}

impl Servers {
    /// From the variables of the services; everything that is wrong at once. No URL is repeated.
    fn read(variables: &BTreeMap<String, String>) -> std::result::Result<Self, String> {
        let mut wrong = vec![];
        let mut url = |name: &str, scheme: &str| {
            let url = variables.get(name)?;
            if !url.starts_with(scheme) {
                wrong.push(format!("{name}: expected a URL that starts with {scheme}"));
            }
            Some(url.clone())
        };
        let [mongodb, rabbitmq, redis] =
            [(MONGODB, "mongodb://"), (RABBITMQ, "amqp://"), (REDIS, "redis://")]
                .map(|(name, scheme)| url(name, scheme));
        let namespace = variables.get("WAYBILL_NAMESPACE").map(|text| Namespace::parse(text));
        let namespace = namespace.transpose().unwrap_or_else(|why| {
            wrong.push(format!("WAYBILL_NAMESPACE: {why}"));
            None
        });
        if mongodb.is_none() && rabbitmq.is_none() && redis.is_none() {
            wrong.push(format!(
                "no server is named: set {MONGODB}, {RABBITMQ} and {REDIS}, as for the services; the \
                 embedded mode has no servers"
            ));
        }
        match wrong.is_empty() {
            true => Ok(Self { mongodb, rabbitmq, redis, namespace: namespace.unwrap_or_default() }),
            false => Err(format!("doctor can't run:\n  {}", wrong.join("\n  "))),
        }
    }

    async fn check(&self) -> Vec<Finding> {
        let Self { mongodb, rabbitmq, redis, namespace } = self;
        let of_mongodb = async {
            match mongodb {
                Some(url) => MongoDb::diagnose(url, namespace).await,
                None => vec![],
            }
        };
        // The queue of the live views is known from Redis.
        let of_others = async {
            let (mut findings, live) = match redis {
                Some(url) => Redis::diagnose(url, namespace).await,
                None => (vec![], None),
            };
            if let Some(url) = rabbitmq {
                let queue = live.map(|live| live.id.queue(namespace));
                findings.extend(RabbitMq::new(url, namespace).diagnose(queue.as_deref()).await);
            }
            findings
        };
        let (mut all, others) = futures::join!(of_mongodb, of_others);
        all.extend(others);
        all.extend(machine());
        for (name, url) in [(MONGODB, mongodb), (RABBITMQ, rabbitmq), (REDIS, redis)] {
            if url.is_none() {
                let mut findings = Findings::about("machine");
                findings.note("configuration", format!("{name} is not set: not checked"));
                all.extend(findings.into_all());
            }
        }
        all
    }
}

fn machine() -> Vec<Finding> {
    open_files::raise(); // As a service does at its start.
    let mut findings = Findings::about("machine");
    match open_files::limit() {
        Some(limit) if (limit as u64) < OPEN_FILES => findings.warning(
            "open-files",
            format!("a process started like this one may have {limit} files and connections open"),
            "raise the hard limit (`ulimit -Hn`, LimitNOFILE= of systemd) to 65536: a service takes fewer \
             clients otherwise",
        ),
        Some(limit) => findings.ok("open-files", format!("up to {limit}")),
        None => findings.ok("open-files", "without a limit"),
    }
    findings.into_all()
}

/// Checks the servers that the environment names, and prints the findings.
pub async fn run(output: &mut Output) -> Result {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let servers = Servers::read(&variables.collect()).map_err(Error::Usage)?;
    let findings = servers.check().await;
    let is_well = findings.iter().all(|finding| finding.verdict < Verdict::Warning);
    match output.is_json() {
        true => output.document(&json!({ "well": is_well, "findings": findings }))?,
        false => print(&findings, output)?,
    }
    Ok(Outcome::well_if(is_well))
}

fn print(findings: &[Finding], output: &mut Output) -> std::io::Result<()> {
    let mut table = Table::new(&[left("VERDICT"), left("OF"), left("CHECK"), left("FOUND")]);
    for finding in findings {
        let style = match finding.verdict {
            Verdict::Ok => GOOD,
            Verdict::Note => FAINT,
            Verdict::Warning => CARE,
            Verdict::Error => BAD,
        };
        let none = anstyle::Style::new();
        table.styled([
            (&finding.verdict.as_str(), style),
            (&finding.subject, none),
            (&finding.check, none),
            (&finding.found, none),
        ]);
    }
    output.table(&table)?;
    output.line("")?;
    let mut count = 0;
    for finding in findings {
        if let Some(fix) = &finding.fix {
            count += 1;
            output.line(format_args!("{} {}: {fix}", finding.subject, finding.check))?;
        }
    }
    match count {
        0 => output.line(format_args!("{GOOD}All is well.{GOOD:#}")),
        count => output.line(format_args!("{count} to be mended.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> std::result::Result<Servers, String> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Servers::read(&variables.iter().map(pair).collect())
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_no_url_is_repeated() {
        let why = read(&[
            (REDIS, "rediss://:secret@redis"),
            (RABBITMQ, "http://:secret@rabbit"),
            ("WAYBILL_NAMESPACE", "Not Valid"),
        ]);
        let why = why.err().unwrap();
        for name in [REDIS, RABBITMQ, "WAYBILL_NAMESPACE"] {
            assert!(why.contains(name), "{why}");
        }
        assert!(!why.contains("secret"), "{why}");
        assert!(read(&[]).err().unwrap().contains("no server is named"));
        assert!(read(&[(REDIS, "redis://127.0.0.1/")]).is_ok());
    }
}
