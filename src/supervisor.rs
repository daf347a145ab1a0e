//! Looks after one run from outside its threads: signals, metrics, the progress bar.
//!
//! In → out: a [`Config`]; how the run ended ([`Ended`]).
//!
//! Invariants: **On SIGTERM and SIGINT the run stops reading, writes what it has read and ends.**
//! **When nobody takes its output for [`PATIENCE`] after that, it is given up**, and so it is at a
//! second signal. SIGHUP has the output files opened anew and never ends the run. The metrics file
//! is written a last time before the process ends, and with it stdout; so is what the host is told.
//!
//! Not here: the data path (`pipeline`), the exit status (`main`).
//!
//! Failure: what cannot be opened for writing is an [`Error`]; a metrics address that is taken and
//! a metrics file that cannot be written are messages, and the filter goes on.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Input, StderrProtocol};
use crate::metrics::{Address, Endpoint, HadoopReport, Metrics, TextFile};
use crate::pipeline::{self, Kept, Outputs, Summary};
use crate::sink::{Access, Progress, Sink, SinkError};
use crate::source::{FileId, Source, StopSignal, StopTrigger, stop_pair};
use crate::state::{State, StateError};

/// How long after a signal the reader of the output may take nothing before it is given up.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// How often it is looked whether it took something.
const LOOK: Duration = Duration::from_millis(20);

/// How often the metrics file is written: `node_exporter` is scraped about as often.
const METRICS_FILE_INTERVAL: Duration = Duration::from_secs(15);

/// How often the host is told on stderr how the run goes. Hadoop takes note as often, and ends a task
/// that gives no sign of life for 600 s.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// More than the runtime opens: for events, for waking it, and two pairs of sockets for signals.
const RUNTIME_DESCRIPTORS: usize = 12;

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// What it amounts to, or why it ended early.
    pub result: Result<Summary, Error>,
    /// The signal that ended it.
    pub by: Option<StopCause>,
}

/// A signal that ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Why a run could not begin, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data path failed.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// An output cannot be opened, or its last line is torn.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// How far an earlier run had come cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system refused something that every run needs.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// Nobody took the output after a signal.
    #[error("nobody took the output; it ends early, and its last line may be cut short")]
    GivenUp,
    /// A second signal came.
    #[error("ended at once by a second signal; the last line may be cut short")]
    SecondSignal,
}

/// Runs the filter to its end.
pub fn run(config: &Config) -> Ended {
    let (supervisor, signals) = match start(config) {
        Ok(started) => started,
        Err(error) => {
            return Ended {
                result: Err(error),
                by: None,
            };
        }
    };
    let ended = supervisor.watch(config, signals);
    supervisor.close(config, ended)
}

/// A run and all that belongs to it.
struct Supervisor {
    runtime: Runtime,
    metrics: Arc<Metrics>,
    outputs: Arc<Mutex<Outputs>>,
    progress: Vec<Arc<Progress>>,
    trigger: Arc<StopTrigger>,
    signal: StopSignal,
    endpoint_stop: CancellationToken,
    /// Until it could not be written the last time.
    is_metrics_file_written: AtomicBool,
    bar: ProgressBar,
    report: Option<Arc<Mutex<HadoopReport>>>,
}

fn start(config: &Config) -> Result<(Supervisor, Signals), Error> {
    let (trigger, signal) = stop_pair()?;
    let outputs = open_outputs(config, &signal)?;
    find_room()?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("runtime")
        .enable_all()
        .build()?;
    // Not before the outputs are open, for only a signal that kills ends the wait for the reader
    // of a FIFO; not after the first byte is written, for then it must not kill any more.
    let signals = {
        let _context = runtime.enter();
        Signals::new()?
    };
    let (rejects, replies) = (outputs.rejects.as_ref(), outputs.replies.as_ref());
    let sinks = [Some(&outputs.records), rejects, replies]
        .into_iter()
        .flatten();
    let progress = sinks.map(Sink::progress);
    let bar = progress_bar(config, &outputs.records);
    let is_exported = config.metrics_listen.is_some() || config.metrics_file.is_some();
    let supervisor = Supervisor {
        runtime,
        metrics: Arc::new(if is_exported {
            Metrics::new()
        } else {
            Metrics::off()
        }),
        progress: progress.collect(),
        outputs: Arc::new(Mutex::new(outputs)),
        trigger: Arc::new(trigger),
        signal,
        endpoint_stop: CancellationToken::new(),
        is_metrics_file_written: AtomicBool::new(true),
        bar,
        report: match config.stderr_protocol {
            StderrProtocol::None => None,
            StderrProtocol::Hadoop => Some(Arc::default()),
        },
    };
    Ok((supervisor, signals))
}

