//! Cuts a byte stream into records by the input grammar.
//!
//! In → out: the bytes of one source, in pieces of any size, with what is still open at the front;
//! out come [`Frame`]s: ranges of those bytes, in order.
//!
//! Invariants: **The frames do not depend on how the input was cut into pieces.** **A frame of
//! kind `Object` starts at `{` and ends where its brackets balance.** In lines a line break ends
//! whatever is open. In a document, damage lasts until a line whose first byte that is no blank is
//! a `{` in the column of the damaged record's `{`. Nothing is held but the one open record, and of
//! that only as much as a record may have.
//!
//! Not here: the scan inside a value (`scanner`), the members of a document (`members`), buffers
//! and batches (`decoder`), JSON's grammar (`decode`): a balanced frame may still be malformed.
//!
//! Failure: none. Damage is a frame too.
//!
//! An array of another name than `Records`, such as `Events`, is one of records when an element in
//! it is or holds an event or a notice; then framing goes back to its start. Until then the object around it is
//! one that may be a record, and is held as such.
//!
//! Two things go further than the rule of columns says, so that less is lost:
//! a record is known to be damaged already at a line that starts with `{` in its own column when
//! JSON allows no value there (`pairing`); and an element that no comma separates from the one
//! before it may be a log file, as when a cut file and a whole one stand back to back.

use super::members::{Document, Found, Members};
use super::pairing::Pairing;
use super::scanner::{Scanner, Stop};
use super::{Damage, Frame, FrameKind, Seen, starts_like_event};
use crate::envelope::Element;
use std::ops::Range;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How a source is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Not known before the first line break.
    Undecided,
    /// One or more values a line.
    Lines,
    /// Values that may span lines.
    Document,
}

/// The state of framing one source.
#[derive(Debug, Clone)]
pub(super) struct Framer {
    max_record_bytes: usize,
    layout: Layout,
    /// In lines: inside a document that a line of its own opened.
    embedded: bool,
    place: Place,
    /// Framing resumed after damage, so closing brackets and commas may close nothing that is
    /// known to be open, and an object may be a log file of its own.
    resynced: bool,
    /// In an array: the next element is the first or follows a comma.
    separated: bool,
    open: Option<Open>,
    line: Line,
    /// The column of the last `{` that began a record.
    column: isize,
}

/// The current line.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// Where it starts; negative when that was given away already.
    start: isize,
    /// In lines: so far it is only `{`, `[` or `{"Records":[`, blanks aside.
    only_opens: bool,
}

/// What stands around the next value.
#[derive(Debug, Clone)]
enum Place {
    /// Nothing.
    Top,
    /// A document's object, outside its arrays of records.
    Object(Members),
    /// An array of records in such an object.
    Records(Document),
    /// An array of rows of records in such an object, a carrier.
    Rows,
    /// An array at the top.
    RootArray,
}

/// The value, or the damage, that is open.
#[derive(Debug, Clone)]
struct Open {
    /// Where it starts in the bytes at hand.
    start: usize,
    /// How many of its bytes were given away, because it is too long to hold.
    given_away: usize,
    state: State,
    column: isize,
    spans_lines: bool,
    /// Only blanks came since the line break that starts here.
    fresh_line: Option<usize>,
    pairing: Pairing,
    /// The array in this candidate that may turn out to hold records.
    array: MaybeRecords,
}

/// An array of which it is not known yet whether its elements are records. Places are counted from
/// the start of the object around it.
#[derive(Debug, Clone, Default)]
struct MaybeRecords {
    /// Behind its bracket.
    start: usize,
    /// Where the line starts that the bracket is in.
    line_start: isize,
    /// Its elements are rows.
    rows: bool,
    /// Where its last element starts.
    element: usize,
}

#[derive(Debug, Clone)]
enum State {
    /// An object that may turn out to be a log file.
    Candidate(Members),
    /// An object that is a record.
    Object(Scanner),
    /// An element that is an array.
    Array(Scanner),
    /// A string where a record should stand.
    Text { escaped: bool },
    /// Anything else where a record should stand.
    Bare,
    /// Bytes that are skipped until framing resumes.
    Damage(Damage),
}

impl Framer {
    pub(super) fn new(layout: Layout, max_record_bytes: usize) -> Self {
        Self {
            max_record_bytes,
            layout,
            embedded: false,
            place: Place::Top,
            resynced: false,
            separated: true,
            open: None,
            line: Line {
                start: 0,
                only_opens: layout == Layout::Lines,
            },
            column: 0,
        }
    }

