"""The input grammar and the rejects, worked out a second time from section 2 of design.md alone.

`frame(source)` walks over the bytes of one source, one byte at a time, and returns what the filter must make of
them, in order: `Pass(line)` for each record passed on, `Reject(reason, offset, length, record)` for each refused.
It also returns the set of labels of the doubtful readings below that this input touched: a difference without a
label is a bug of one side, a difference with labels may be a matter of reading.

Doubtful readings of section 2, each with the choice made here:

G1  Balance is counted without regard to the kind of bracket ("brackets counted by population count"): `{"a":1]`
    is a closed frame (malformed). The alternative: a closer of the wrong kind is damage that is not balanced.
G2  In a document the only damage that is seen at once is a raw line break in a string. A record that lacks a
    closing bracket goes on over the records after it, until the count closes it (then one malformed frame) or
    the input ends (truncated). Section 2 calls it a known limit that the second record may go with a cut first
    line; by this reading everything may, up to the size limit. The alternatives (damage is seen at the first
    byte that breaks the grammar, or an unclosed record is cut at the first line that could resume) lose less.
G3  A source without any line break: called a document; nothing depends on it.
G4  Quotes outside of every bracket open a string too when lines or document is decided, so a first line with an
    odd quote makes a document. A closer without an opener leaves the level at 0.
G5  A first line that is blank stands outside every value: the source is lines, even when a pretty-printed value
    follows (which then works only if its first line is an opener).
G6  Openers are told with all blanks of the line removed (`{ "Records" : [` is one), only in plain spelling.
G7  A document opened within lines that is damaged stays a document until the source ends.
G8  At the top level each scalar is a record of its own: `5 {"a":1}` is a not_an_object and a pass.
G9  At the top level bytes that are no JSON value (garbage, a stray `,` `:` `]` `}`, an unknown word) are damage:
    what is left of the line, or up to where framing resumes, is one malformed reject, although quotes and
    brackets may be balanced in it.
G10 Damage that has no `{` of its own (garbage, a stray closer, a string) resumes in the column of the last `{`
    that began a record or document in this source; without any, nowhere.
G11 Between elements of an array commas may lack or repeat, nothing is counted for them: `[{} {},,{},]` passes
    three.
G12 An element that starts with no bracket ends before the next `,` `{` `[` `]` `}` outside of a string or before
    a line break, blanks at its end cut off. When it is no JSON it is one malformed reject and costs only itself.
G13 A `}` where an element or `]` is expected is damage at that byte, as G9.
G14 `"Records":{}` makes the object ordinary only when it stands before any `Records` array; `"Records":null`,
    a number or a string there decides nothing and a later `Records` array counts.
G15 The envelope of a document is not checked beyond quotes and brackets: not its grammar, its UTF-8 or its depth.
G16 Names that decide (Records, eventSource, eventVersion) are strings at level 1 that follow `{` or `,` and are
    followed by `:`.
G17 A line that ends inside a Records or root array, after complete elements: a malformed reject of what is left,
    which is length 0 at the line's end when nothing is left.
G18 An envelope that is still open after its array closed: in lines what follows `]` is a malformed reject when it
    is not empty; at the end of the input nothing is said (it is neither inside a record nor inside an array).
    A raw line break in a string there is damage that starts after the `]` (or the skipped member before).
G19 The reason of a reject that is not balanced: oversize and then truncated or malformed; not_utf8 and too_deep
    are said of it only when it is in the bytes up to the damage, and never of a truncated one.
G20 When nothing resumes, the reject reaches to the end of the input and stays malformed, not truncated.
    No truncated of length 0 follows for the array that was left by the damage.
G21 `length` of a reject that reaches to a resuming line or to the end of the input: one line break is cut off its
    end, blanks and further line breaks stay.
G22 The truncated reject of length 0 has the length of the source as its offset, and takes a record number.
G23 Columns are bytes since the line's start, a tab is one; a BOM at the start of the source is not counted.
G24 The search for a line to resume at starts with the line after the damage.
G25 A backslash escapes only inside strings.
G26 A BOM is skipped only at the top level, between values; elsewhere it is garbage.
G27 After damage in a document stray `,` `]` `}` at the top level are skipped until the source ends, with nothing
    counted.
G28 An element that is an array counts its own `[` as level 1.
G29 A scalar that the input ends in is judged as it stands at the top level, and truncated inside an array.
G30 The object is oversize as a whole when its bytes up to and with the `[` of Records are more than the limit.
G31 A document that opens inside a resumed stretch, or after damage, is an ordinary document again.
"""

