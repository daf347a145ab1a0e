//! Puts the operation catalogue and the severity of its calls into words.
//!
//! In → out: the name of an operation, or none; the text that `hsmtrail explain` prints.
//!
//! Invariants: **Severities, reasons and techniques are those that [`enrich`] gives to a made-up
//! event**, so that what is explained is what happens. Every rule for a known operation appears in
//! the entry of at least one.
//!
//! Not here: the catalogue and the rules ([`crate::enrich`]), the made-up events and the sentences
//! for reasons and techniques (`words`), printing (`main`).
//!
//! Failure: [`UnknownOperation`], which is a usage error.

mod words;

use crate::enrich::operation::{CATALOGUE, Operation, rows};
use crate::enrich::severity::{Reason, Technique};
use crate::enrich::{Severity, enrich};
use crate::suggest::nearest;
use words::Case;

/// The catalogue has no operation of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue has no operation `{}`{}", name.escape_debug(), hint(*nearest))]
pub struct UnknownOperation {
    /// The name as it was typed.
    pub name: String,
    /// The operation that was probably meant.
    pub nearest: Option<&'static str>,
}

fn hint(nearest: Option<&str>) -> String {
    nearest
        .map(|nearest| format!("; did you mean {nearest}?"))
        .unwrap_or_default()
}

/// The catalogue, one row an operation and generation.
pub fn table() -> String {
    let mut rows = vec![
        [
            "OPERATION",
            "API",
            "ACCESS",
            "ACTION",
            "RESOURCE",
            "DESTRUCTIVE",
            "SEVERITY",
        ]
        .map(str::to_owned),
    ];
    rows.extend(CATALOGUE.iter().map(|row| {
        let destructive = if row.destructive { "yes" } else { "no" };
        [
            row.name.to_owned(),
            row.generation.word().to_owned(),
            row.access.word().to_owned(),
            row.action.word().to_owned(),
            row.resource_type.word().to_owned(),
            destructive.to_owned(),
            range(row),
        ]
    }));
    let mut text = aligned("", &rows);
    text.push_str(
        "\nThe severity is that of a call that works, made through a role of the account itself.\n\
         'hsmtrail explain OPERATION' says what else it can be, and why.\n",
    );
    text
}

/// The entry of an operation, or both when the two generations share its name. Upper and lower
/// case are the same.
///
/// # Errors
///
/// The catalogue has no such operation.
pub fn operation(name: &str) -> Result<String, UnknownOperation> {
    let names = || CATALOGUE.iter().map(|row| row.name);
    let Some(known) = names().find(|known| known.eq_ignore_ascii_case(name)) else {
        return Err(UnknownOperation {
            name: name.to_owned(),
            nearest: nearest(name, names()),
        });
    };
    Ok(rows(known).map(entry).collect::<Vec<_>>().join("\n"))
}

/// One row of the catalogue in words.
fn entry(row: &Operation) -> String {
    let kind = if row.destructive { ", destructive" } else { "" };
    let mut text = format!("{} ({} API)\n\n", row.name, row.generation.word());
    text.push_str(&wrapped("  ", row.effect));
    row.matters
        .inspect(|matters| text.push_str(&wrapped("  ", matters)));
    text.push_str(&wrapped(
        "  ",
        &format!(
            "Access: {}{kind}. Action: {}. Resource: {}.",
            row.access.word(),
            row.action.word(),
            row.resource_type.word()
        ),
    ));

    let (mut verdicts, mut reasons, mut techniques) = (Vec::new(), Vec::new(), Vec::new());
    for case in Case::all(row) {
        let Some(verdict) = enrich(&case.event) else {
            continue;
        };
        verdicts.push([
            case.when.to_owned(),
            verdict.severity.word().to_owned(),
            list(verdict.attack.iter().map(|technique| technique.word())),
            list(verdict.reasons.iter().map(|reason| reason.word())),
        ]);
        add_new(&mut reasons, &verdict.reasons);
        add_new(&mut techniques, &verdict.attack);
    }
    section(&mut text, "What a call is worth", &verdicts);
    let reasons = reasons
        .iter()
        .map(|reason: &Reason| [reason.word(), words::reason(*reason)]);
    section(&mut text, "Reasons", &owned(reasons));
    let techniques = techniques
        .iter()
        .map(|one: &Technique| [one.word(), words::technique(*one)]);
    section(
        &mut text,
        "Techniques of MITRE ATT&CK v16",
        &owned(techniques),
    );
    text
}

/// The severities of the calls that work, from least to most.
fn range(row: &Operation) -> String {
    let worked = Case::worked(row);
    let severities = || {
        worked
            .iter()
            .filter_map(|case| enrich(&case.event))
            .map(|it| it.severity)
    };
    match (severities().min(), severities().max()) {
        (Some(least), Some(most)) if least != most => {
            format!("{} to {}", least.word(), most.word())
        }
        (_, most) => most.map(Severity::word).unwrap_or_default().to_owned(),
    }
}

