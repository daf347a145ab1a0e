//! A real Prometheus server for a test: started on a free loopback port, killed when dropped. And
//! its tool that checks metrics.

#![allow(dead_code, reason = "a test uses the part that it needs")]

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::port::Port;

/// Only a test that hangs meets it.
const PATIENCE: Duration = Duration::from_mins(5);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A running server with its own configuration and data.
pub(crate) struct Prometheus {
    child: Child,
    port: Port,
    directory: TempDir,
}

impl Prometheus {
    /// Starts a server that scrapes `target` every second; `None` when none is installed.
    pub(crate) fn start(target: SocketAddr) -> Option<Self> {
        Self::start_with(target, &[])
    }

    /// As [`Self::start`], with these files of rules evaluated as often.
    pub(crate) fn start_with(target: SocketAddr, rules: &[PathBuf]) -> Option<Self> {
        match Self::spawn(target, rules) {
            Ok(mut server) => {
                server.wait_until_ready();
                Some(server)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => panic!("prometheus cannot be started: {error}"),
        }
    }

    /// The result of an instant query, as the API's list of series; empty when there is none.
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        let path = format!("/api/v1/query?query={}", percent_encode(expression));
        let response = http::request(self.port.address, "GET", &path).unwrap();
        let answer: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// The value of the only series that `expression` yields, waiting until there is one: there is
    /// none for the moment after a scrape that took too long.
    fn value(&self, expression: &str) -> f64 {
        let start = Instant::now();
        loop {
            if let [series] = self.query(expression).as_slice() {
                return series["value"][1].as_str().unwrap().parse().unwrap();
            }
            assert!(
                start.elapsed() < PATIENCE,
                "no answer to {expression}:\n{}",
                self.log()
            );
            sleep(POLL_INTERVAL);
        }
    }

    /// Waits until the only series that `expression` yields has this value.
    pub(crate) fn wait_for(&self, expression: &str, expected: f64) {
        let start = Instant::now();
        loop {
            let value = self.value(expression);
            if (value - expected).abs() < 1e-9 {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{expression} stays at {value} and is not {expected}:\n{}",
                self.log()
            );
            sleep(POLL_INTERVAL);
        }
    }

    /// Waits until it has nothing to complain about in what it scrapes.
    pub(crate) fn wait_for_target(&self) {
        let start = Instant::now();
        loop {
            let response = http::request(self.port.address, "GET", "/api/v1/targets").unwrap();
            let answer: Value = serde_json::from_str(&response.body).unwrap();
            let target = &answer["data"]["activeTargets"][0];
            if target["health"] == "up" && target["lastError"] == "" {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{target}");
            sleep(POLL_INTERVAL);
        }
    }

    /// What the API knows about the rules.
    pub(crate) fn rules(&self) -> Value {
        let response = http::request(self.port.address, "GET", "/api/v1/rules").unwrap();
        let answer: Value = serde_json::from_str(&response.body).unwrap();
        answer["data"].clone()
    }

    fn spawn(target: SocketAddr, rules: &[PathBuf]) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let config = directory.path().join("prometheus.yml");
        fs::write(
            &config,
            format!(
                "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n\
                 rule_files: {rules:?}\n\
                 scrape_configs:\n  - job_name: hsmtrail\n    static_configs:\n\
                 \x20     - targets: ['{target}']\n"
            ),
        )?;
        let port = Port::free();
        let log = File::create(directory.path().join("log"))?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={}", port.address))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Self {
            child,
            port,
            directory,
        })
    }

    fn wait_until_ready(&mut self) {
        let start = Instant::now();
        let is_ready = |address| {
            let response = http::request(address, "GET", "/-/ready");
            response.is_ok_and(|response| response.status == 200)
        };
        while !is_ready(self.port.address) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "prometheus does not start: {ended:?}\n{}",
                self.log()
            );
            sleep(POLL_INTERVAL);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself; it is reaped either way.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
