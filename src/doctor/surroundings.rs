//! Looks at what a process is given by whoever starts it, and says what may go wrong.
//!
//! In → out: this process's stdin, stdout and status, and the address of its metrics; warnings,
//! each a sentence.
//!
//! Invariants: **Nothing is changed**, and no input is taken. What cannot be looked at, as on other
//! systems than Linux, gives no warning.
//!
//! Not here: the sample (`sample`), what a run does about these things (`main`, `supervisor`).
//!
//! Failure: none.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::fd::AsFd;

use crate::metrics::Address;
use crate::socket::UnixSocket;
use crate::source;

/// What Linux makes a pipe, unless a user has too many.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 64 * 1024;

/// The port that the README's examples and the recipes have.
const RECIPES_METRICS: Address = Address::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST), 9798..=9798);

/// Why stdin holds no sample.
pub(super) fn nothing_on_stdin() -> Option<String> {
    let what = if source::stdin_is_null() {
        "/dev/null, or was closed"
    } else if io::stdin().is_terminal() {
        "a terminal"
    } else {
        return None;
    };
    Some(format!(
        "stdin is {what}: a filter that is started like this has nothing to read, unless it is \
         given FILEs or --listen"
    ))
}

/// What else may go wrong; `metrics` is the address that is asked for.
pub(super) fn warnings(metrics: Option<&Address>) -> Vec<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    [
        small_pipe("stdin", io::stdin()),
        small_pipe("stdout", io::stdout()),
        no_sandbox(&status),
        address_taken(metrics.unwrap_or(&RECIPES_METRICS)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(target_os = "linux")]
fn small_pipe(name: &str, fd: impl AsFd) -> Option<String> {
    // What is no pipe has no size.
    let bytes = rustix::pipe::fcntl_getpipe_size(fd).ok()?;
    (bytes < PIPE_BYTES).then(|| {
        format!(
            "{name} is a pipe of {bytes} bytes, where {PIPE_BYTES} are usual: every line takes many \
             turns; the user has more pipe buffers than /proc/sys/fs/pipe-user-pages-soft allows, \
             or someone made it so small"
        )
    })
}

#[cfg(not(target_os = "linux"))]
fn small_pipe(_: &str, _: impl AsFd) -> Option<String> {
    None
}

/// A sandbox is one of two things that a process keeps and its children inherit: that it can gain
/// no privileges (systemd's `NoNewPrivileges=`), or a filter of system calls (`SystemCallFilter=`,
/// and what container runtimes set).
fn no_sandbox(status: &str) -> Option<String> {
    let is_off = |name: &str| {
        let mut lines = status.lines();
        lines.any(|line| {
            line.split_once(':')
                .is_some_and(|(key, value)| key == name && value.trim() == "0")
        })
    };
    (is_off("NoNewPrivs") && is_off("Seccomp")).then(|| {
        "there is no sandbox here: NoNewPrivs and Seccomp in /proc/self/status are 0; hsmtrail needs \
         no privileges, so a service can have NoNewPrivileges=yes and SystemCallFilter=@system-service"
            .to_owned()
    })
}

fn address_taken(address: &Address) -> Option<String> {
    let error = match address {
        Address::Unix(path) => UnixSocket::is_free(path).err()?.to_string(),
        // Nothing when one of them is free.
        Address::Tcp(ip, ports) => ports.clone().try_fold(String::new(), |_, port| {
            Some(TcpListener::bind((*ip, port)).err()?.to_string())
        })?,
    };
    Some(format!(
        "metrics cannot be served on {address}: {error}; a filter that is to do so works on without \
         them (another instance may have the address)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_is_either_of_two_things() {
        for (status, is_missing) in [
            (
                "Name:\tx\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n",
                true,
            ),
            ("NoNewPrivs:\t1\nSeccomp:\t0\n", false),
            ("NoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n", false),
            ("", false),
            ("Seccomp_filters:\t0\nNoNewPrivs:\t0\n", false),
        ] {
            assert_eq!(no_sandbox(status).is_some(), is_missing, "{status}");
        }
    }

    #[test]
    fn a_port_is_taken_while_somebody_has_it() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = other.local_addr().unwrap();
        let told = address_taken(&address.into()).unwrap();
        assert!(told.contains(&address.to_string()), "{told}");
        let (ip, port) = (address.ip(), address.port());
        let range = port.saturating_sub(200)..=port;
        assert_eq!(address_taken(&Address::Tcp(ip, range)), None);
        assert_eq!(address_taken(&Address::Tcp(ip, 0..=0)), None);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s");
        assert_eq!(address_taken(&Address::Unix(path.clone())), None);
        let _socket = UnixSocket::bind(&path).unwrap();
        let told = address_taken(&Address::Unix(path)).unwrap();
        assert!(told.contains("another process does"), "{told}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_is_small_below_its_usual_size() {
        let (_reader, pipe) = io::pipe().unwrap();
        rustix::pipe::fcntl_setpipe_size(&pipe, 4096).unwrap();
        assert!(small_pipe("stdin", &pipe).unwrap().contains("4096"));
        rustix::pipe::fcntl_setpipe_size(&pipe, PIPE_BYTES).unwrap();
        assert_eq!(small_pipe("stdin", &pipe), None);
        assert_eq!(
            small_pipe("stdin", fs::File::open("Cargo.toml").unwrap()),
            None
        );
    }
}