import json
import re
from typing import NamedTuple

MAX_DEPTH = 128
BLANK = b" \t"
BREAK = b"\r\n"
SPACE = BLANK + BREAK
BOM = b"\xef\xbb\xbf"
OPENERS = (b"{", b"[", b'{"Records":[')


class Pass(NamedTuple):
    line: bytes


class Reject(NamedTuple):
    reason: str
    offset: int
    length: int
    record: int


# ---- JSON, byte by byte --------------------------------------------------------------------------------------

NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
STRING = re.compile(rb'"([^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"')


def scalar_end(data, at):
    """Where the scalar that starts at `at` ends, or None."""
    for word in (b"true", b"false", b"null"):
        if data.startswith(word, at):
            return at + len(word)
    match = (STRING if data[at:at + 1] == b'"' else NUMBER).match(data, at)
    return match.end() if match else None


def is_json(data):
    """Whether the bytes are one value by the grammar of RFC 8259, white space around it allowed."""
    open_brackets = []
    expected = "value"  # value, first value, name, first name, colon, comma
    at = 0
    while at < len(data):
        byte = data[at:at + 1]
        if byte in (b" ", b"\t", b"\r", b"\n"):
            at += 1
        elif expected in ("name", "first name") and byte == b'"':
            at = scalar_end(data, at)
            if at is None:
                return False
            expected = "colon"
        elif expected == "colon":
            if byte != b":":
                return False
            at += 1
            expected = "value"
        elif expected in ("value", "first value") and byte == b"{":
            open_brackets.append(b"}")
            at += 1
            expected = "first name"
        elif expected in ("value", "first value") and byte == b"[":
            open_brackets.append(b"]")
            at += 1
            expected = "first value"
        elif expected in ("comma", "first name", "first value") and byte in (b"}", b"]"):
            if not open_brackets or open_brackets.pop() != byte:
                return False
            at += 1
            expected = "comma"
        elif expected in ("value", "first value"):
            at = scalar_end(data, at)
            if at is None:
                return False
            expected = "comma"
        elif expected == "comma" and byte == b"," and open_brackets:
            at += 1
            expected = "name" if open_brackets[-1] == b"}" else "value"
        else:
            return False
    return expected == "comma" and not open_brackets


def depth_of(data):
    """The deepest level of brackets outside strings."""
    deepest = level = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"}]":
            level -= 1
    return deepest


def is_utf8(data):
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def one_line(record):
    """A record without line breaks and the blanks after them, and nothing else changed."""
    out = bytearray()
    dropping = False
    for byte in record:
        if byte in BREAK:
            dropping = True
        elif not (dropping and byte in BLANK):
            dropping = False
            out.append(byte)
    return bytes(out)


# ---- the walk ------------------------------------------------------------------------------------------------

CLOSED, OPEN, BROKEN = "closed", "open", "broken"


