//! Takes CloudTrail from TCP connections: framing under tokio, with `FramedRead`.
//!
//! ```text
//! cargo run --example framed_read -- 127.0.0.1:5170 &
//! zcat examples/data/AWSLogs/*/CloudTrail/*/*/*/*/*.json.gz > /dev/tcp/127.0.0.1/5170
//! ```
//!
//! (`/dev/tcp` is a word of bash.) Each connection is a source with a form of its own. A batch goes
//! through the same [`Worker`] as in `hsmtrail`; what is printed are the CloudHSM events. A record
//! is printed once its line has ended, where `hsmtrail` itself waits no longer than its flush
//! interval.

use std::error::Error;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use hsmtrail::config::{Envelope, Select, Validate};
use hsmtrail::framing::{InputForm, RecordDecoder};
use hsmtrail::pipeline::Limits;
use hsmtrail::pipeline::output::Output;
use hsmtrail::pipeline::worker::Worker;
use tokio::io::AsyncRead;
use tokio::net::TcpListener;
use tokio_util::codec::FramedRead;

const LIMITS: Limits = Limits {
    select: Select::CloudHsm,
    validate: Validate::All,
    envelope: Envelope::Unwrap,
    max_record_bytes: 1 << 20,
    paranoid: false,
    stop_at_reject: false,
    keys: false,
};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("which address? for example 127.0.0.1:5170")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (connection, peer) = listener.accept().await?;
            let rejected = enrich(connection, &mut io::stdout()).await?;
            writeln!(io::stderr(), "{peer}: {rejected} rejected")?;
        }
    })
}

/// Writes the CloudHSM events that `source` brings until its end, and says how many of its records
/// were rejected.
pub(crate) async fn enrich(
    source: impl AsyncRead + Unpin,
    output: &mut impl Write,
) -> Result<usize, Box<dyn Error>> {
    let records = RecordDecoder::new(InputForm::Auto, LIMITS.max_record_bytes);
    let mut batches = FramedRead::new(source, records);
    let mut worker = Worker::new(LIMITS);
    let mut done = Output::default();
    let mut rejected = 0;
    while let Some(batch) = batches.next().await {
        worker.process(&batch?, now_ms(), &mut done);
        output.write_all(&done.lines)?;
        rejected += done.rejects.len();
    }
    Ok(rejected)
}

/// The time in milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