    /// In lines, before the first byte of a line, with nothing open: what follows can be cut at
    /// line breaks and framed elsewhere.
    pub(super) fn is_at_line_start(&self, at: usize) -> bool {
        self.layout == Layout::Lines
            && !self.embedded
            && self.open.is_none()
            && matches!(self.place, Place::Top)
            && isize::try_from(at).is_ok_and(|at| at == self.line.start)
    }

    /// How the source is laid out, as far as that is known.
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// Before a value that stands in nothing else, so that what follows could be framed by itself.
    pub(super) fn is_at_top(&self) -> bool {
        matches!(self.place, Place::Top) && !self.embedded && !self.resynced
    }

    /// What is open and must be kept: its start, and how many bytes of it were given away before.
    pub(super) fn open_record(&self) -> Option<(usize, usize)> {
        self.open.as_ref().map(|open| (open.start, open.given_away))
    }

    /// The end of the bytes that surely belong to the open record, when `at` was reached: a line
    /// break and the blanks after it may turn out to stand behind it.
    pub(super) fn sure_end(&self, at: usize) -> usize {
        self.open
            .as_ref()
            .and_then(|open| open.fresh_line)
            .unwrap_or(at)
    }

    /// The first `n` bytes at hand were given away; bytes of an open record count as given away.
    pub(super) fn give_away(&mut self, n: usize) {
        if let Some(open) = &mut self.open {
            open.given_away += n.saturating_sub(open.start);
            open.start = open.start.saturating_sub(n);
            open.fresh_line = open.fresh_line.map(|at| at.saturating_sub(n));
        }
        self.line.start = self.line.start.saturating_sub_unsigned(n);
    }

