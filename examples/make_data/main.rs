//! Writes the example data: `cargo run --example make_data`.
//!
//! The log files of a week go below `examples/data/AWSLogs`, and what is true of them to
//! `examples/data/expected.json`. A file whose text is right already is left alone, so that the
//! tree stays as it is even where another version of the compressor writes other bytes.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

mod actors;
#[path = "../../benches/corpus/mod.rs"]
mod corpus;
mod story;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let (files, truth) = story::week();
    for file in &files {
        let path = root.join(&file.path);
        if text_of(&path).ok().as_deref() != Some(&file.content) {
            write(&path, &file.content)?;
        }
    }
    fs::write(root.join("expected.json"), truth.json()?)
}

fn text_of(path: &Path) -> io::Result<String> {
    io::read_to_string(MultiGzDecoder::new(fs::File::open(path)?).take(64 << 20))
}

/// gzip without a name or a time, so that the bytes follow from the text.
fn write(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(fs::File::create(path)?, Compression::best());
    gzip.write_all(text.as_bytes())?;
    gzip.finish()?.flush()
}
