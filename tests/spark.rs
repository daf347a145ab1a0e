//! On a Spark cluster of two workers, examples/spark gives what hsmtrail gives alone.
//!
//! The test itself is tests/spark/check.py. It needs Java and a Python that has pyspark:
//! `HSMTRAIL_TEST_PYTHON`, or the one that `.ci/run` makes.

#![allow(clippy::print_stderr, reason = "it says why it is skipped")]

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn an_archive_comes_through_a_cluster_as_it_comes_through_one_process() {
    let Some(python) = python_with_pyspark() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(&python)
        .args(["tests/spark/check.py", env!("CARGO_BIN_EXE_hsmtrail")])
        .arg(place.path())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let shown = said.lines().filter(|line| line.contains("ok: ")).count();
    assert_eq!(shown, 4, "a part of it did not run");
}

/// The interpreter, or a message why there is none. One that was named has to be good.
fn python_with_pyspark() -> Option<OsString> {
    let named = std::env::var_os("HSMTRAIL_TEST_PYTHON");
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../hosts/spark/bin/python");
    let python = named.clone().unwrap_or_else(|| made.into_os_string());
    for (program, args, what) in [
        (python.as_os_str(), ["-c", "import pyspark"], "pyspark"),
        (OsStr::new("java"), ["-version", "-version"], "Java"),
    ] {
        let asked = Command::new(program)
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if asked.is_ok_and(|status| status.success()) {
            continue;
        }
        assert!(
            named.is_none(),
            "HSMTRAIL_TEST_PYTHON is set, but {what} cannot be run"
        );
        eprintln!("SKIPPED: {what} is not installed; CONTRIBUTING.md says how");
        return None;
    }
    Some(python)
}
