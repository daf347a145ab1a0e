//! The floor as a program: `floor FILE` parses every line and prints how many there are.
//!
//! A program of its own, so that its time and its CPU time are taken as those of the others are;
//! `benches/compare` builds and runs it.
#![expect(clippy::print_stdout, reason = "the count is its output")]

use std::fs::File;
use std::io;

mod tape;

fn main() -> io::Result<()> {
    let Some(file) = std::env::args().nth(1).filter(|file| file != "--bench") else {
        println!("usage: floor FILE; benches/compare runs it beside the others");
        return Ok(());
    };
    println!("{}", tape::Floor::default().run(File::open(file)?)?);
    Ok(())
}
