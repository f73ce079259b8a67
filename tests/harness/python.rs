//! Programs in Python: schemathesis, a subscriber, a generated client.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Runs `python3` in a folder until it ends, and panics with all that it wrote when it fails or takes
/// longer than `timeout`. Returns what it wrote.
pub async fn python<I: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = I>,
    timeout: Duration,
) -> String {
    let mut command = Command::from(xtask::python::python().unwrap());
    command.args(arguments).current_dir(folder).kill_on_drop(true).stdin(Stdio::null());
    let output = tokio::time::timeout(timeout, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{command:?} takes longer than {timeout:?}"));
    let output = output.unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{told}", output.status);
    told
}