    /// Looks at `bytes` from `at` on and appends the frames that end there. Returns how far it
    /// came: to the end of `bytes`, to a byte order mark that is cut, or, with `leave_lines`, to
    /// the next start of a line from which on lines can be framed elsewhere.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        leave_lines: bool,
        frames: &mut Vec<Frame>,
    ) -> usize {
        while let Some(&byte) = bytes.get(at) {
            match self.open.take() {
                Some(open) => at = self.inside(open, bytes, at, frames),
                None => match self.between(byte, bytes, at, frames) {
                    Some(next) => at = next,
                    None => return at,
                },
            }
            if leave_lines && self.is_at_line_start(at) {
                break;
            }
        }
        at
    }

    /// The input ended after `bytes`, which were looked at up to `at`.
    pub(super) fn finish(&mut self, bytes: &[u8], at: usize, frames: &mut Vec<Frame>) {
        let end = bytes.len();
        let Some(open) = self.open.take() else {
            let in_array = !matches!(self.place, Place::Top | Place::Object(_));
            if at < end {
                frames.push(Frame::new(at..end, FrameKind::Damaged(Damage::NoValue)));
            } else if in_array && !self.resynced {
                frames.push(Frame::new(end..end, FrameKind::Truncated));
            }
            return;
        };
        let range = open.start..open.fresh_line.unwrap_or(end);
        let kind = match open.state {
            State::Bare if matches!(self.place, Place::Top) => {
                self.bare_at_top(bytes, &open, range.end)
            }
            State::Damage(damage) => FrameKind::Damaged(damage),
            _ => FrameKind::Truncated,
        };
        frames.push(Frame::new(range, kind));
    }

    /// The rule for a line break here and now.
    fn layout_here(&self) -> Layout {
        if self.embedded {
            Layout::Document
        } else {
            self.layout
        }
    }

    // Between values.

    /// Looks at one byte between values, or at more inside a log file's object. `None`: the rest
    /// of a byte order mark is missing.
    fn between(
        &mut self,
        byte: u8,
        bytes: &[u8],
        at: usize,
        frames: &mut Vec<Frame>,
    ) -> Option<usize> {
        if matches!(self.place, Place::Object(_)) {
            return Some(self.in_log_file(bytes, at, frames));
        }
        let at_top = matches!(self.place, Place::Top);
        match byte {
            b' ' | b'\t' => {}
            b'\n' | b'\r' => return Some(self.line_break_between(at, frames)),
            b'{' => return Some(self.open_object(bytes, at)),
            b'[' if at_top => {
                self.place = Place::RootArray;
                (self.separated, self.resynced) = (true, false);
            }
            b'[' => return Some(self.open(at, State::Array(Scanner::at_depth(0)))),
            b'"' => return Some(self.open(at, State::Text { escaped: false }) + 1),
            b',' if !at_top || self.resynced => {
                (self.separated, self.line.only_opens) = (true, false);
            }
            b']' | b'}' => return Some(self.closing_bracket(byte, at)),
            b',' | b':' => return Some(self.open(at, State::Damage(Damage::NoValue))),
            _ => {
                let rest = bytes.get(at..).unwrap_or_default();
                if rest.starts_with(BOM) {
                    if self.column_of(at) == 0 {
                        // Columns are counted behind it, as an editor shows them.
                        self.line.start = self.line.start.saturating_add_unsigned(BOM.len());
                    } else {
                        self.line.only_opens = false;
                    }
                    return Some(at + BOM.len());
                }
                if BOM.starts_with(rest) {
                    return None;
                }
                return Some(self.open(at, State::Bare));
            }
        }
        Some(at + 1)
    }

    fn closing_bracket(&mut self, byte: u8, at: usize) -> usize {
        match (&self.place, byte) {
            (Place::Records(document), b']') => self.place = Place::Object(Members::of(*document)),
            (Place::Rows, b']') => self.place = Place::Object(Members::of(Document::Carrier)),
            (Place::RootArray, b']') => self.close_to_top(),
            (Place::Records(_) | Place::Rows, b'}') if self.resynced => self.close_to_top(),
            _ if self.resynced => {}
            _ => return self.open(at, State::Damage(Damage::StrayBracket)),
        }
        self.line.only_opens = false;
        at + 1
    }

    fn close_to_top(&mut self) {
        self.place = Place::Top;
        if self.embedded {
            (self.embedded, self.resynced) = (false, false);
        }
    }

    /// Looks at the members of a document's object beside its arrays of records.
    fn in_log_file(&mut self, bytes: &[u8], at: usize, frames: &mut Vec<Frame>) -> usize {
        let Place::Object(members) = &mut self.place else {
            return at;
        };
        let rest = bytes.get(at..).unwrap_or_default();
        let (n, found) = members.advance(rest);
        let document = members.document();
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        self.line.only_opens &= rest.iter().take(n).all(is_blank);
        let at = at + n;
        match found {
            Found::LineBreak => return self.line_break_between(at, frames),
            Found::RecordsArray => self.open_records(Place::Records(document)),
            Found::RowsArray => self.open_records(Place::Rows),
            // Arrays of a document are not doubted.
            Found::NeedMore
            | Found::MaybeRecords { .. }
            | Found::ElementOpens
            | Found::ElementCloses => {}
            Found::Closed | Found::Ordinary | Found::NextValue => self.close_to_top(),
            Found::StrayBracket => {
                self.place = Place::Top;
                return self.open(at, State::Damage(Damage::StrayBracket));
            }
            Found::LineBreakInString => {
                self.place = Place::Top;
                self.open(at, State::Damage(Damage::LineBreakInString));
                if self.layout == Layout::Undecided {
                    self.layout = Layout::Document;
                }
            }
        }
        at
    }

    fn open_records(&mut self, array: Place) {
        self.place = array;
        (self.separated, self.resynced) = (true, false);
    }

    /// A line break while no record is open.
    fn line_break_between(&mut self, at: usize, frames: &mut Vec<Frame>) -> usize {
        let at_top = matches!(self.place, Place::Top);
        match self.layout_here() {
            Layout::Undecided if at_top => self.layout = Layout::Lines,
            Layout::Undecided => self.layout = Layout::Document,
            Layout::Lines if !at_top && self.line.only_opens => self.embedded = true,
            Layout::Lines if !at_top => {
                frames.push(Frame::new(at..at, FrameKind::Damaged(Damage::LineEnds)));
                self.end_line();
            }
            Layout::Lines | Layout::Document => {}
        }
        self.next_line(at)
    }

    /// Whatever was open on this line is closed by its end.
    fn end_line(&mut self) {
        self.place = Place::Top;
        (self.embedded, self.resynced, self.separated) = (false, false, true);
    }

    fn next_line(&mut self, line_break: usize) -> usize {
        let next = line_break + 1;
        self.line.start = isize::try_from(next).unwrap_or(isize::MAX);
        let at_line_start = self.is_at_line_start(next);
        // The line may begin a document also when the one before it is only about to close.
        self.line.only_opens = at_line_start || matches!(self.place, Place::Object(_));
        if at_line_start {
            // What a line may see of the lines before it must not depend on who framed those.
            self.column = 0;
        }
        next
    }

    fn open(&mut self, start: usize, state: State) -> usize {
        self.line.only_opens &= matches!(state, State::Candidate(_));
        self.open = Some(Open {
            start,
            given_away: 0,
            state,
            column: self.column,
            spans_lines: false,
            fresh_line: None,
            pairing: Pairing::default(),
            array: MaybeRecords::default(),
        });
        start
    }

    fn open_object(&mut self, bytes: &[u8], at: usize) -> usize {
        self.column = self.column_of(at);
        let in_order = self.separated && !self.resynced && !matches!(self.place, Place::Top);
        self.line.only_opens &= matches!(self.place, Place::Top);
        if in_order || bytes.get(at..).is_some_and(starts_like_event) {
            self.open(at, State::Object(Scanner::at_depth(0)))
        } else {
            self.open(at, State::Candidate(Members::of_candidate())) + 1
        }
    }

    fn column_of(&self, at: usize) -> isize {
        isize::try_from(at)
            .unwrap_or(isize::MAX)
            .saturating_sub(self.line.start)
    }

    // Inside a value.

    /// Looks at the bytes of the open value.
    fn inside(
        &mut self,
        mut open: Open,
        bytes: &[u8],
        mut at: usize,
        frames: &mut Vec<Frame>,
    ) -> usize {
        if let Some(line_break) = open.fresh_line {
            match self.at_fresh_line(&mut open, line_break, bytes, at) {
                FreshLine::Resumes(next) => {
                    let damage = match open.state {
                        State::Damage(damage) => damage,
                        _ => Damage::NotClosed,
                    };
                    frames.push(Frame::new(
                        open.start..line_break,
                        FrameKind::Damaged(damage),
                    ));
                    self.resynced = true;
                    if self.embedded && matches!(self.place, Place::Top) {
                        self.end_line();
                        self.line.only_opens = true;
                    }
                    return next;
                }
                FreshLine::Blank(next) => {
                    self.open = Some(open);
                    return next;
                }
                FreshLine::LineFeed(at) => {
                    self.open = Some(open);
                    return self.next_line(at);
                }
                FreshLine::Text(next) => at = next,
            }
        }
        match open.state {
            State::Candidate(_) => self.in_candidate(open, bytes, at, frames),
            State::Object(_) | State::Array(_) => self.in_brackets(open, bytes, at, frames),
            State::Text { .. } => self.in_text(open, bytes, at, frames),
            State::Bare => self.in_bare(open, bytes, at, frames),
            State::Damage(_) => self.in_damage(open, bytes, at, frames),
        }
    }

    /// Looks at the blanks that start a line inside an open value, and at the byte after them.
    fn at_fresh_line(
        &self,
        open: &mut Open,
        line_break: usize,
        bytes: &[u8],
        at: usize,
    ) -> FreshLine {
        let rest = bytes.get(at..).unwrap_or_default();
        let blanks = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let next = at + blanks;
        // A record that starts further to the right than a record may be long is not waited for:
        // its blanks would have to be held.
        let within_reach = next - line_break <= self.max_record_bytes;
        match bytes.get(next) {
            None if within_reach => return FreshLine::Blank(next),
            Some(b'\n') if next == line_break + 1 && bytes.get(line_break) == Some(&b'\r') => {
                return FreshLine::LineFeed(next);
            }
            Some(b'{') if within_reach && self.column_of(next) == open.column => {
                let length = open.given_away + (line_break - open.start);
                let resumes = match open.state {
                    State::Damage(_) => true,
                    State::Candidate(_) | State::Object(_) if length <= self.max_record_bytes => {
                        let record = bytes.get(open.start..line_break).unwrap_or_default();
                        !open.pairing.allows_value_after(record)
                    }
                    _ => false,
                };
                if resumes {
                    return FreshLine::Resumes(next);
                }
            }
            _ => {}
        }
        open.fresh_line = None;
        FreshLine::Text(next)
    }

    fn in_candidate(
        &mut self,
        mut open: Open,
        bytes: &[u8],
        at: usize,
        frames: &mut Vec<Frame>,
    ) -> usize {
        let State::Candidate(members) = &mut open.state else {
            return at;
        };
        let (n, found) = members.advance(bytes.get(at..).unwrap_or_default());
        let tokens = members.tokens();
        let at = at + n;
        let within_limit = open.given_away + (at - open.start) <= self.max_record_bytes;
        match found {
            Found::NeedMore => {}
            Found::LineBreak => {
                self.line.only_opens &= tokens == 0;
                return self.line_break_inside(open, at, frames);
            }
            Found::LineBreakInString => return self.line_break_in_string(open, at, frames),
            Found::Closed => return self.close_object(&open, at, Seen::ANYTHING, frames),
            Found::RecordsArray if within_limit => {
                self.open_records(Place::Records(Document::LogFile));
                self.line.only_opens &= tokens == 1;
                return at;
            }
            Found::RecordsArray | Found::RowsArray => {
                self.line.only_opens = false;
                open.state = State::Object(Scanner::at_depth(2));
            }
            Found::MaybeRecords { rows } => {
                self.line.only_opens = false;
                open.array = MaybeRecords {
                    start: at.saturating_sub(open.start),
                    line_start: self.line.start.saturating_sub_unsigned(open.start),
                    rows,
                    element: 0,
                };
            }
            Found::ElementOpens => open.array.element = at.saturating_sub(open.start),
            Found::ElementCloses => {
                let element = bytes.get(open.start + open.array.element..at);
                if within_limit && element.is_some_and(|bytes| Element(bytes).is_record()) {
                    return self.stream(&open);
                }
            }
            Found::Ordinary | Found::StrayBracket | Found::NextValue => {
                self.line.only_opens = false;
                open.state = State::Object(Scanner::at_depth(1));
            }
        }
        self.open = Some(open);
        at
    }

    /// Goes back to the start of the array in the open object that has turned out to hold records.
    /// That happens once for an object, so no byte is looked at more than twice.
    fn stream(&mut self, open: &Open) -> usize {
        let array = &open.array;
        self.open_records(if array.rows {
            Place::Rows
        } else {
            Place::Records(Document::Carrier)
        });
        self.line.start = array.line_start.saturating_add_unsigned(open.start);
        open.start + array.start
    }

    fn in_brackets(
        &mut self,
        mut open: Open,
        bytes: &[u8],
        at: usize,
        frames: &mut Vec<Frame>,
    ) -> usize {
        let (State::Object(scanner) | State::Array(scanner)) = &mut open.state else {
            return at;
        };
        let (n, stop) = scanner.advance(bytes.get(at..).unwrap_or_default());
        let seen = scanner.seen();
        let at = at + n;
        match stop {
            Stop::NeedMore => self.open = Some(open),
            Stop::LineBreak => return self.line_break_inside(open, at, frames),
            Stop::LineBreakInString => return self.line_break_in_string(open, at, frames),
            Stop::Closed if matches!(open.state, State::Object(_)) => {
                return self.close_object(&open, at, seen, frames);
            }
            Stop::Closed if matches!(self.place, Place::Rows) => {
                self.close(open.start..at, FrameKind::Row, frames);
            }
            Stop::Closed => self.close(open.start..at, FrameKind::NoObject, frames),
        }
        at
    }

    fn in_text(
        &mut self,
        mut open: Open,
        bytes: &[u8],
        mut at: usize,
        frames: &mut Vec<Frame>,
    ) -> usize {
        let State::Text { escaped } = &mut open.state else {
            return at;
        };
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\n' | b'\r' => return self.line_break_in_string(open, at, frames),
                b'"' if !*escaped => {
                    self.close(open.start..at + 1, FrameKind::NoObject, frames);
                    return at + 1;
                }
                _ => *escaped = !*escaped && byte == b'\\',
            }
            at += 1;
        }
        self.open = Some(open);
        at
    }

    fn in_bare(
        &mut self,
        mut open: Open,
        bytes: &[u8],
        at: usize,
        frames: &mut Vec<Frame>,
    ) -> usize {
        let ends = |byte: &u8| b",]}{[\" \t\n\r".contains(byte);
        let Some(n) = bytes.get(at..).unwrap_or_default().iter().position(ends) else {
            self.open = Some(open);
            return bytes.len();
        };
        let end = at + n;
        if !matches!(self.place, Place::Top) {
            self.close(open.start..end, FrameKind::NoObject, frames);
            return end;
        }
        match self.bare_at_top(bytes, &open, end) {
            FrameKind::Damaged(damage) => {
                open.state = State::Damage(damage);
                self.open = Some(open);
            }
            kind => self.close(open.start..end, kind, frames),
        }
        end
    }

    /// What a run of bytes at the top is: a JSON scalar, or not JSON, and then it is not known
    /// where a value starts again.
    fn bare_at_top(&self, bytes: &[u8], open: &Open, end: usize) -> FrameKind {
        let too_long = open.given_away + (end - open.start) > self.max_record_bytes;
        if too_long || is_scalar(bytes.get(open.start..end).unwrap_or_default()) {
            FrameKind::NoObject
        } else {
            FrameKind::Damaged(Damage::NoValue)
        }
    }

    fn in_damage(&mut self, open: Open, bytes: &[u8], at: usize, frames: &mut Vec<Frame>) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(n) = memchr::memchr2(b'\n', b'\r', rest) else {
            self.open = Some(open);
            return bytes.len();
        };
        let at = at + n;
        if self.layout == Layout::Undecided {
            self.layout = Layout::Lines;
        }
        self.line_break_in_damage(open, at, frames)
    }

    fn line_break_in_damage(
        &mut self,
        mut open: Open,
        at: usize,
        frames: &mut Vec<Frame>,
    ) -> usize {
        let State::Damage(damage) = open.state else {
            return at;
        };
        if self.layout_here() == Layout::Document {
            open.fresh_line = Some(at);
            self.open = Some(open);
        } else {
            self.end_line();
            frames.push(Frame::new(open.start..at, FrameKind::Damaged(damage)));
        }
        self.next_line(at)
    }

    /// A line break inside an open value, but outside strings.
    fn line_break_inside(&mut self, mut open: Open, at: usize, frames: &mut Vec<Frame>) -> usize {
        match self.layout_here() {
            Layout::Lines if self.line.only_opens => self.embedded = true,
            Layout::Lines => {
                self.end_line();
                let kind = FrameKind::Damaged(Damage::LineEnds);
                frames.push(Frame::new(open.start..at, kind));
                return self.next_line(at);
            }
            Layout::Undecided => self.layout = Layout::Document,
            Layout::Document => {}
        }
        open.spans_lines = true;
        open.fresh_line = Some(at);
        self.open = Some(open);
        self.next_line(at)
    }

    /// A line break inside a string: what is open is damaged.
    fn line_break_in_string(
        &mut self,
        mut open: Open,
        at: usize,
        frames: &mut Vec<Frame>,
    ) -> usize {
        if self.layout == Layout::Undecided {
            self.layout = Layout::Document;
        }
        open.state = State::Damage(Damage::LineBreakInString);
        self.line_break_in_damage(open, at, frames)
    }

    fn close_object(
        &mut self,
        open: &Open,
        end: usize,
        seen: Seen,
        frames: &mut Vec<Frame>,
    ) -> usize {
        let kind = FrameKind::Object {
            spans_lines: open.spans_lines,
            seen,
        };
        self.close(open.start..end, kind, frames);
        end
    }

    fn close(&mut self, range: Range<usize>, kind: FrameKind, frames: &mut Vec<Frame>) {
        (self.separated, self.line.only_opens) = (false, false);
        frames.push(Frame::new(range, kind));
        if matches!(self.place, Place::Top) {
            self.close_to_top();
        }
    }
}