class Walk:
    """Reads one source; `at` is the next byte, `limit` the end of the line (in lines) or of the source."""

    def __init__(self, data, max_record_bytes):
        self.data = data
        self.max = max_record_bytes
        self.items = []
        self.doubts = set()
        self.document = True
        self.resumed = False
        self.closed_document = False  # since framing resumed
        self.in_array = False
        self.column = None
        self.at = 0
        self.limit = len(data)

    # -- items

    def passed(self, start, end):
        self.items.append(Pass(one_line(self.data[start:end])))

    def reject(self, reason, start, end):
        self.items.append(Reject(reason, start, end - start, len(self.items) + 1))

    def judge(self, start, end):
        """A value that is closed: passed on, or refused with the first reason that fits."""
        value = self.data[start:end]
        if not is_json(value) and self.crosses_resume_line(start, end):
            self.doubts.add("G2")
        if end - start > self.max:
            self.reject("oversize", start, end)
        elif not is_utf8(value):
            self.reject("not_utf8", start, end)
        elif depth_of(value) > MAX_DEPTH:
            if value[:1] != b"{":
                self.doubts.add("G28")
            self.reject("too_deep", start, end)
        elif not is_json(value):
            self.reject("malformed", start, end)
        elif value[:1] != b"{":
            self.reject("not_an_object", start, end)
        else:
            self.passed(start, end)

    # -- places

    def break_before(self, end):
        """The length of the line break that ends at `end`."""
        if self.data[:end].endswith(b"\r\n"):
            return 2
        return 1 if end and self.data[end - 1] in BREAK else 0

    def without_break(self, start, end):
        """`end` without one line break before it (G21)."""
        cut = max(start, end - self.break_before(end))
        if cut > start and self.data[cut - 1] in SPACE:
            self.doubts.add("G21")
        return cut

    def line_end(self, at):
        while at < len(self.data) and self.data[at] not in BREAK:
            at += 1
        return at

    def next_line(self, at):
        """The start of the line after the one that `at` stands in; the end of the data when there is none."""
        at = self.line_end(at)
        return at + (2 if self.data[at:at + 2] == b"\r\n" else 1) if at < len(self.data) else at

    def lines_after(self, at):
        at = self.next_line(at)
        while at < len(self.data):
            yield at
            at = self.next_line(at)

    def column_of(self, at):
        start = at
        while start and self.data[start - 1] not in BREAK:
            start -= 1
        return at - start - (len(BOM) if start == 0 and self.data.startswith(BOM) else 0)  # G23

    def skip_space(self, at):
        while at < self.limit and self.data[at] in SPACE:
            at += 1
        return at

    # -- structure

    def string_end(self, start):
        """(CLOSED, after the quote), (BROKEN, at the raw line break) or (OPEN, limit)."""
        at = start + 1
        while at < self.limit:
            byte = self.data[at]
            if byte in BREAK:
                return BROKEN, at
            if byte == 0x22:
                return CLOSED, at + 1
            if byte == 0x5C and at + 1 < self.limit and self.data[at + 1] not in BREAK:
                at += 1
            at += 1
        return OPEN, self.limit

    def value_end(self, start):
        """The end of the bracketed value at `start`, by counting."""
        at = start
        kinds = []
        while at < self.limit:
            byte = self.data[at]
            if byte == 0x22:
                state, at = self.string_end(at)
                if state != CLOSED:
                    return state, at
                continue
            if byte == 0x5C and self.data[at + 1:at + 2] in (b'"', b"\\"):
                self.doubts.add("G25")
            if byte in b"{[":
                kinds.append(byte)
            elif byte in b"}]":
                if kinds.pop() + 2 != byte:
                    self.doubts.add("G1")
                if not kinds:
                    return CLOSED, at + 1
            at += 1
        return OPEN, self.limit

    def crosses_resume_line(self, start, end):
        """Whether a line inside the value starts with `{` in the value's own column: if the value is damaged, the
        record of that line may be lost in it (G2)."""
        line = self.next_line(start)
        return self.resume_line(line, self.column_of(start)) < end

    def resume_line(self, line, column):
        """The first line from `line` on whose first byte that is no blank is a `{` in that column."""
        while line < len(self.data):
            at = line
            while at < len(self.data) and self.data[at] in BLANK:
                at += 1
            if self.data[at:at + 1] == b"{" and at - line == column:
                return line
            line = self.next_line(at)
        return len(self.data)

    # -- damage

    def broken(self, start, where):
        """Damage that is not balanced, seen at `where`, of what began at `start`."""
        if not self.document:
            self.reject(self.broken_reason(start, self.limit, self.limit), start, self.limit)
            self.at = self.limit
            return
        if self.data[start:start + 1] == b"{":
            column = self.column_of(start)
            if self.crosses_resume_line(start, where + 1):
                self.doubts.add("G24")
        else:
            if any(self.data[line:].lstrip(BLANK).startswith(b"{") for line in self.lines_after(where)):
                self.doubts.add("G10")
            column = self.column
        if self.data.startswith(BOM) and self.line_end(0) >= start:
            self.doubts.add("G23")
        resume = self.resume_line(self.next_line(where), column) if column is not None else len(self.data)
        if resume == len(self.data) and self.in_array:
            self.doubts.add("G20")
        self.reject(self.broken_reason(start, where, resume), start, self.without_break(start, resume))
        self.at = resume
        self.resumed = True
        self.closed_document = self.in_array = False

    def broken_reason(self, start, where, end):
        if where - start > self.max:
            return "oversize"
        if end - start > self.max:
            self.doubts.add("G19")
        seen = self.data[start:where]
        if not is_utf8(self.data[start:end]) or depth_of(seen) > MAX_DEPTH:
            self.doubts.add("G19")
        if not is_utf8(seen):
            return "not_utf8"
        return "too_deep" if depth_of(seen) > MAX_DEPTH else "malformed"

    def unfinished(self, start):
        """A record that is still open where the line or the input ends."""
        if self.limit < len(self.data):
            self.broken(start, self.limit)
            return
        if self.document and self.crosses_resume_line(start, self.limit):
            self.doubts.add("G2")
        end = self.without_break(start, self.limit)
        if not is_utf8(self.data[start:end]) or depth_of(self.data[start:end]) > MAX_DEPTH:
            self.doubts.add("G19")
        self.reject("oversize" if end - start > self.max else "truncated", start, end)
        self.at = self.limit

    # -- values; each returns True when the walk may go on behind it in the same context

    def bracketed(self, start):
        """A record, or an array as an element."""
        if self.data[start] == 0x7B:
            self.column = self.column_of(start)
        state, end = self.value_end(start)
        if state == CLOSED:
            self.judge(start, end)
            self.at = end
        elif state == BROKEN:
            self.broken(start, end)
        else:
            self.unfinished(start)
        return state == CLOSED

    def object(self, start):
        """An object at the top level: a document of records, or a record."""
        self.column = self.column_of(start)
        at = start + 1
        level = 1
        name_next = True
        other_records = None  # the first byte of an earlier Records that held no array
        while at < self.limit:
            byte = self.data[at]
            if byte in SPACE:
                at += 1
                continue
            if byte == 0x22:
                state, end = self.string_end(at)
                if state != CLOSED:
                    return self.bracketed(start)
                colon = self.skip_space(end)
                if level == 1 and self.data[colon:colon + 1] == b":" and colon < self.limit:
                    name = self.name(at, end)
                    value = self.skip_space(colon + 1)
                    first = self.data[value:value + 1] if value < self.limit else b""
                    if not name_next and name in ("Records", "eventSource", "eventVersion"):
                        self.doubts.add("G16")
                    elif name in ("eventSource", "eventVersion"):
                        return self.bracketed(start)
                    elif name == "Records" and first == b"[":
                        if other_records == b"{":
                            self.doubts.add("G14")
                        if abs(value + 1 - start - self.max) < 16:
                            self.doubts.add("G30")
                        if other_records == b"{" or value + 1 - start > self.max:
                            return self.bracketed(start)
                        self.check_envelope(self.data[start:value] + b"0}")
                        return self.elements(value + 1) and self.envelope()
                    elif name == "Records" and other_records != b"{":
                        other_records = first
                at = end
                name_next = False
                continue
            if byte in b"{[":
                level += 1
            elif byte in b"}]":
                level -= 1
                if level == 0:
                    break
            name_next = byte == 0x2C and level == 1
            at += 1
        return self.bracketed(start)

    def name(self, start, end):
        try:
            return json.loads(self.data[start:end].decode("utf-8"))
        except ValueError:
            return None

    def check_envelope(self, data):
        if not is_json(data) or not is_utf8(data) or depth_of(data) > MAX_DEPTH:
            self.doubts.add("G15")

    def envelope(self):
        """The rest of a document after its first Records array: skipped, but for further Records arrays."""
        start = self.skip_space(self.at)
        at = start
        level = 1
        name_next = False
        while at < self.limit:
            byte = self.data[at]
            if byte in SPACE:
                at += 1
                continue
            if byte == 0x22:
                state, end = self.string_end(at)
                if state == BROKEN:
                    self.doubts.add("G18")
                    self.broken(start, end)
                    return False
                if state == OPEN:
                    break
                colon = self.skip_space(end)
                if level == 1 and self.data[colon:colon + 1] == b":" and colon < self.limit and name_next:
                    value = self.skip_space(colon + 1)
                    if self.name(at, end) == "Records" and value < self.limit and self.data[value] == 0x5B:
                        self.check_envelope(b'{"":0' + self.data[start:value] + b"0}")
                        return self.elements(value + 1) and self.envelope()
                at = end
                name_next = False
                continue
            if byte in b"{[":
                level += 1
            elif byte in b"}]":
                level -= 1
                if level == 0:
                    if byte == 0x5D:
                        self.doubts.add("G1")
                    self.at = at + 1
                    self.check_envelope(b'{"":0' + self.data[start:self.at])
                    return True
            name_next = byte == 0x2C and level == 1
            at += 1
        self.doubts.add("G18")
        if self.limit < len(self.data) and start < self.limit:
            self.broken(start, self.limit)
        self.at = self.limit
        return False

    def elements(self, at):
        """The elements of a Records or root array, from behind its `[`."""
        after_value = False
        first = True
        self.in_array = True
        while True:
            at = self.skip_space(at)
            if at >= self.limit:
                if self.limit < len(self.data):
                    self.doubts.add("G17")
                    self.reject("malformed", self.limit, self.limit)
                else:
                    if self.data[-1] in SPACE:
                        self.doubts.add("G22")
                    self.reject("truncated", self.limit, self.limit)
                self.at = self.limit
                return False
            byte = self.data[at]
            if byte == 0x5D:
                if not after_value and not first:
                    self.doubts.add("G11")
                self.at = at + 1
                self.in_array = False
                return True
            if byte == 0x2C:
                if not after_value:
                    self.doubts.add("G11")
                after_value = first = False
                at += 1
                continue
            if byte == 0x7D:
                if self.document or b"{" in self.data[at:self.limit]:
                    self.doubts.add("G13")
                self.broken(at, at)
                return False
            if after_value:
                self.doubts.add("G11")
            if byte in b"{[":
                going_on = self.bracketed(at)
            else:
                going_on = self.scalar_element(at)
            if not going_on:
                return False
            at = self.at
            after_value, first = True, False

    def scalar_element(self, start):
        """An element that starts with no bracket (G12)."""
        at = start
        while at < self.limit and self.data[at] not in b",[]{}" + BREAK:
            if self.data[at] == 0x22:
                state, end = self.string_end(at)
                if state == BROKEN:
                    self.broken(start, end)
                    return False
                if state == OPEN:
                    self.doubts.add("G29")
                    self.unfinished(start)
                    return False
                at = end
            else:
                at += 1
        if at >= len(self.data):
            self.doubts.add("G29")
            self.unfinished(start)
            return False
        end = at
        while self.data[end - 1] in BLANK:
            end -= 1
        following = self.skip_space(at)
        if not is_json(self.data[start:end]) or following >= self.limit or self.data[following] not in b",]":
            self.doubts.add("G12")
        self.judge(start, end)
        self.at = at
        return True

    def top_scalar(self, start):
        """A scalar at the top level (G8), or bytes that are no JSON (G9)."""
        if self.data[start] == 0x22:
            state, end = self.string_end(start)
            if state == OPEN and self.limit == len(self.data):
                self.doubts.add("G29")
                self.broken(start, end)
                return
            if state != CLOSED:
                self.garbage(start, end)
                return
        else:
            end = start
            while end < self.limit and self.data[end] not in b'{}[],:"' + SPACE:
                end += 1
        if end > start and scalar_end(self.data[:end], start) == end and is_utf8(self.data[start:end]):
            alone = (self.document or self.line_of(start).strip(BLANK) == self.data[start:end]) and self.data[end:end + 1] in SPACE
            if not alone:
                self.doubts.add("G8")
            self.judge(start, end)
            self.at = end
            if end == len(self.data):
                self.doubts.add("G29")
        else:
            self.garbage(start, end)

    def garbage(self, start, end):
        if self.document or b"{" in self.data[start:self.limit]:
            self.doubts.add("G9")
        self.broken(start, end)

    def line_of(self, at):
        end = self.line_end(at)
        return self.data[at - self.column_of(at):end]

    # -- the whole source

    def one_value(self):
        """What stands at `at` at the top level: white space, a BOM, a value, or damage."""
        byte = self.data[self.at]
        if byte in SPACE:
            self.at += 1
        elif self.data.startswith(BOM, self.at):
            self.at += len(BOM)
        elif byte == 0x7B:
            records = len(self.items)
            self.object(self.at)
            self.closed_document = self.closed_document or len(self.items) != records + 1
        elif byte == 0x5B:
            self.elements(self.at + 1)
            self.closed_document = True
        elif self.resumed and byte in b",]}":
            if self.closed_document:
                self.doubts.add("G27")
            self.at += 1
        else:
            self.top_scalar(self.at)

    def read_document(self):
        self.limit = len(self.data)
        while self.at < self.limit:
            self.one_value()

    def read_lines(self):
        self.document = False
        while self.at < len(self.data):
            start = self.at
            self.limit = self.line_end(start)
            bare = bytes(byte for byte in self.data[start:self.limit].removeprefix(BOM) if byte not in BLANK)
            if bare in OPENERS:
                if bare != self.data[start:self.limit].removeprefix(BOM).strip(BLANK):
                    self.doubts.add("G6")
                self.opened(start)
                continue
            while self.at < self.limit:
                self.one_value()
            self.at = self.next_line(self.limit)

    def opened(self, start):
        """A document opened by a line that is only an opener: until it closes."""
        self.document = True
        self.limit = len(self.data)
        self.at += len(BOM) if self.data.startswith(BOM, start) else 0
        while self.data[self.at] in BLANK:
            self.at += 1
        self.one_value()
        if self.resumed:
            self.doubts.add("G7")
            self.read_document()
        self.document = False
        # What stands behind the closing bracket on its line is read as a line.
        self.limit = self.line_end(self.at)
        while self.at < self.limit:
            self.one_value()
        self.at = self.next_line(self.limit)


def is_lines(data, doubts):
    """Whether the first line break stands outside every value."""
    at = len(BOM) if data.startswith(BOM) else 0
    level = 0
    in_string = escaped = False
    content = False
    for byte in data[at:]:
        if byte in BREAK:
            if not content:
                doubts.add("G5")
            if in_string and level == 0:
                doubts.add("G4")
            return level == 0 and not in_string
        content = content or byte not in BLANK
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            level += 1
        elif byte in b"}]":
            if level == 0:
                doubts.add("G4")
            level = max(0, level - 1)
    return False  # G3


def frame(source, max_record_bytes=1 << 20, mode="auto"):
    """The items of one source, in order, and the labels of the doubtful readings that it touched."""
    walk = Walk(source, max_record_bytes)
    lines = is_lines(source, walk.doubts) if mode == "auto" else mode == "lines"
    if lines:
        walk.read_lines()
    else:
        walk.read_document()
    if walk.doubts & {"G4", "G5"} and frame(source, max_record_bytes, "document" if lines else "lines")[0] == walk.items:
        walk.doubts -= {"G4", "G5"}
    return walk.items, walk.doubts
