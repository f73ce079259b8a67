//! The dashboard: a page and what it is made of, all of it in the program.

pub(crate) mod assets;

use std::net::SocketAddr;

use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use shared::http::answer::{self, into_response};
use shared::http::probes::get_or_head;
use shared::http::problem::Problem;
use shared::http::serve::Routes;
use shared::http::{Guard, json, session};
use shared::service::config::Settings;
use warp::{Filter as _, Reply as _};

/// Where browsers reach the other services; without them the dashboard shows the views alone.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Links {
    /// Of command-api: `http://127.0.0.1:8080`.
    pub command_url: Option<String>,
    /// Of a projector: `http://127.0.0.1:8082`.
    pub projector_url: Option<String>,
}

impl Links {
    /// Reads `WAYBILL_COMMAND_URL` and `WAYBILL_PROJECTOR_URL`.
    pub fn read(settings: &mut Settings) -> Self {
        Self {
            command_url: settings.public_url("WAYBILL_COMMAND_URL"),
            projector_url: settings.public_url("WAYBILL_PROJECTOR_URL"),
        }
    }

    /// These addresses, where no URL was configured; `scheme` is `http` or `https`.
    pub fn or(self, scheme: &str, command: SocketAddr, projector: SocketAddr) -> Self {
        let url = |address| Some(format!("{scheme}://{address}"));
        Self {
            command_url: self.command_url.or_else(|| url(command)),
            projector_url: self.projector_url.or_else(|| url(projector)),
        }
    }

    /// Scripts, styles and pictures come from here alone, and data from the services.
    fn content_security_policy(&self) -> String {
        let others = [&self.command_url, &self.projector_url].into_iter().flatten();
        let others: String = others.map(|url| format!(" {url}")).collect();
        format!(
            "default-src 'self'; connect-src 'self'{others}; object-src 'none'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'"
        )
    }
}

/// What the page has to know before it can ask anything.
#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct PageConfig {
    #[serde(flatten)]
    links: Links,
    /// Whether clients are asked who they are.
    sign_in: bool,
}

/// The page at `/`, its files below `/assets/`, and `/config.json`.
///
/// With a guard pages sign in, at `/session`.
pub fn routes(links: Links, guard: Option<Guard>) -> Routes {
    let policy = links.content_security_policy();
    let page = warp::path::end().and(get_or_head()).and(warp::header::headers_cloned()).map(
        move |headers: HeaderMap| {
            let mut response = assets::page().answer(&headers);
            answer::set(&mut response, "content-security-policy", &policy);
            response
        },
    );
    let assets = warp::path("assets")
        .and(warp::path::tail())
        .and(get_or_head())
        .and(warp::header::headers_cloned())
        .map(|path: warp::path::Tail, headers: HeaderMap| match assets::find(path.as_str()) {
            Some(found) => found.answer(&headers),
            None => Problem::not_found("The dashboard has no such file.").into_response(),
        });
    let config = PageConfig { links, sign_in: guard.is_some() };
    let config = warp::path!("config.json").and(get_or_head()).map(move || {
        let mut response = into_response(json(StatusCode::OK, &config));
        answer::set(&mut response, "cache-control", "no-cache");
        response
    });
    let all = page.or(assets).unify().or(config).unify().boxed();
    match guard {
        Some(guard) => all.or(session::routes(guard)).unify().boxed(),
        None => all,
    }
}