/// What stands at the start of a line inside an open value.
enum FreshLine {
    /// Only blanks so far.
    Blank(usize),
    /// The second half of CR LF.
    LineFeed(usize),
    /// A record at which framing resumes.
    Resumes(usize),
    /// Anything else.
    Text(usize),
}

/// Whether `text` is `true`, `false`, `null` or a number.
fn is_scalar(text: &[u8]) -> bool {
    if matches!(text, b"true" | b"false" | b"null") {
        return true;
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let after_int = match text {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', rest @ ..] => skip_digits(rest),
        _ => return false,
    };
    let after_fraction = match after_int {
        [b'.', b'0'..=b'9', rest @ ..] => skip_digits(rest),
        rest => rest,
    };
    let after_exponent = match after_fraction {
        [b'e' | b'E', b'+' | b'-', b'0'..=b'9', rest @ ..]
        | [b'e' | b'E', b'0'..=b'9', rest @ ..] => skip_digits(rest),
        rest => rest,
    };
    after_exponent.is_empty()
}

fn skip_digits(text: &[u8]) -> &[u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(digits..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::is_scalar;

    #[test]
    fn knows_a_json_scalar() {
        for text in [
            "true", "false", "null", "0", "-0", "1.50", "-12e+3", "9E9", "0e-1",
        ] {
            assert!(is_scalar(text.as_bytes()), "{text}");
        }
        for text in [
            "", "-", "tru", "nulls", "01", "1.", ".5", "+1", "1e", "1e+", "NaN", "1-2",
        ] {
            assert!(!is_scalar(text.as_bytes()), "{text}");
        }
    }
}
