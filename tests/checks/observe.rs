//! Rules, dashboard and runbooks in `observe/` and `docs/runbooks/`: they hold together, and name only
//! what is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tests::prometheus::{promtool, rules};
use tests::python::python;
use tests::stores::TempDir;

const METRICS: &str = include_str!("../../docs/reference/metrics.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Every name of a metric in a text: `waybill_…`, `waybill:…` and `process_…`.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let words = text.split(|character| !is_part(character));
    let prefixes = ["waybill_", "waybill:", "process_"];
    let is_name = |word: &&str| prefixes.iter().any(|prefix| word.starts_with(prefix));
    words.filter(is_name).map(|word| word.trim_end_matches(':').to_owned()).collect()
}

/// A series of a histogram is of the histogram.
fn metric(series: &str) -> &str {
    let of = |suffix| series.strip_suffix(suffix).filter(|name| METRICS.contains(&tick(name)));
    of("_bucket").or_else(|| of("_sum")).or_else(|| of("_count")).unwrap_or(series)
}

fn tick(name: &str) -> String {
    format!("| `{name}")
}

/// That each metric of the page is exported, whole/metrics shows.
#[test]
fn rules_and_dashboard_name_only_what_is_exported_or_recorded() {
    let (recording, alerts) = (rules("recording.yml"), rules("alerts.yml"));
    let recorded: BTreeSet<&str> =
        recording.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    assert!(recorded.len() > 5);
    let dashboard = read("observe/grafana/dashboards/waybill.json");
    for text in [&recording, &alerts, &dashboard] {
        let all = named(text);
        assert!(all.len() > 8, "{all:?}");
        for name in all.iter().map(|name| metric(name)) {
            let is_there = recorded.contains(name)
                || METRICS.contains(&tick(name))
                || METRICS.contains(&format!(", `{name}`"));
            assert!(is_there, "{name} is not exported");
        }
    }
}

#[test]
fn the_dashboard_asks_for_something_in_every_panel() {
    let dashboard: Value =
        serde_json::from_str(&read("observe/grafana/dashboards/waybill.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "{panel}");
        let targets = panel["targets"].as_array().map_or(0, Vec::len);
        assert!(panel["type"] == "row" || targets > 0, "{panel}");
        let grid = &panel["gridPos"];
        assert!(grid["x"].as_i64().unwrap() + grid["w"].as_i64().unwrap() <= 24, "{panel}");
    }
    let source = read("observe/grafana/provisioning/datasources/waybill.yml");
    assert!(source.contains(&format!("uid: {}", dashboard["uid"].as_str().unwrap())));
}

/// Its queries are checked as rules.
#[test]
fn the_queries_of_the_dashboard_are_promql() {
    let dashboard: Value =
        serde_json::from_str(&read("observe/grafana/dashboards/waybill.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let rules = targets.enumerate().map(|(number, target)| {
        serde_json::json!({ "record": format!("panel_{number}"), "expr": target["expr"] })
    });
    let group = serde_json::json!({ "name": "dashboard", "rules": rules.collect::<Vec<_>>() });
    let folder = TempDir::default();
    let file = folder.0.join("dashboard.yml");
    std::fs::write(&file, serde_json::json!({ "groups": [group] }).to_string()).unwrap();
    promtool(&["check", "rules", &file.display().to_string()], "");
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let alerts = rules("alerts.yml");
    let names: BTreeSet<String> = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(str::to_owned)
        .collect();
    let pages = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
    let pages = pages.map(|page| page.unwrap().path().file_stem().unwrap().to_owned());
    let pages: BTreeSet<String> = pages.map(|page| page.into_string().unwrap()).collect();
    let expected = names.iter().cloned().chain(["README".to_owned()]).collect();
    assert_eq!(pages, expected);
    let list = read("docs/runbooks/README.md");
    for name in names {
        assert!(alerts.contains(&format!("runbook: docs/runbooks/{name}.md")), "{name}");
        assert!(list.contains(&format!("({name}.md)")), "{name} is not in the list");
        let page = read(&format!("docs/runbooks/{name}.md"));
        for part in ["What it means", "How to look", "What to do", "How to know that it is over"] {
            assert!(page.contains(&format!("\n## {part}\n")), "{name}: {part}");
        }
    }
}

/// The cells of the rows of the first table in a section.
fn table<'a>(text: &'a str, section: &str) -> Vec<Vec<&'a str>> {
    let (_, section) = text.split_once(&format!("\n## {section}\n")).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The page for operators leaves out no kind of fault that the campaign has, and promises no alert that
