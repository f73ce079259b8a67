//! Credentials of clients are told nowhere: not in logs of every level, not in answers but for the cookie of
//! a sign-in, not in metrics, and not in what the operating system tells of a process.

use std::process::Command;
use std::sync::Arc;

use http::Method;
use kernel::Timestamp;
use serde_json::json;
use shared::auth::Role::{Operate, Query};
use tests::jwt_keys::{EC, Provider, STRANGER};
use tests::program::CommandLine;
use tests::services::{System, Urls, program};
use tests::stores::TempDir;
use tests::tokens::Tokens;
use tests::until;
use waybill::client::Client;
use xtask::servers::Process;

use super::TRACES;

/// What clients show, good and bad.
struct Credentials {
    tokens: Tokens,
    provider: Provider,
    operator: String,
    /// The first may query, alone.
    all: Vec<String>,
    /// The parts that prove something.
    secrets: Vec<String>,
}

impl Credentials {
    fn new() -> Self {
        let (tokens, provider) = (Tokens::default(), Provider::default());
        let (good, operator) = (tokens.of("page", &[Query]), tokens.of("ops", &[Operate]));
        let revoked = tokens.of("gone", &[Query]);
        tokens.revoke(&revoked);
        let unknown = Tokens::default().of("stranger", &[Query]);
        let exp = Timestamp::now().as_millis() / 1_000 + 600;
        let claims = json!({
            "iss": "https://id.example", "aud": "waybill", "sub": "ann", "exp": exp,
            "roles": ["query"],
        });
        let jwts = [EC.sign(&claims), STRANGER.sign(&claims)];
        let mut secrets: Vec<String> = TRACES.map(str::to_owned).into();
        for token in [&good, &operator, &revoked, &unknown] {
            secrets.push(token.rsplit('_').next().unwrap().to_owned());
        }
        for jwt in &jwts {
            secrets.extend(jwt.split('.').skip(1).map(str::to_owned));
        }
        let [jwt, forged] = jwts;
        let none = "open-sesame".to_owned();
        let all = vec![good, operator.clone(), revoked, unknown, jwt, forged, none];
        Self { tokens, provider, operator, all, secrets }
    }

