//! Asks the real promtool about a text in Prometheus's format.

use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Whether promtool accepts `text` without a word; `None` when it is not installed.
pub(crate) fn promtool_accepts(text: &str) -> Option<Result<(), String>> {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => panic!("promtool cannot be started: {error}"),
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some(if output.status.success() && said.is_empty() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&said).into_owned())
    })
}
