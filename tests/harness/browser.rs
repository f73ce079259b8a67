//! A headless Chromium, driven by WebDriver (<https://www.w3.org/TR/webdriver2/>).

use std::process::Command;
use std::time::Duration;

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use url::Url;
use xtask::servers::{Port, Process};

use crate::stores::TempDir;
use crate::until::{comes, until};

/// For the driver and the browser to start.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A browser of its own, with one page.
pub struct Browser {
    pub page: Client,
    driver: Process,
    _folder: TempDir,
    _port: Port,
}

/// A command of the DevTools protocol (<https://chromedevtools.github.io/devtools-protocol/>).
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

/// The log of the browser: <https://developer.chrome.com/docs/chromedriver/logging>.
#[derive(Debug)]
struct Log;

impl WebDriverCompatibleCommand for Log {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

impl Browser {
    pub async fn start() -> Self {
        let (folder, port) = (TempDir::default(), Port::reserve().expect("a port"));
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", port.number()));
        let driver = Process::start("chromedriver", &folder.0, &mut command);
        let driver = driver.expect("`cargo xtask install` installs chromium-driver");
        let profile = format!("--user-data-dir={}", folder.0.join("profile").display());
        let arguments = [
            "--headless=new",
            "--no-sandbox", // A container has no right to make one.
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--lang=en-GB",
            &profile,
        ];
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({ "args": arguments }));
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
        let url = format!("http://127.0.0.1:{}", port.number());
        let connect = || async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities.clone()).connect(&url).await.ok()
        };
        let page = comes(START_TIMEOUT, connect).await;
        let page = page.unwrap_or_else(|| panic!("no browser: {}", driver.told()));
        Self { page, driver, _folder: folder, _port: port }
    }

    async fn dev_tools(&self, command: &'static str, parameters: Value) -> Value {
        self.page.issue_cmd(DevTools(command, parameters)).await.expect("a command of DevTools")
    }

    /// Makes the window so large, and the colours `light` or `dark`.
    pub async fn look(&self, width: u32, height: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.dev_tools("Emulation.setDeviceMetricsOverride", size).await;
        self.prefer(&[("prefers-color-scheme", scheme)]).await;
    }

    /// What the system of its user prefers, by media feature.
    pub async fn prefer(&self, features: &[(&str, &str)]) {
        let feature = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
        let features: Vec<Value> = features.iter().map(feature).collect();
        self.dev_tools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// The page as a picture, PNG in base64.
    pub async fn picture(&self) -> String {
        let picture = self.dev_tools("Page.captureScreenshot", json!({ "format": "png" })).await;
        picture["data"].as_str().expect("a picture").to_owned()
    }

    /// What was an error since this was called last: what pages logged as one or did not catch, what could
    /// not be loaded, and what their policy refused.
    pub async fn errors(&self) -> Vec<String> {
        let log = self.page.issue_cmd(Log).await.expect("a log");
        let entries = log.as_array().expect("a list of entries").iter();
        let errors = entries.filter(|entry| entry["level"] == "SEVERE");
        errors.map(|error| error["message"].to_string()).collect()
    }

    pub async fn open(&self, url: &str) {
        self.page.goto(url).await.expect("a page");
    }

    /// Runs a function body in the page.
    pub async fn run(&self, script: &str) -> Value {
        self.page.execute(script, vec![]).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same for a function body that ends by calling `done` with its result.
    pub async fn run_until_done(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        let done = self.page.execute_async(&script, vec![]).await;
        done.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Runs a script in every page that is opened from now on, before the page's own.
    pub async fn run_before(&self, script: &str) {
        let source = json!({ "source": script });
        self.dev_tools("Page.addScriptToEvaluateOnNewDocument", source).await;
    }

    /// Clicks an element once it is there.
    pub async fn click(&self, selector: &str) {
        until(&format!("{selector} can be clicked"), || async {
            self.page.find(Locator::Css(selector)).await.ok()?.click().await.ok()
        })
        .await;
    }

    /// Types into what has the focus.
    pub async fn press(&self, keys: &str) {
        let focused = self.page.active_element().await.expect("something has the focus");
        focused.send_keys(keys).await.expect("it takes keys");
    }

    /// Waits until what an expression says of the page is so.
    pub async fn holds(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        until(&format!("in the page: {expression}"), || async {
            (self.run(&script).await == json!(true)).then_some(())
        })
        .await;
    }

    /// Waits until an element is there, and returns its text once it fits.
    pub async fn text(&self, selector: &str, fits: impl Fn(&str) -> bool) -> String {
        let what = format!("the page shows {selector} as it should be");
        until(&what, || async {
            let element = self.page.find(Locator::Css(selector)).await.ok()?;
            element.text().await.ok().filter(|text| fits(text))
        })
        .await
    }

    /// Ends the browser.
    pub async fn close(self) {
        drop(self.page.close().await);
        self.driver.stop();
    }
}