fn add_new<T: Copy + PartialEq>(known: &mut Vec<T>, more: &[T]) {
    for item in more {
        if !known.contains(item) {
            known.push(*item);
        }
    }
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(", ")
    }
}

/// A heading and the rows under it, when there are any.
fn section<const N: usize>(text: &mut String, heading: &str, rows: &[[String; N]]) {
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(heading);
        text.push('\n');
        text.push_str(&aligned("  ", rows));
    }
}

fn owned<'a, const N: usize>(rows: impl Iterator<Item = [&'a str; N]>) -> Vec<[String; N]> {
    rows.map(|row| row.map(str::to_owned)).collect()
}

/// The rows as lines, each cell as wide as the widest of its column.
fn aligned<const N: usize>(indent: &str, rows: &[[String; N]]) -> String {
    let width = |column| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
    };
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{indent}{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// The sentences as lines that fit a terminal.
fn wrapped(indent: &str, sentences: &str) -> String {
    let (mut text, mut width) = (String::new(), usize::MAX);
    for word in sentences.split(' ') {
        if width.saturating_add(1 + word.len()) > 80 {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(indent);
            width = indent.len();
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += word.len();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_operation_of_each_generation() {
        let table = table();
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        for row in &CATALOGUE {
            let start = [
                row.name,
                row.generation.word(),
                row.access.word(),
                row.action.word(),
            ];
            let found = lines.iter().filter(|line| line.starts_with(&start)).count();
            assert_eq!(found, 1, "{start:?}");
        }
        for (name, end) in [
            ("DeleteCluster", "yes critical"),
            ("DeleteHapg", "yes high"),
            ("CreateCluster", "no low to high"),
            ("PutResourcePolicy", "no high to critical"),
            ("ModifyBackupAttributes", "no informational to medium"),
            ("DescribeClusters", "no informational"),
            ("CreateLunaClient", "no medium"),
        ] {
            let line = lines.iter().find(|line| line[0] == name).unwrap().join(" ");
            assert!(line.ends_with(end), "{line}");
        }
    }

    #[test]
    fn an_entry_says_what_a_call_is_worth_and_why() {
        let entry = operation("deletebackup").unwrap();
        assert!(entry.starts_with("DeleteBackup (v2 API)\n"), "{entry}");
        for words in [
            "works high T1490, T1485 backup_deleted",
            "is denied high T1485 denied_destructive",
            "fails otherwise medium - failed_destructive",
            "works, made by the root user critical T1490, T1485, T1078.004 backup_deleted, root_actor",
            "backup_deleted A backup was marked for deletion.",
            "T1490 Inhibit System Recovery",
        ] {
            let is_there =
                |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") == words;
            assert!(entry.lines().any(is_there), "no line {words:?} in\n{entry}");
        }
    }

    #[test]
    fn a_name_of_two_generations_has_both_entries() {
        let entry = operation("CreateHsm").unwrap();
        let v2 = entry.find("CreateHsm (v2 API)").unwrap();
        let classic = entry.find("\nCreateHsm (classic API)").unwrap();
        assert!(v2 < classic);
        let (v2_entry, classic_entry) = entry.split_at(classic);
        assert!(!v2_entry.contains("classic_change"));
        assert!(classic_entry.contains("classic_change"));
    }

    #[test]
    fn an_unknown_name_is_told_with_the_one_that_was_meant() {
        for (name, told) in [
            (
                "DeletBackup",
                "the catalogue has no operation `DeletBackup`; did you mean DeleteBackup?",
            ),
            ("zzz", "the catalogue has no operation `zzz`"),
        ] {
            assert_eq!(operation(name).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn made_up_events_are_what_their_row_says() {
        for row in &CATALOGUE {
            for case in Case::all(row) {
                let verdict = enrich(&case.event).unwrap();
                assert_eq!(
                    verdict.call.api, row.generation,
                    "{} {}",
                    row.name, case.when
                );
                assert!(verdict.call.known, "{}", row.name);
            }
        }
    }

    #[test]
    fn every_rule_is_explained_somewhere() {
        let mut explained = BTreeSet::new();
        for case in CATALOGUE.iter().flat_map(Case::all) {
            explained.extend(
                enrich(&case.event)
                    .unwrap()
                    .reasons
                    .iter()
                    .map(|reason| reason.word()),
            );
        }
        for reason in Reason::ALL
            .iter()
            .filter(|reason| **reason != Reason::UnknownOperation)
        {
            assert!(
                explained.contains(reason.word()),
                "no entry has {}",
                reason.word()
            );
        }
    }

    #[test]
    fn lines_of_prose_fit_a_terminal() {
        for row in &CATALOGUE {
            let entry = operation(row.name).unwrap();
            let prose = entry.lines().take_while(|line| !line.starts_with("What"));
            for line in prose {
                assert!(line.len() <= 80 && !line.ends_with(' '), "{line}");
            }
        }
    }
}
