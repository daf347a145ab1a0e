//! Input for the binary: small records that can be told apart, in every form.

#![allow(dead_code, reason = "a test uses the part that it needs")]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What an enrichment begins with.
pub(crate) const ENRICHMENT: &str = ",\"cloudhsm\":{\"version\":1,";

/// A record of another service.
pub(crate) fn other(n: usize) -> String {
    format!(r#"{{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","n":{n}}}"#)
}

/// A record of CloudHSM.
pub(crate) fn cloudhsm(n: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventSource":"cloudhsm.amazonaws.com","eventName":"DeleteHsm","n":{n}}}"#
    )
}

/// The records, one a line.
pub(crate) fn lines<S: AsRef<str>>(records: &[S]) -> String {
    records
        .iter()
        .flat_map(|record| [record.as_ref(), "\n"])
        .collect()
}

/// The records as CloudTrail delivers them.
pub(crate) fn log_file<S: AsRef<str>>(records: &[S]) -> String {
    let records: Vec<_> = records.iter().map(AsRef::as_ref).collect();
    format!("{{\"Records\":[{}]}}", records.join(","))
}

pub(crate) fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// An output line without its enrichment, and whether it had one.
///
/// The enrichment is what the law says: the member before the last brace, a JSON object.
pub(crate) fn without_enrichment(line: &str) -> (String, bool) {
    let Some((record, member)) = line.rsplit_once(ENRICHMENT) else {
        return (line.to_owned(), false);
    };
    let object = member.strip_suffix('}').unwrap();
    let object = format!("{{\"version\":1,{object}");
    serde_json::from_str::<serde_json::Map<_, _>>(&object).unwrap();
    (format!("{record}}}"), true)
}