/// Sees that the runtime will find the descriptors and the thread that it needs, as it panics when
/// it cannot have them.
fn find_room() -> io::Result<()> {
    let descriptor = || io::stderr().as_fd().try_clone_to_owned();
    let found: Vec<OwnedFd> = (0..RUNTIME_DESCRIPTORS)
        .map(|_| descriptor())
        .collect::<io::Result<_>>()?;
    drop(found);
    let thread = std::thread::Builder::new().spawn(|| {})?;
    // It does nothing, so it does not panic.
    let (Ok(()) | Err(_)) = thread.join();
    Ok(())
}

/// Opens what is written; no input may be among it.
fn open_outputs(config: &Config, signal: &StopSignal) -> Result<Outputs, Error> {
    let mut taken = if writes_a_file(config) {
        ids_of_inputs(config, signal)
    } else {
        Vec::new()
    };
    let kept = match &config.state {
        Some(path) => Some(Kept {
            path: path.clone(),
            state: State::read(path)?.unwrap_or_default(),
        }),
        None => None,
    };
    let open = |path, access, taken: &[FileId]| match &kept {
        None if config.ack.is_some() => Sink::keep(path, access, taken),
        Some(kept) => Sink::resume(path, access, taken, |id| kept.state.length(id)),
        None => Sink::create(path, access, taken),
    };
    let records = match &config.output {
        Some(path) => open(path, Access::Umask, &taken)?,
        None => Sink::stdout(&taken)?,
    };
    taken.extend(records.id());
    let rejects = match &config.rejects {
        Some(path) => Some(open(path, Access::Owner, &taken)?),
        None => None,
    };
    taken.extend(rejects.as_ref().and_then(Sink::id));
    for sink in [Some(&records), rejects.as_ref()].into_iter().flatten() {
        if sink.cut_before() > 0 {
            let (name, bytes) = (sink.name(), sink.cut_before());
            tracing::warn!(
                "{name} did not end with a whole line; its last {bytes} bytes were cut off"
            );
        }
    }
    let replies = match config.ack {
        Some(_) => Some(Sink::stdout(&taken)?),
        None => None,
    };
    // They are replaced without being opened, so nothing else would notice another spelling of a
    // path.
    let metrics_file = config.metrics_file.as_ref().map(TextFile::path);
    for path in [metrics_file, config.state.as_deref()]
        .into_iter()
        .flatten()
    {
        if FileId::of_path(path).is_some_and(|id| taken.contains(&id)) {
            let name = path.display().to_string();
            return Err(SinkError::SameFile { name }.into());
        }
    }
    Ok(Outputs {
        records,
        rejects,
        kept,
        replies,
    })
}

fn ids_of_inputs(config: &Config, signal: &StopSignal) -> Vec<FileId> {
    let id_of = |input: &Input| match input {
        Input::File(path) => FileId::of_path(path),
        Input::Stdin => Source::stdin(signal.clone()).ok()?.id(),
        Input::Listen(_) => None,
    };
    config.inputs.iter().filter_map(id_of).collect()
}

/// Whether anything that is written could be an input. A thousand inputs take 3 ms to look at, in
/// which nothing is read yet.
fn writes_a_file(config: &Config) -> bool {
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let stdout = stdout.and_then(|stdout| stdout.metadata());
    let paths = [&config.output, &config.rejects, &config.state];
    stdout.is_ok_and(|stdout| FileId::of(&stdout).is_some())
        || config.metrics_file.is_some()
        || paths.into_iter().any(Option::is_some)
}