    fn variables(&self) -> Vec<(String, String)> {
        let file = |path: std::path::PathBuf| path.display().to_string();
        [
            ("WAYBILL_TOKENS_FILE", file(self.tokens.file())),
            ("WAYBILL_JWKS_FILE", file(self.provider.file())),
            ("WAYBILL_JWT_ISSUER", "https://id.example".to_owned()),
            ("WAYBILL_JWT_AUDIENCE", "waybill".to_owned()),
            ("WAYBILL_SIGN_IN_FAILURES", "off".to_owned()),
            ("WAYBILL_LOG", "trace".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn assert_untold(&self, what: &str, text: &str) {
        for secret in &self.secrets {
            let at = text.find(secret.as_str());
            let around =
                at.map(|at| String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(300)..at]));
            assert!(around.is_none(), "{what} tells a credential behind {around:?}");
        }
    }

    /// Every way in which a request shows one.
    fn headers(&self) -> Vec<(&'static str, String)> {
        let ways = |one: &String| {
            [
                ("authorization", format!("Bearer {one}")),
                ("authorization", format!("Basic {one}")),
                ("authorization", one.clone()),
                ("cookie", format!("a=b; waybill_session={one}")),
                ("cookie", format!("__Host-waybill_session={one}")),
            ]
        };
        self.all.iter().flat_map(ways).collect()
    }

    /// Bodies of sign-ins, most of them wrong.
    fn sign_ins(&self) -> Vec<String> {
        let ways = |one: &String| {
            [
                json!({ "token": one }).to_string(),
                json!({ "token": one, "more": 1 }).to_string(),
                json!({ "token": [one] }).to_string(),
                json!({ one: one }).to_string(),
                format!("{{\"{one}\": 1, \"{one}\": 2}}"),
                json!(one).to_string(),
                format!("{{\"token\": \"{one}"),
                format!("token={one}"),
                one.repeat(300),
            ]
        };
        self.all.iter().flat_map(ways).collect()
    }

    /// Sends a request, and reads the whole answer. Only a sign-in that succeeds may set a cookie.
    async fn ask(&self, client: &Client, ask: (Method, &str), header: (&str, &str), body: &str) {
        let (method, path) = ask;
        let what = format!("the answer to {method} {path}");
        let headers = [header, ("content-type", "application/json")];
        let answer = client.send(method, path, &headers, body.to_owned()).await.unwrap();
        for (name, value) in &answer.headers {
            let signs_in = path == "/session" && answer.status == 200 && name == "set-cookie";
            if !signs_in {
                self.assert_untold(&what, value.to_str().unwrap());
            }
        }
        self.assert_untold(&what, &String::from_utf8_lossy(&answer.body));
    }

    /// Shows every credential to every service in every way, and then looks at what they told.
    async fn show(&self, clients: &[Client], processes: &[Arc<Process>]) {
        for client in clients {
            for (name, value) in &self.headers() {
                let header = (*name, value.as_str());
                for path in ["/orders", "/orders/x", "/events", "/metrics", "/session", "/parked"] {
                    self.ask(client, (Method::GET, path), header, "").await;
                }
                for path in ["/orders", "/commands", "/parked/x/retry", "/nothing"] {
                    self.ask(client, (Method::POST, path), header, "{}").await;
                }
                self.ask(client, (Method::HEAD, "/live"), header, "").await;
            }
            for body in &self.sign_ins() {
                self.ask(client, (Method::POST, "/session"), ("accept", "*/*"), body).await;
            }
            let operator = format!("Bearer {}", self.operator);
            for path in ["/metrics", "/readyz"] {
                self.ask(client, (Method::GET, path), ("authorization", &operator), "").await;
            }
        }
        for process in processes {
            let of_kernel = |file: &str| {
                let bytes = std::fs::read(format!("/proc/{}/{file}", process.id())).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            self.assert_untold("a command line", &of_kernel("cmdline"));
            self.assert_untold("an environment", &of_kernel("environ"));
            // The first of them may not read metrics, which is told at the level `debug`.
            let told = process.told();
            assert!(told.contains("a request is refused"), "it tells what it does: {told}");
            self.assert_untold("a log", &told);
            process.stop();
            self.assert_untold("a log", &process.told());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_told_nowhere_by_the_services() {
    let credentials = Credentials::new();
    let system = System::start_with(&Urls::of_the_run(), &credentials.variables(), 1, 1).await;
    let clients: Vec<Client> = system.all().map(|service| service.client.clone()).collect();
    let processes: Vec<_> = system.all().map(|service| service.process.clone()).collect();
    credentials.show(&clients, &processes).await;
    system.remove().await;
}

/// An embedded system as a program, with its addresses.
async fn embedded(folder: &TempDir, variables: &[(String, String)]) -> (Process, Vec<Client>) {
    let file = folder.0.join("addresses");
    let mut command = Command::new(program("waybill"));
    command.env_clear().env("WAYBILL_DATA_DIR", folder.0.join("data"));
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    for service in ["COMMAND", "QUERY", "PROJECTOR"] {
        command.env(format!("WAYBILL_{service}_LISTEN"), "127.0.0.1:0");
    }
    command.env("WAYBILL_ADDRESS_FILE", &file);
    let process = Process::start("waybill", &folder.0, &mut command).unwrap();
    let clients: Vec<Client> = until("it listens", || async {
        assert_eq!(process.ended(), None);
        let told = std::fs::read_to_string(&file).ok()?;
        let urls = told.lines().filter_map(|line| line.split_once(' '));
        let clients: Vec<Client> = urls.map(|(_, url)| Client::new(url)).collect();
        (clients.len() == 3).then_some(clients)
    })
    .await;
    until("it is ready", || async {
        let ready = clients[1].send(Method::GET, "/readyz", &[], "").await.ok()?;
        ready.status.is_success().then_some(())
    })
    .await;
    (process, clients)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_told_nowhere_by_the_embedded_mode_and_the_command_line() {
    let (folder, files, credentials) = (TempDir::default(), TempDir::default(), Credentials::new());
    let (process, clients) = embedded(&folder, &credentials.variables()).await;
    let bare = CommandLine::of(&clients[0], &clients[1], &clients[2]).with("WAYBILL_LOG", "trace");
    let lines = ["parked list", "audit --operations", "verify --json", "top --once", "rebuild"];
    for credential in credentials.all.iter().map(String::as_str).chain(["open sesame"]) {
        let shows = bare.clone().with("WAYBILL_TOKEN", credential);
        for line in lines {
            let done = shows.run(line).await;
            credentials.assert_untold(line, &format!("{done:?}"));
        }
        let file = files.0.join("token");
        std::fs::write(&file, credential).unwrap();
        for mode in [0o600, 0o644] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&file, mode).unwrap();
            let line = format!("parked list --token-file {}", file.display());
            let done = bare.run(&line).await;
            credentials.assert_untold(&line, &format!("{done:?}"));
        }
    }
    let listed = CommandLine::default()
        .with("WAYBILL_TOKENS_FILE", &credentials.tokens.file().display().to_string())
        .run("token list --json")
        .await;
    assert!(listed.stdout.contains("page"), "{listed:?}");
    credentials.assert_untold("the list", &format!("{listed:?}"));
    credentials.show(&clients, &[Arc::new(process)]).await;
}
