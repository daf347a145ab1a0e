//! Names the known word that is nearest to a mistyped one.
//!
//! In → out: what a person typed and the words that exist, from [`crate::config`] and
//! [`crate::explain`]; the word that was probably meant, or nothing.
//!
//! Invariants: **The same words give the same answer**, and the measure and threshold are those
//! that clap uses for options, so that a typo is treated alike wherever it was made.
//!
//! Not here: suggestions for options on the command line, which clap makes itself.
//!
//! Failure: none.

/// The word of `known` that is most like `typed`, when one is like it at all.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::jaro(&typed, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let known = ["output", "on_reject", "rejects", "workers"];
        for (typed, meant) in [
            ("outptu", Some("output")),
            ("WORKER", Some("workers")),
            ("on-reject", Some("on_reject")),
            ("reject", Some("rejects")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