/// A bar on a terminal when files are read and a file is written: whoever else reads the records
/// may draw on the same terminal.
fn progress_bar(config: &Config, records: &Sink) -> ProgressBar {
    let paths: Option<Vec<&Path>> = config.inputs.iter().map(Input::path).collect();
    let is_shown = io::stderr().is_terminal() && records.id().is_some();
    let Some(paths) = paths.filter(|_| is_shown) else {
        return ProgressBar::hidden();
    };
    let size_of = |path: &&Path| {
        let file = fs::metadata(path).ok()?;
        file.is_file().then_some(file.len())
    };
    // How much a directory or a pattern stands for is not known before it is read.
    let sizes: Option<Vec<u64>> = paths.iter().map(size_of).collect();
    let (bar, style) = match sizes {
        Some(sizes) => (
            ProgressBar::new(sizes.iter().sum()),
            "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}",
        ),
        None => (ProgressBar::no_length(), "{bytes} read, {bytes_per_sec}"),
    };
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Supervisor {
    /// Starts the threads of the data path and waits for their end, or gives them up.
    fn watch(&self, config: &Config, signals: Signals) -> Ended {
        let (done, ended) = oneshot::channel();
        let thread = {
            let config = config.clone();
            let outputs = Arc::clone(&self.outputs);
            let metrics = Arc::clone(&self.metrics);
            let trigger = Arc::clone(&self.trigger);
            let signal = self.signal.clone();
            let bar = self.bar.clone();
            std::thread::Builder::new()
                .name("pipeline".to_owned())
                .spawn(move || {
                    let progress = |raw_bytes| bar.inc(raw_bytes);
                    let stop = (&*trigger, &signal);
                    let result = pipeline::run(&config, &outputs, &metrics, stop, &progress);
                    // Outputs that are still held count as given up.
                    drop(outputs);
                    // Nobody waits any more when the run was given up.
                    let (Ok(()) | Err(_)) = done.send(result);
                })
        };
        if let Err(error) = thread {
            return Ended {
                result: Err(error.into()),
                by: None,
            };
        }
        self.runtime
            .block_on(self.watch_signals(config, signals, ended))
    }

    async fn watch_signals(
        &self,
        config: &Config,
        mut signals: Signals,
        mut ended: oneshot::Receiver<Result<Summary, pipeline::Error>>,
    ) -> Ended {
        self.serve_metrics(config).await;
        let mut metrics_file = interval(METRICS_FILE_INTERVAL);
        let mut report = interval_at(Instant::now() + REPORT_INTERVAL, REPORT_INTERVAL);
        let mut by = None;
        let mut stall = Stall::default();
        loop {
            tokio::select! {
                result = &mut ended => {
                    let result = match result {
                        Ok(result) => result.map_err(Error::from),
                        Err(_) => Err(pipeline::Error::Fault("pipeline").into()),
                    };
                    return Ended { result, by };
                }
                received = signals.next() => match received {
                    Received::HangUp => self.reopen_outputs(),
                    Received::Stop(_) if by.is_some() => {
                        return Ended { result: Err(Error::SecondSignal), by };
                    }
                    Received::Stop(cause) => {
                        by = Some(cause);
                        self.trigger.stop();
                        stall.begin(self.written());
                    }
                },
                () = stall.look(), if by.is_some() => {
                    if stall.is_over(self.written(), self.is_waiting()) {
                        return Ended { result: Err(Error::GivenUp), by };
                    }
                }
                _ = metrics_file.tick(), if config.metrics_file.is_some() => {
                    self.write_metrics_file(config);
                }
                _ = report.tick(), if self.report.is_some() => self.tell_host(),
            }
        }
    }

    /// Bytes written to all outputs.
    fn written(&self) -> u64 {
        self.progress.iter().map(|sink| sink.written()).sum()
    }

    /// Whether an output is not taken. If none is, the run has just not come to its end, as on a
    /// machine that has much else to do.
    fn is_waiting(&self) -> bool {
        self.progress.iter().any(|sink| sink.is_waiting())
    }

    async fn serve_metrics(&self, config: &Config) {
        let Some(address) = &config.metrics_listen else {
            return;
        };
        match Endpoint::bind(address).await {
            Ok(endpoint) => {
                match endpoint.address() {
                    Address::Tcp(..) => {
                        tracing::info!("metrics on http://{}/metrics", endpoint.address());
                    }
                    Address::Unix(_) => tracing::info!("metrics on {}", endpoint.address()),
                }
                let metrics = Arc::clone(&self.metrics);
                tokio::spawn(endpoint.serve(metrics, self.endpoint_stop.clone()));
            }
            Err(error) => tracing::warn!("{}; the filter works on without", with_cause(&error)),
        }
    }

    /// That it cannot be written is told when it begins.
    fn write_metrics_file(&self, config: &Config) {
        let Some(file) = &config.metrics_file else {
            return;
        };
        let written = self.metrics.write_file(file);
        let was_written = self
            .is_metrics_file_written
            .swap(written.is_ok(), Ordering::Relaxed);
        match written {
            Err(error) if was_written => {
                tracing::error!("{}; the filter works on without", with_cause(&error));
            }
            Ok(()) if !was_written => {
                tracing::info!(
                    "the metrics file {} is written again",
                    file.path().display()
                );
            }
            _ => {}
        }
    }

    /// On a thread of its own, because stderr may be a pipe that nobody reads. Then the lock is held
    /// by who waits for it, and the others leave it at that.
    fn tell_host(&self) {
        let Some(report) = self.report.clone() else {
            return;
        };
        let metrics = Arc::clone(&self.metrics);
        tokio::task::spawn_blocking(move || {
            if let Ok(mut report) = report.try_lock() {
                write_stderr(&report.next(&metrics.totals()));
            }
        });
    }

    /// On a thread of its own, because the writer may hold the outputs for long.
    fn reopen_outputs(&self) {
        let outputs = Arc::clone(&self.outputs);
        tokio::task::spawn_blocking(move || {
            let mut outputs = outputs.lock().unwrap_or_else(PoisonError::into_inner);
            match outputs.reopen() {
                Ok(()) => tracing::info!("the output files were opened anew"),
                Err(error) => tracing::error!("{error}; the file that was open stays in use"),
            }
        });
    }

    /// Leaves everything as it has to be left.
    fn close(self, config: &Config, mut ended: Ended) -> Ended {
        self.bar.finish_and_clear();
        self.endpoint_stop.cancel();
        self.write_metrics_file(config);
        // A reopening that is under way holds the outputs.
        self.runtime.shutdown_timeout(PATIENCE);
        if let Some(report) = &self.report
            && let Ok(mut report) = report.try_lock()
        {
            write_stderr(&report.last(&self.metrics.totals()));
        }
        // Outputs that are still held belong to a run that was given up.
        if let Some(outputs) = Arc::into_inner(self.outputs) {
            let closed = outputs
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .finish();
            if let (Ok(_), Err(error)) = (&ended.result, closed) {
                ended.result = Err(error.into());
            }
        }
        ended
    }
}

/// The signals that mean something.
struct Signals {
    /// Nothing when whoever started the process has it ignore the signal: a shell in the background,
    /// rsyslog.
    interrupt: Option<Signal>,
    terminate: Signal,
    hangup: Signal,
    /// Not waited for: that it is handled makes a limit on file size an error of write(2).
    _file_size: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: if is_ignored(rustix::process::Signal::INT) {
                None
            } else {
                Some(signal(SignalKind::interrupt())?)
            },
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    async fn next(&mut self) -> Received {
        tokio::select! {
            _ = received(self.interrupt.as_mut()) => Received::Stop(StopCause::Interrupt),
            _ = self.terminate.recv() => Received::Stop(StopCause::Terminate),
            _ = self.hangup.recv() => Received::HangUp,
        }
    }
}

async fn received(signal: Option<&mut Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether the process was started with this signal ignored. Only Linux tells without unsafe code.
fn is_ignored(signal: rustix::process::Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    mask & (1 << (signal.as_raw() - 1)) != 0
}

/// A signal that came.
enum Received {
    Stop(StopCause),
    HangUp,
}

/// Whether anybody still takes the output.
struct Stall {
    written: u64,
    since: Instant,
}

impl Default for Stall {
    fn default() -> Self {
        Self {
            written: 0,
            since: Instant::now(),
        }
    }
}

impl Stall {
    fn begin(&mut self, written: u64) {
        *self = Self {
            written,
            since: Instant::now(),
        };
    }

    async fn look(&self) {
        sleep_until(Instant::now() + LOOK).await;
    }

    fn is_over(&mut self, written: u64, is_waiting: bool) -> bool {
        if written != self.written || !is_waiting {
            self.begin(written);
        }
        self.since.elapsed() >= PATIENCE
    }
}

/// A stderr that is closed takes nothing.
fn write_stderr(lines: &str) {
    let (Ok(()) | Err(_)) = io::stderr().write_all(lines.as_bytes());
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
