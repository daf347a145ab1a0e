//! Runs the `hsmtrail` binary: with its input at once, or step by step while a test watches it.
//!
//! Every wait ends when nothing has come for [`PATIENCE`], and a process that is still there when its
//! test ends is killed.

#![allow(dead_code, reason = "a test uses the part that it needs")]

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionread;
use rustix::process::{Pid, kill_process};

pub(crate) use rustix::process::Signal;

/// Only a test that hangs meets it: on a machine with twenty other things to do, a debug build took
/// a minute for what is two seconds of work.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// How often a test looks again for what it waits for.
const LOOK: Duration = Duration::from_millis(2);

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Done {
    /// The exit status; nothing after a deadly signal.
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Done {
    /// The output, which has to be UTF-8.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// The lines of the output, which has to consist of whole ones.
    pub(crate) fn lines(&self) -> Vec<&str> {
        whole_lines(self.text())
    }

    /// Checks that it ended well and said nothing about it, and gives its output.
    pub(crate) fn quiet(&self) -> &str {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""));
        self.text()
    }
}

/// The lines of `text`, none of them cut short.
pub(crate) fn whole_lines(text: &str) -> Vec<&str> {
    assert!(text.is_empty() || text.ends_with('\n'), "a torn last line");
    text.lines().collect()
}

/// The binary with these arguments and without options from the environment.
pub(crate) fn hsmtrail<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let binary = env!("CARGO_BIN_EXE_hsmtrail");
    let mut command = if sigint_is_ignored() {
        let mut command = Command::new("/usr/bin/env");
        command.args(["--default-signal=INT", binary]);
        command
    } else {
        Command::new(binary)
    };
    command.args(args).stdin(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HSMTRAIL_") {
            command.env_remove(name);
        }
    }
    command
}

/// Whether these tests were started by a shell in the background, which has its children ignore the
/// signal; and what hsmtrail is told to ignore it does.
fn sigint_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    mask & (1 << (Signal::INT.as_raw() - 1)) != 0
}

/// Runs to the end with `input` on stdin.
pub(crate) fn run(args: &[&str], input: impl AsRef<[u8]>) -> Done {
    run_command(hsmtrail(args), input)
}

/// As [`run`], for a command that is prepared otherwise.
pub(crate) fn run_command(command: Command, input: impl AsRef<[u8]>) -> Done {
    let mut running = Running::start(command);
    running.feed(input.as_ref().to_vec());
    running.finish()
}

/// A process whose output is collected while it runs.
pub(crate) struct Running {
    child: Child,
    /// Nothing once it is closed or fed by a thread.
    stdin: Option<ChildStdin>,
    out: Arc<Stream>,
    err: Arc<Stream>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts `command`, collects stdout and stderr.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_with_stdout(command, Stdio::piped())
    }

    /// Starts `command` with that stdout, which is not collected unless it is `Stdio::piped()`.
    pub(crate) fn start_with_stdout(mut command: Command, stdout: Stdio) -> Self {
        command.stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (Arc::new(Stream::default()), Arc::new(Stream::default()));
        let mut threads = vec![Stream::collect(&err, child.stderr.take().unwrap())];
        threads.extend(
            child
                .stdout
                .take()
                .map(|out_of| Stream::collect(&out, out_of)),
        );
        Self {
            stdin: child.stdin.take(),
            child,
            out,
            err,
            threads,
        }
    }

    /// Writes to stdin and leaves it open. A process that takes no more is no error here.
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        write(self.stdin.as_mut().unwrap(), bytes.as_ref());
    }

    /// Waits until everything that was written to stdin has been read.
    pub(crate) fn wait_until_read(&self) {
        let stdin = self.stdin.as_ref().unwrap();
        wait_until("the last byte", || ioctl_fionread(stdin).unwrap() == 0);
    }

    /// Writes all of `bytes` to stdin from a thread, then closes it.
    pub(crate) fn feed(&mut self, bytes: Vec<u8>) {
        self.feed_by(move |stdin| {
            write(stdin, &bytes);
        });
    }

    /// Lets a thread write to stdin; it is closed when that is done.
    pub(crate) fn feed_by(&mut self, feeder: impl FnOnce(&mut ChildStdin) + Send + 'static) {
        // A command may come with a stdin of its own.
        if let Some(mut stdin) = self.stdin.take() {
            self.threads.push(thread::spawn(move || feeder(&mut stdin)));
        }
    }

    /// Ends the input.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn out_so_far(&self) -> Vec<u8> {
        self.out.so_far()
    }

    /// Waits until `is_there` is true of the output so far, and gives it.
    pub(crate) fn wait_for_out(&self, is_there: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        self.out.wait_for("the output", is_there)
    }

    /// Waits until the output is at least `text`, and checks that it is nothing else.
    pub(crate) fn expect_out(&self, text: &str) {
        let out = self.wait_for_out(|out| out.len() >= text.len());
        assert_eq!(String::from_utf8_lossy(&out), text);
    }

    /// Waits until stderr says `text`, and gives all it said.
    pub(crate) fn wait_for_err(&self, text: &str) -> String {
        let err = self
            .err
            .wait_for(text, |err| String::from_utf8_lossy(err).contains(text));
        String::from_utf8(err).unwrap()
    }

    /// Ends the input and waits for the end of the process.
    pub(crate) fn finish(mut self) -> Done {
        self.close();
        self.wait()
    }

    /// Waits for the end of the process, whose input may stay open.
    pub(crate) fn wait(mut self) -> Done {
        let status = self.wait_for_end();
        let input = self.stdin.take();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        drop(input);
        Done {
            code: status.code(),
            out: self.out.so_far(),
            err: String::from_utf8(self.err.so_far()).unwrap(),
        }
    }

    /// Waits for the end of the process alone: what it left in its pipes may still be unread.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended by itself unless the test failed; it is reaped either way.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Writes unless the process takes no more.
pub(crate) fn write(stdin: &mut ChildStdin, bytes: &[u8]) -> bool {
    match stdin.write_all(bytes) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
        Err(error) => panic!("stdin of the process: {error}"),
    }
}

/// Waits until `what` is `is_there`.
pub(crate) fn wait_until(what: &str, is_there: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come");
        thread::sleep(LOOK);
    }
}

/// What came out of a pipe so far.
#[derive(Default)]
struct Stream {
    bytes: Mutex<Vec<u8>>,
    more: Condvar,
}

impl Stream {
    fn collect(stream: &Arc<Self>, mut pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let stream = Arc::clone(stream);
        thread::spawn(move || {
            let mut piece = vec![0; 1 << 16];
            loop {
                match pipe.read(&mut piece).unwrap() {
                    0 => return,
                    count => {
                        let mut bytes = stream.bytes.lock().unwrap();
                        bytes.extend_from_slice(&piece[..count]);
                        stream.more.notify_all();
                    }
                }
            }
        })
    }

    fn wait_for(&self, what: &str, is_there: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut bytes = self.bytes.lock().unwrap();
        while !is_there(&bytes) {
            let waited;
            (bytes, waited) = self.more.wait_timeout(bytes, PATIENCE).unwrap();
            let end = &bytes[bytes.len().saturating_sub(1000)..];
            assert!(
                !waited.timed_out() || is_there(&bytes),
                "{what} does not come; {} bytes so far, at their end: {}",
                bytes.len(),
                String::from_utf8_lossy(end)
            );
        }
        bytes.clone()
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}
