//! Framing: how an input is cut into reads changes nothing, nothing is left out, and damage costs
//! its own record only.

use hsmtrail::framing::{FrameKind, InputForm};

use crate::frames::{Found, of_pieces};
use crate::input::{Choices, Cuts};

const FORMS: [InputForm; 3] = [InputForm::Auto, InputForm::Lines, InputForm::Document];

/// Without any of these no array is one of records but at the root.
const NAMES: [&[u8]; 4] = [b"ecords", b"vents", b"ResultRows", b"\\u"];

/// Checks the framing of one input.
pub fn check(data: &[u8]) {
    let mut choices = Choices::of(data);
    let form = choices.one_of(&FORMS);
    let max = choices.one_of(&[1 << 20, 10, 25, 60, 1000]);
    let idle = choices.byte() % 2 == 1;
    let cuts = choices.bytes(4);
    let text = choices.text();

    let whole = of_pieces(std::iter::once(&text[..]), form, max, false);
    let cut = of_pieces(Cuts::of(cuts).pieces(&text), form, max, idle);
    assert_eq!(cut, whole, "law 4: cut into {cuts:?}");
    if text.len() <= 1024 {
        let bytes = of_pieces(text.chunks(1), form, max, idle);
        assert_eq!(bytes, whole, "law 4: byte by byte");
    }
    in_place(&text, &whole);
    nothing_is_left_out(&text, &whole);
    damage_costs_its_line(&text, max);
    balanced_damage_costs_its_record(&text);
}

/// Frames are in order, do not overlap, and hold the bytes of their place.
fn in_place(text: &[u8], frames: &[Found]) {
    let mut end = 0;
    for frame in frames {
        let start = usize::try_from(frame.offset).expect("an offset in the text");
        assert!(start >= end, "law 3: {frame:?} begins before byte {end}");
        end = start + frame.bytes.len();
        assert_eq!(text.get(start..end), Some(&frame.bytes[..]), "law 1");
    }
}

/// What is in no frame are blanks, commas, byte order marks and brackets around records.
fn nothing_is_left_out(text: &[u8], frames: &[Found]) {
    let holds = |name: &[u8]| text.windows(name.len()).any(|window| window == name);
    if NAMES.iter().any(|name| holds(name)) {
        return;
    }
    let mut at = 0;
    let end = (text.len() as u64, 0);
    let places = frames.iter().map(|frame| (frame.offset, frame.bytes.len()));
    for (start, length) in places.chain([end]) {
        let start = usize::try_from(start).expect("an offset in the text");
        let is_between = |byte: &u8| b" \t\r\n,[]}\xEF\xBB\xBF".contains(byte);
        assert!(
            text[at..start].iter().all(is_between),
            "law 2: {} is in no frame",
            text[at..start].escape_ascii()
        );
        at = start + length;
    }
}

fn objects(input: &[u8], form: InputForm, max: usize) -> Vec<Vec<u8>> {
    of_pieces(std::iter::once(input), form, max, false)
        .into_iter()
        .filter(|found| matches!(found.kind, FrameKind::Object { .. }))
        .map(|found| found.bytes)
        .collect()
}

/// The objects on all other lines come out, whatever stands between.
fn damage_costs_its_line(text: &[u8], max: usize) {
    let damaged: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !b"\r\n".contains(byte))
        .collect();
    // A line that is only one of these opens a document, which ends in its column.
    let bare: Vec<u8> = damaged
        .iter()
        .copied()
        .filter(|byte| !b" \t\xEF\xBB\xBF".contains(byte))
        .collect();
    if bare == b"{" || bare == b"[" || bare.ends_with(b":[") {
        return;
    }
    let records: [&[u8]; 4] = [b"{\"n\":0}", b"{\"n\":1}", b"{\"n\":2}", b"{\"n\":3}"];
    let lines = [
        records[0], records[1], &damaged, records[2], records[3], b"",
    ];
    let found = objects(&lines.join(&b'\n'), InputForm::Lines, max);
    assert!(
        found.len() >= 4,
        "law 5: of four objects there are {found:?}"
    );
    assert_eq!(found[..2], records[..2], "law 5: before the line");
    assert_eq!(
        found[found.len() - 2..],
        records[2..],
        "law 5: behind the line"
    );
}

/// Where quotes and brackets balance, the records beside it come out in every form.
fn balanced_damage_costs_its_record(text: &[u8]) {
    let damaged = [b"{", &balanced(text)[..], b"}"].concat();
    for (open, between, close) in [
        ("", "\n", "\n"),
        ("{\"Records\":[", ",", "]}"),
        ("{\"Records\":[", ",\n", "]}\n"),
        ("[", ",", "]"),
        ("[\n", ",\n", "\n]\n"),
        ("", "", ""),
    ] {
        let records: [&[u8]; 5] = [
            b"{\"n\":0}",
            b"{\"n\":1}",
            &damaged,
            b"{\"n\":2}",
            b"{\"n\":3}",
        ];
        let input = [
            open.as_bytes(),
            &records.join(between.as_bytes()),
            close.as_bytes(),
        ]
        .concat();
        let found = objects(&input, InputForm::Auto, 1 << 20);
        let said = || input.escape_ascii().to_string();
        assert!(
            found.len() >= 4,
            "law 5: of four objects there are {found:?} in {}",
            said()
        );
        assert_eq!(found[..2], records[..2], "law 5: before, in {}", said());
        assert_eq!(
            found[found.len() - 2..],
            records[3..],
            "law 5: behind, in {}",
            said()
        );
    }
}

/// The text without line breaks and brackets, and with its last string closed.
fn balanced(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut in_string, mut escaped) = (false, false);
    for &byte in text.iter().filter(|byte| !b"\r\n".contains(byte)) {
        match byte {
            b'{' | b'}' | b'[' | b']' if !in_string => continue,
            // Outside strings too: JSON that was escaped once too often is common damage.
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        out.push(byte);
    }
    if escaped {
        out.push(b'\\');
    }
    if in_string {
        out.push(b'"');
    }
    out
}
