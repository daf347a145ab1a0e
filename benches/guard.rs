//! The work of one reader and one worker, for `benches/guard` to count its instructions.
//!
//! `guard CASE` makes a small corpus, takes it through the filter (see `filter`), and does that a
//! second time in [`counted`], which callgrind looks at alone: by then buffers have grown and the
//! processor's features are known. It prints how many bytes and records that were. Without a case
//! it does them all.
#![expect(clippy::print_stdout, reason = "what was counted is its output")]

use std::io;

use hsmtrail::config::{Select, Validate};

mod corpus;
mod filter;

use corpus::{Corpus, Form, Share};
use filter::Filter;

/// Enough for the differences between records to even out, little enough for callgrind.
const SIZE: usize = 2_000_000;

/// What is counted, by the names that `benches/guard.json` has.
const CASES: [(&str, Share, Validate, Select); 3] = [
    ("mixed", Share::Mixed, Validate::All, Select::All),
    ("all", Share::All, Validate::All, Select::All),
    (
        "matching",
        Share::Mixed,
        Validate::Matching,
        Select::CloudHsm,
    ),
];

fn main() -> io::Result<()> {
    let wanted = std::env::args().nth(1).filter(|name| name != "--bench");
    for (name, share, validate, select) in CASES {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            let corpus = corpus::corpus(share, Form::Ndjson, 1, SIZE);
            let mut filter = Filter::new(validate, select);
            filter.run(&corpus)?;
            counted(&mut filter, &corpus)?;
            println!("{} {}", corpus.bytes.len(), corpus.records);
        }
    }
    Ok(())
}

/// The run under a name that callgrind can find.
#[inline(never)]
fn counted(filter: &mut Filter, corpus: &Corpus) -> io::Result<()> {
    filter.run(corpus)
}
