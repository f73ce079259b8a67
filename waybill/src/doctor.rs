//! Checks of the servers and of this machine: `doctor`. The checks are those of the adapters.

use kernel::Namespace;
use kernel::log::LogId;
use serde_json::json;
use shared::diagnosis::{self, Finding, Findings, Verdict};
use shared::endpoint::{Endpoint, Kind, MONGODB, RABBITMQ, REDIS};
use shared::event_store::mongodb::MongoDb;
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::config::{Invalid, Settings};
use shared::view_store::redis::Redis;

use crate::outcome::{Error, Outcome, Result};
use crate::output::{BAD, CARE, FAINT, GOOD, Output, Table, left};

/// The servers to be checked.
struct Servers {
    mongodb: Option<Endpoint>,
    rabbitmq: Option<Endpoint>,
    redis: Option<Endpoint>,
    namespace: Namespace,
}

impl Servers {
    /// From the variables of the services; everything that is wrong at once. No URL is repeated.
    fn read(mut settings: Settings) -> std::result::Result<Self, String> {
        let [mongodb, rabbitmq, redis] =
            [&MONGODB, &RABBITMQ, &REDIS].map(|kind| settings.endpoint_if_set(kind));
        let servers = Self { mongodb, rabbitmq, redis, namespace: settings.namespace() };
        let is_none_named = servers.all().iter().all(|(_, endpoint)| endpoint.is_none());
        let wrong = match settings.finish(servers) {
            Ok(servers) if !is_none_named => return Ok(servers),
            Ok(_) => vec![],
            Err(Invalid(wrong)) => wrong,
        };
        let named = [&MONGODB, &RABBITMQ, &REDIS].map(|kind| format!("{}_URL", kind.prefix));
        let none = is_none_named.then(|| {
            let [first, second, third] = named;
            format!(
                "no server is named: set {first}, {second} and {third}, as for the services; the \
                 embedded mode has no servers"
            )
        });
        let wrong: Vec<String> = wrong.into_iter().chain(none).collect();
        Err(format!("doctor can't run:\n  {}", wrong.join("\n  ")))
    }

    fn all(&self) -> [(&'static Kind, &Option<Endpoint>); 3] {
        [(&MONGODB, &self.mongodb), (&RABBITMQ, &self.rabbitmq), (&REDIS, &self.redis)]
    }

    async fn check(&self) -> Vec<Finding> {
        let Self { mongodb, rabbitmq, redis, namespace } = self;
        let of_mongodb = async {
            match mongodb {
                Some(endpoint) => MongoDb::diagnose(endpoint, namespace).await,
                None => (vec![], None),
            }
        };
        // The queue of the live views is known from Redis.
        let of_others = async {
            let (mut findings, live) = match redis {
                Some(endpoint) => Redis::diagnose(endpoint, namespace).await,
                None => (vec![], None),
            };
            if let Some(endpoint) = rabbitmq {
                let queue = live.as_ref().map(|live| live.id.queue(namespace));
                let broker = RabbitMq::new(endpoint, namespace);
                findings.extend(broker.diagnose(queue.as_deref()).await);
            }
            (findings, live.map(|live| live.log))
        };
        let ((mut all, log), (others, of_views)) = futures::join!(of_mongodb, of_others);
        all.extend(others);
        if let (Some(log), Some(of_views)) = (log, of_views) {
            all.extend(same_log(&log, &of_views));
        }
        all.extend(diagnosis::machine());
        for (kind, endpoint) in self.all() {
            if endpoint.is_none() {
                let mut findings = Findings::about("machine");
                let found = format!("{}_URL is not set: not checked", kind.prefix);
                findings.note("configuration", found);
                all.extend(findings.into_all());
            }
        }
        all
    }
}

/// Whether the live views are of the log that is there.
fn same_log(log: &LogId, of_views: &LogId) -> Vec<Finding> {
    let mut findings = Findings::about("redis");
    match log == of_views {
        true => findings.ok("views-log", "the live views are of the log that MongoDB holds"),
        false => findings.error(
            "views-log",
            format!("the live views are of log {of_views}, MongoDB holds log {log}"),
            "see that WAYBILL_MONGODB_URL, WAYBILL_REDIS_URL and WAYBILL_NAMESPACE are those of one system; \
             if they are, start a projector: it makes views of the log that is there",
        ),
    }
    findings.into_all()
}

/// Checks the servers that the environment names, and prints the findings.
pub async fn run(output: &mut Output) -> Result {
    let servers = Servers::read(Settings::from_environment()).map_err(Error::Usage)?;
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
        Servers::read(Settings::from_map(variables.iter().map(pair)))
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_no_url_is_repeated() {
        let why = read(&[
            ("WAYBILL_REDIS_URL", "http://:secret@redis"),
            ("WAYBILL_RABBITMQ_URL", "http://:secret@rabbit"),
            ("WAYBILL_NAMESPACE", "Not Valid"),
        ]);
        let why = why.err().unwrap();
        for name in ["WAYBILL_REDIS_URL", "WAYBILL_RABBITMQ_URL", "WAYBILL_NAMESPACE"] {
            assert!(why.contains(name), "{why}");
        }
        assert!(!why.contains("secret"), "{why}");
        assert!(read(&[]).err().unwrap().contains("no server is named"));
        assert!(read(&[("WAYBILL_REDIS_URL", "rediss://127.0.0.1/")]).is_ok());
    }
}
