//! `/problems/<name>`: what a type of problem means, and what a client can do.

use std::collections::BTreeMap;

use http::HeaderMap;
use kernel::contract::{Member, ProblemPage, Rule};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Problem, is_to_be_retried, kinds};
use crate::http::accept::accepts;
use crate::http::{Answer, Fixed, answer};

/// The type of pages for people.
pub const HTML: &str = "text/html; charset=utf-8";
/// The type of pages for programs.
pub const JSON: &str = "application/json";

/// What a type of problem means.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProblemPage")]
pub struct Page<'a> {
    /// As in the problem.
    #[schemars(extend("format" = "uri-reference"))]
    r#type: String,
    /// Of answers with such a problem.
    status: u16,
    /// The type in words.
    title: &'a str,
    /// What it means.
    meaning: &'a str,
    /// What the client can do.
    remedy: &'a str,
    /// Whether answers have a `Retry-After`: waiting may help.
    retry_after: bool,
    /// The rules that its member `rule` may name, each with what it says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rules: BTreeMap<&'a str, &'a str>,
}

/// The pages of a service.
#[derive(Debug, Clone)]
pub struct Pages {
    pages: Vec<ProblemPage>,
    rules: Vec<Rule>,
    /// What some problems have beside the members of every problem.
    members: Vec<Member>,
    /// By their names, as they are sent to programs and to people.
    sent: BTreeMap<&'static str, [Fixed; 2]>,
}

impl Pages {
    /// Those of the pipeline, and those of the domain. `rules` are why it refuses commands.
    pub fn new(of_the_domain: Vec<ProblemPage>, rules: Vec<Rule>) -> Self {
        let mut pages = kinds::pages();
        pages.extend(of_the_domain);
        let members = kinds::members();
        let mut all = Self { pages, rules, members, sent: BTreeMap::new() };
        all.sent = all.pages.iter().map(|page| (page.name, all.forms(page))).collect();
        all
    }

    /// Adds members that problems of the domain may have.
    pub fn add_members(&mut self, members: Vec<Member>) {
        self.members.extend(members);
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    fn forms(&self, page: &ProblemPage) -> [Fixed; 2] {
        // What it holds can always be written.
        let json = serde_json::to_vec(&self.json(page)).unwrap_or_default();
        [Fixed::new(json, JSON), Fixed::new(self.html(page), HTML)]
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.pages.iter().map(|page| page.name)
    }

    pub fn find(&self, name: &str) -> Option<&ProblemPage> {
        self.pages.iter().find(|page| page.name == name)
    }

    /// As JSON, or as HTML for a client that prefers it.
    pub fn answer(&self, name: &str, headers: &HeaderMap) -> Answer {
        let unknown = || Problem::not_found(format!("No problem is called {name:?}."));
        let [json, html] = self.sent.get(name).ok_or_else(unknown)?;
        let preferred = match accepts(headers, HTML) > accepts(headers, JSON) {
            true => html,
            false => json,
        };
        let mut response = preferred.answer();
        answer::set(&mut response, "vary", "Accept");
        answer::set(&mut response, "cache-control", "no-cache");
        Ok(response)
    }

    /// The rules that a refusal of this type can name.
    fn rules_of(&self, page: &ProblemPage) -> &[Rule] {
        match page.name {
            "illegal-transition" => &self.rules,
            _ => &[],
        }
    }

    pub fn json(&self, page: &ProblemPage) -> Page<'_> {
        let ProblemPage { name, status, title, meaning, remedy } = *page;
        let rules = self.rules_of(page).iter();
        Page {
            r#type: format!("/problems/{name}"),
            status,
            title,
            meaning,
            remedy,
            retry_after: is_to_be_retried(name),
            rules: rules.map(|rule| (rule.name, rule.about)).collect(),
        }
    }

    fn html(&self, page: &ProblemPage) -> String {
        let ProblemPage { name, status, title, meaning, remedy } = page;
        let rule = |rule: &Rule| {
            format!(
                "<dt><code>{}</code></dt><dd>{}</dd>\n",
                escaped(rule.name),
                escaped(rule.about)
            )
        };
        let rules: String = self.rules_of(page).iter().map(rule).collect();
        let rules = match rules.is_empty() {
            true => rules,
            false => format!("<h2>Rules</h2>\n<dl>\n{rules}</dl>\n"),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name}</title>\n\
             <h1>{title}</h1>\n<p>Status {status}, type <code>/problems/{name}</code>.</p>\n\
             <h2>What it means</h2>\n<p>{meaning}</p>\n<h2>What to do</h2>\n<p>{remedy}</p>\n{rules}\
             <p><a href=\"/docs\">All routes</a></p>\n</html>\n",
            title = escaped(title),
            meaning = escaped(meaning),
            remedy = escaped(remedy),
        )
    }

    /// An answer of this type, as an example.
    pub fn example(&self, name: &str) -> Option<Value> {
        let ProblemPage { name, status, title, meaning, .. } = self.find(name)?;
        let mut example = json!({
            "type": format!("/problems/{name}"), "title": title, "status": status,
            "detail": meaning,
        });
        match *name {
            "validation" => {
                example["errors"] = json!([{
                    "pointer": "/amount", "expected": "an integer", "found": "\"12.50\"",
                }]);
            }
            "illegal-transition" => {
                if let Some(rule) = self.rules.first() {
                    example["rule"] = rule.name.into();
                }
            }
            _ => {}
        }
        Some(example)
    }
}

/// As HTML; what stands between backticks is code.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, part)| match index % 2 {
            0 => part.to_owned(),
            _ => format!("<code>{part}</code>"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_has_bytes_of_its_own() {
        let pages = Pages::new(vec![], vec![]);
        let mut types = HeaderMap::new();
        types.insert("accept", "text/html".parse().unwrap());
        for name in pages.names() {
            for (headers, expected) in [(&HeaderMap::new(), JSON), (&types, HTML)] {
                let page = pages.answer(name, headers).unwrap();
                assert_eq!(page.headers()["content-type"], expected, "{name}");
                assert!(page.extensions().get::<Fixed>().is_some(), "{name}");
            }
        }
        assert!(pages.answer("none", &types).is_err());
    }
}
