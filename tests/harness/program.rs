//! The command line as its users run it: a process of its own, its output, its exit code.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use waybill::client::Client;

use crate::services::program;

/// For a command to say something: longer than it waits for a service.
const TIMEOUT: Duration = Duration::from_secs(60);

/// `waybill` with the addresses of one system, and nothing else from the environment.
#[derive(Default, Clone)]
pub struct CommandLine {
    variables: Vec<(String, String)>,
    /// Where it is not the program that was built with the tests.
    program: Option<PathBuf>,
}

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// The one document that was printed.
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// A document on each line.
    pub fn json_lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        self.stdout.lines().map(read).collect()
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let code = output.status.code();
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl CommandLine {
    /// For the services at these addresses.
    pub fn of(commands: &Client, queries: &Client, projector: &Client) -> Self {
        let address = |client: &Client| client.base().trim_start_matches("http://").to_owned();
        Self::default()
            .with("WAYBILL_COMMAND_LISTEN", &address(commands))
            .with("WAYBILL_QUERY_LISTEN", &address(queries))
            .with("WAYBILL_PROJECTOR_LISTEN", &address(projector))
    }

    /// With one more variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same of another build.
    pub fn of_program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    fn program(&self) -> PathBuf {
        self.program.clone().unwrap_or_else(|| program("waybill"))
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(self.program());
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(line.split_whitespace()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end; its arguments are separated by spaces.
    pub async fn run(&self, line: &str) -> Done {
        self.run_within(TIMEOUT, line).await
    }

    /// The same, with another timeout.
    pub async fn run_within(&self, timeout: Duration, line: &str) -> Done {
        let output = tokio::time::timeout(timeout, self.command(line).output()).await;
        output.expect("it ends").expect("the program is there").into()
    }

    /// Starts a command on a terminal of its own, of 30 rows and 100 columns; both its outputs go there.
    /// `script` of util-linux makes the terminal. What the shell does afterwards may be said, too.
    pub fn on_terminal(&self, line: &str, afterwards: &str) -> Terminal {
        let program = self.program();
        let shell = format!("stty rows 30 cols 100; {} {line}{afterwards}", program.display());
        let mut command = Command::new("script");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(["-qec", &shell, "/dev/null"]).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("`script` of util-linux");
        let (keys, screen) = (child.stdin.take(), child.stdout.take());
        let (keys, screen) = (keys.expect("it is piped"), screen.expect("it is piped"));
        Terminal { child, keys, screen, shown: vec![] }
    }

    /// Starts a command that goes on.
    pub fn start(&self, line: &str) -> Running {
        let mut command = self.command(line);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is there");
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let stdout = BufReader::new(out.expect("it is piped")).lines();
        let stderr = BufReader::new(err.expect("it is piped")).lines();
        Running { child, stdout, stderr }
    }
}

/// A terminal and the command on it; both end with this.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    shown: Vec<u8>,
}

impl Terminal {
    /// Waits until it was sent a text, which control sequences may be.
    pub async fn shows(&mut self, text: &str) {
        while !self.shown().contains(text) {
            let read = tokio::time::timeout(TIMEOUT, self.screen.read_buf(&mut self.shown)).await;
            let read = read.unwrap_or_else(|_| panic!("{text:?} is not shown: {}", self.shown()));
            assert_ne!(read.expect("bytes"), 0, "it ended without {text:?}: {}", self.shown());
        }
    }

    /// Presses keys.
    pub async fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.expect("it takes keys");
        self.keys.flush().await.expect("it takes keys");
    }

    /// Waits for the end, and returns the exit code and all that the terminal was sent.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        let end = async {
            self.screen.read_to_end(&mut self.shown).await.expect("bytes");
            self.child.wait().await.expect("a status").code()
        };
        let code = tokio::time::timeout(TIMEOUT, end).await;
        let code = code.unwrap_or_else(|_| panic!("it does not end"));
        (code, String::from_utf8_lossy(&self.shown).into_owned())
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

/// A command under way; it ends with this.
pub struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// The next line of its output.
    pub async fn line(&mut self) -> String {
        let line = tokio::time::timeout(TIMEOUT, self.stdout.next_line()).await;
        line.expect("a line in time").expect("text").expect("it goes on")
    }

    /// The next line of its errors that contains `text`.
    pub async fn says(&mut self, text: &str) -> String {
        loop {
            let line = tokio::time::timeout(TIMEOUT, self.stderr.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("it does not say {text}"));
            let line = line.expect("text").expect("it goes on");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Reads no more of its output, as a reader does that has seen enough.
    pub fn close(self) -> Child {
        self.child
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the end.
    pub async fn interrupt(mut self) -> Option<i32> {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().await;
        assert!(sent.expect("kill is there").success());
        self.ended().await
    }

    /// Waits for the end, and returns the exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(TIMEOUT, self.child.wait()).await;
        ended.expect("it ends").expect("a status").code()
    }
}
