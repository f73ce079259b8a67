//! Prometheus and its tool.

use std::io::Write as _;
use std::process::{Command, Stdio};

use xtask::programs::of_prometheus;

/// Runs promtool, which must find nothing to say; `input` is what it reads.
pub fn promtool(arguments: &[&str], input: &str) {
    let program = of_prometheus("promtool").expect("`cargo xtask install` fetches promtool");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool starts");
    // It reads all before it writes, so neither waits for the other.
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {told}\n{input}");
}
