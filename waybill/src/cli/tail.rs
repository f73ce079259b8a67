//! `waybill tail`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use orders::Status;
use serde_json::{Value, json};
use shared::service::shutdown;
use uuid::Uuid;

use super::facts;
use super::services::QueryApi;
use crate::client::{BearerToken, encode};
use crate::live::sse::Event;
use crate::live::{Live, News};
use crate::outcome::{self, Outcome};
use crate::output::{BOLD, CARE, FAINT, Format, GOOD, Output, say, text};

pub const HELP: &str = "\
Examples:
  # Every order that changes, until Ctrl-C
  waybill tail

  # Those of one customer, or that get paid; the filters go together
  waybill tail --customer C-00042
  waybill tail --status paid

  # For programs: one event on each line
  waybill tail --json | jq -r 'select(.event == \"view\") | .data.view.customer_id'

  # The next ten, and later what came since
  waybill tail --json --count 10 > events
  waybill tail --after \"$(jq -rs 'map(.id | values) | last' events)\"

A stream that is cut off is opened again behind the last event. `reset` says that what was missed
is not known any more, or that other views are live. Amounts have the decimals of the currency; with
--json they are in its minor units.";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Only this order
    #[arg(long, value_name = "ID")]
    order: Option<Uuid>,
    /// Only orders of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only orders that have this status after the change
    #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::as_str)))]
    status: Option<String>,
    /// Ends after so many changes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Begins behind the event with this id
    #[arg(long, value_name = "EVENT ID")]
    after: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    query_api: QueryApi,
}

impl Arguments {
    fn path(&self) -> String {
        let filters = [
            ("order_id", self.order.map(|id| id.to_string())),
            ("customer_id", self.customer.clone()),
            ("status", self.status.clone()),
        ];
        let pairs: Vec<String> = filters
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_deref()?))))
            .collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        format!("/live{mark}{}", pairs.join("&"))
    }

    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let client = self.query_api.client(token);
        let address = format!("{}{}", client.base(), self.path());
        let mut live = Live::new(client, self.path(), self.after.clone());
        let (stop, mut output) = (shutdown::on_signal(), self.format.output());
        let mut left = self.count;
        while left != Some(0) {
            // To be stopped is how it ends, unless so many changes were wanted.
            let Some(news) = stop.run_until_cancelled(live.next()).await else {
                return Ok(left.map_or(Outcome::Well, |_| Outcome::Stopped));
            };
            match news? {
                News::Open { resumed: false } => say(format_args!("Following {address}")),
                News::Open { resumed: true } => {
                    say(format_args!("Following {address}, from where it was"))
                }
                News::Cut(why) => say(format_args!("Cut off: {why}; connecting again")),
                News::Event(event) => {
                    let is_view = event.name == "view";
                    print(&event, &mut output)?;
                    left = left.map(|left| left - u64::from(is_view));
                }
            }
        }
        Ok(Outcome::Well)
    }
}

fn print(event: &Event, output: &mut Output) -> std::io::Result<()> {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let Event { name, id, .. } = event;
    match (name.as_str(), output.is_json()) {
        ("view" | "reset", true) => {
            output.document(&json!({ "event": name, "id": id, "data": data }))
        }
        ("view", false) => output.line(line(&data)),
        ("reset", false) => {
            let why = text(&data["reason"]);
            output.line(format_args!("{CARE}reset{CARE:#}: {why}; read afresh what you show"))
        }
        _ => Ok(()), // Checkpoints, and what is not known.
    }
}

/// `<time>  <status>  <stream>  v<version>  <customer>  paid <paid> of <total> <currency>`.
fn line(data: &Value) -> String {
    let (view, stream) = (&data["view"], text(&data["stream"]));
    let [status, customer, currency, at] =
        ["status", "customer_id", "currency", "updated_at"].map(|field| text(&view[field]));
    let [paid, total] = ["paid", "total"].map(|field| facts::decimal(&view[field], &currency));
    let version = &data["version"];
    let style =
        if ["paid", "shipped", "delivered"].contains(&status.as_str()) { GOOD } else { BOLD };
    format!(
        "{FAINT}{at}{FAINT:#}  {style}{status:<17}{style:#}  {stream}  v{version}  {customer}  paid {paid} of {total} {currency}"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        tail: Arguments,
    }

    #[test]
    fn filters_are_asked_for_by_the_names_of_the_queries() {
        let path = |arguments: &[&str]| {
            let all = ["tail"].iter().chain(arguments);
            Only::try_parse_from(all).map(|only| only.tail.path())
        };
        assert_eq!(path(&[]).unwrap(), "/live");
        assert_eq!(
            path(&["--status", "paid", "--customer", "a&b ü"]).unwrap(),
            "/live?customer_id=a%26b%20%C3%BC&status=paid"
        );
        let id = "8971c9bb-11d6-41f2-9039-b5d18ab03b46";
        assert_eq!(path(&["--order", id]).unwrap(), format!("/live?order_id={id}"));
        for bad in [["--order", "7"], ["--status", "lost"], ["--count", "0"]] {
            assert!(path(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_change_is_shown_with_the_decimals_of_its_currency() {
        for (currency, amounts) in
            [("EUR", "paid 5.00 of 12.50 EUR"), ("JPY", "paid 500 of 1250 JPY")]
        {
            let view =
                json!({ "status": "created", "currency": currency, "paid": 500, "total": 1_250 });
            let shown = line(&json!({ "stream": "order-7", "version": 2, "view": view }));
            assert!(shown.contains("order-7  v2  ") && shown.ends_with(amounts), "{shown}");
        }
    }
}