/// there is not.
#[test]
fn every_fault_of_the_campaign_has_its_alert_or_the_reason_why_it_heals_itself() {
    let (page, alerts) = (read("docs/runbooks/README.md"), rules("alerts.yml"));
    let mut told = vec![];
    for row in table(&page, "What the fault campaign does") {
        let [kinds, answer] = row[..] else { panic!("{row:?} has two cells") };
        told.extend(kinds.split('`').skip(1).step_by(2));
        let is_part = |character: char| character.is_ascii_alphanumeric();
        let words = answer.split(|character| !is_part(character));
        let named: Vec<&str> =
            words.filter(|word| word.starts_with("Waybill") && word.len() > 7).collect();
        for name in &named {
            assert!(alerts.contains(&format!("- alert: {name}\n")), "{kinds}: {name} is no alert");
        }
        let reason = answer.strip_prefix("heals itself: ").map_or(0, str::len);
        assert!(!named.is_empty() || reason > 20, "{kinds}: no alert, and no reason: {answer}");
    }
    let expected: BTreeSet<&str> = tests::torture::kinds().into_iter().collect();
    assert_eq!(told.iter().copied().collect::<BTreeSet<_>>(), expected);
    assert_eq!(told.len(), expected.len(), "each once");
}

/// `alerts_test.yml` has a case for each alert, and a quiet hour.
#[test]
fn rules_pass_their_unit_tests() {
    let folder = root().join("observe/rules");
    let path = |name: &str| folder.join(name).display().to_string();
    promtool(&["check", "rules", &path("recording.yml"), &path("alerts.yml")], "");
    promtool(&["test", "rules", &path("alerts_test.yml")], "");
    let config = root().join("observe/prometheus.yml").display().to_string();
    promtool(&["check", "config", &config], "");
    let (alerts, tested) = (rules("alerts.yml"), rules("alerts_test.yml"));
    for name in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tested.contains(&format!("- name: {name}\n")), "{name} has no test");
        let quiet = format!("{{ eval_time: 50m, alertname: {name} }}");
        assert!(tested.contains(&quiet), "{name} is not part of the quiet hour");
    }
}

/// The rule that operators are told to add, with its numbers: 2, 4 and 2.
#[test]
fn the_rule_for_instances_of_the_runbook_fires_while_one_is_missing() {
    let page = read("docs/runbooks/WaybillServiceMissing.md");
    let (_, rule) = page.split_once("\n```yaml\n").expect("the rule");
    let (rule, _) = rule.split_once("\n```\n").expect("its end");
    let folder = TempDir::default();
    std::fs::write(folder.0.join("instances.yml"), rule).unwrap();
    let series = |job: &str, instance: u32, values: &str| {
        let series = format!("up{{job=\"{job}\", instance=\"{instance}\"}}");
        serde_json::json!({ "series": series, "values": values })
    };
    // One projector is found no more, and comes back; a query-api is found, and does not answer.
    let all = [("command-api", 2, "1x60"), ("projector", 3, "1x60"), ("query-api", 2, "0x60")];
    let all = all.into_iter().flat_map(|(job, number, values)| {
        (0..number).map(move |instance| series(job, instance, values))
    });
    let lost = series("projector", 3, "1x9 stale _x19 1x30");
    let alert = "WaybillInstanceMissing";
    let summary = "Prometheus knows of fewer instances of projector than there should be: 3.";
    let fires = serde_json::json!([{
        "exp_labels": { "severity": "warning", "job": "projector" },
        "exp_annotations": { "summary": summary },
    }]);
    let tests = serde_json::json!({
        "rule_files": ["instances.yml"],
        "evaluation_interval": "30s",
        "tests": [{
            "interval": "1m",
            "input_series": all.chain([lost]).collect::<Vec<_>>(),
            "alert_rule_test": [
                { "eval_time": "12m", "alertname": alert },
                { "eval_time": "20m", "alertname": alert, "exp_alerts": fires },
                { "eval_time": "29m", "alertname": alert, "exp_alerts": fires },
                { "eval_time": "40m", "alertname": alert },
            ],
        }],
    });
    let file = folder.0.join("instances_test.yml");
    std::fs::write(&file, tests.to_string()).unwrap();
    promtool(&["test", "rules", &file.display().to_string()], "");
}

/// Every file that a service of the compose file mounts is there, every image has a version, and all is
/// YAML.
#[tokio::test]
async fn the_compose_file_mounts_what_is_there() {
    let script = r"
import json, sys, yaml
compose = yaml.safe_load(open('docker-compose.yml'))
for path in sys.argv[1:]:
    yaml.safe_load(open(path))
print(json.dumps(compose['services'], default=str))
";
    let files = [
        "observe/otel-collector.yml",
        "observe/prometheus.yml",
        "observe/grafana/provisioning/dashboards/waybill.yml",
        "observe/grafana/provisioning/datasources/waybill.yml",
    ];
    let arguments = ["-c", script].into_iter().chain(files);
    let output = python(&root(), arguments, Duration::from_secs(60)).await;
    let services: Value = serde_json::from_str(&output).unwrap();
    let mut observing = 0;
    for (name, service) in services.as_object().unwrap() {
        let image = service["image"].as_str().unwrap();
        assert!(image == "waybill" || image.contains(':'), "{name}: {image} has no version");
        if service["profiles"] == serde_json::json!(["observe"]) {
            observing += 1;
            for volume in service["volumes"].as_array().unwrap() {
                let from = volume.as_str().unwrap().split(':').next().unwrap();
                let is_there = !from.starts_with("./") || root().join(from).exists();
                assert!(is_there, "{name} mounts {from}");
            }
        }
    }
    assert_eq!(observing, 3);
}
