"""Checks the framing oracle itself, and the runner with an imitation of the binary."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import damage  # noqa: E402
import framing  # noqa: E402
from framing import Pass, Reject  # noqa: E402


def items(source, **options):
    """Passed lines as bytes, rejects as (reason, offset, length, record)."""
    return [item.line if isinstance(item, Pass) else tuple(item) for item in framing.frame(source, **options)[0]]


class Grammar(unittest.TestCase):
    def test_forms(self):
        for source, expected in [
                (b"", []), (b"\n\n", []), (b'{"a":1}\n{"b":2}\r\n\r\n{"c":3}', [b'{"a":1}', b'{"b":2}', b'{"c":3}']),
                (b'{"Records":[{"a":1},{"b":2}]}', [b'{"a":1}', b'{"b":2}']), (b'{"Records":[{"a":1}]}{"Records":[{"b":2}]}', [b'{"a":1}', b'{"b":2}']),
                (b'{"a":1}{"b":2}', [b'{"a":1}', b'{"b":2}']), (b'[{"a":1},{"b":2}]', [b'{"a":1}', b'{"b":2}']), (b'{ "a": [\n  1 ,\r\n\t2\r]\n}', [b'{ "a": [1 ,2]}']),
                (b'\xef\xbb\xbf{"a":1}\n\xef\xbb\xbf{"b":2}\n', [b'{"a":1}', b'{"b":2}']), (b'{"\\u0052ecords":[{"a":1}],"x":[2]}', [b'{"a":1}']),
                (b'{"Records":[{"a":1}],"Records":[{"b":2}]}', [b'{"a":1}', b'{"b":2}']), (b'{"Records":{}}', [b'{"Records":{}}']),
                (b'{"eventSource":1,"Records":[{"a":1}]}', [b'{"eventSource":1,"Records":[{"a":1}]}']), (b'{"x":{"eventSource":1},"Records":[{"a":1}]}', [b'{"a":1}']),
                (b'{"Records":[{"Records":[1]}]}', [b'{"Records":[1]}']), (b'{"a":1}\n{"Records":[\n{"b":2},\n{"c":\n3}]}\n{"d":4}\n', [b'{"a":1}', b'{"b":2}', b'{"c":3}', b'{"d":4}']),
                (b'{"a":1}\n{\n"b":2\n}\n[\n{"c":3}\n]\n', [b'{"a":1}', b'{"b":2}', b'{"c":3}']), (b'{"a":"\\ud800","b":1e400}', [b'{"a":"\\ud800","b":1e400}'])]:
            with self.subTest(source=source):
                self.assertEqual(items(source), expected)

    def test_rejects(self):
        for source, expected in [
                (b"[1,2]", [("not_an_object", 1, 1, 1), ("not_an_object", 3, 1, 2)]), (b"[[{}]]", [("not_an_object", 1, 4, 1)]), (b"5\n{}\n", [("not_an_object", 0, 1, 1), b"{}"]),
                (b'{"a":}\n{"b":2}\n', [("malformed", 0, 6, 1), b'{"b":2}']), (b'{"a":\xff}\n', [("not_utf8", 0, 7, 1)]), (b'{"a":1\n', [("truncated", 0, 6, 1)]),
                (b'{"b":1}\n{"a":1\n{"c":2}\n', [b'{"b":1}', ("malformed", 8, 6, 2), b'{"c":2}']), (b'{"b":1}\n{"a":1', [b'{"b":1}', ("truncated", 8, 6, 2)]),
                (b'{"x":0}\n{"b":1}{"a":"\\\n{"c":2}\n', [b'{"x":0}', b'{"b":1}', ("malformed", 15, 7, 3), b'{"c":2}']),
                (b'{"Records":[{"a":1}', [b'{"a":1}', ("truncated", 19, 0, 2)]), (b'[', [("truncated", 1, 0, 1)]), (b'{"Records":[{"a":1},{"b', [b'{"a":1}', ("truncated", 20, 3, 2)]),
                (b'{"Records":[{"a":1},{"b":},{"c":3}]}', [b'{"a":1}', ("malformed", 20, 6, 2), b'{"c":3}']),
                (b'{"x":0}\n{"Records":[{"a":1},{"b":}]}\n', [b'{"x":0}', b'{"a":1}', ("malformed", 28, 6, 3)]), (b'{"a":1\n2}', [("malformed", 0, 9, 1)]),
                (b'{"Records":[\n {"a":"x\ny"},\n  {"n":1},\n {"b":2}\n]}\n{"c":3}', [("malformed", 14, 23, 1), b'{"b":2}', b'{"c":3}']),
                (b'{"a":"\n"}\n{"b":1}\n', [("malformed", 0, 9, 1), b'{"b":1}'])]:
            with self.subTest(source=source):
                self.assertEqual(items(source), expected)

    def test_depth_and_size(self):
        for level, expected in ((127, "pass"), (128, "too_deep")):
            record = b'{"a":' + b"[" * level + b"]" * level + b"}"
            for before, after in ((b"", b""), (b"[", b"]"), (b'{"Records":[', b"]}"), (b"{}\n", b"\n")):
                got = [item for item in framing.frame(before + record + after)[0] if item != Pass(b"{}")]
                self.assertEqual(["pass" if isinstance(item, Pass) else item.reason for item in got], [expected])
        self.assertEqual(items(b'{"a":"xx"}\n{"b":1}\n', max_record_bytes=9), [("oversize", 0, 10, 1), b'{"b":1}'])
        self.assertEqual(items(b'{"x":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","Records":[{}]}', max_record_bytes=20), [("oversize", 0, 55, 1)])


class Properties(unittest.TestCase):
    def test_grammar_agrees_with_a_parser(self):
        def refuse(word):
            raise ValueError(word)
        for source in damage.sources(7, 2000):
            try:
                text = source.decode("utf-8")
            except UnicodeDecodeError:
                continue
            try:
                json.loads(text, parse_constant=refuse)
                valid = not text.startswith("\ufeff")
            except (ValueError, RecursionError):
                valid = False
            self.assertEqual(framing.is_json(source), valid, source)

    def test_items_are_in_order_and_apart(self):
        for source in damage.sources(8, 2000):
            end = 0
            for place, item in enumerate(framing.frame(source)[0], 1):
                if isinstance(item, Pass):
                    self.assertTrue(framing.is_json(item.line))
                    self.assertNotIn(b"\n", item.line)
                else:
                    self.assertEqual(item.record, place)
                    self.assertGreaterEqual(item.offset, end)
                    end = item.offset + item.length
                    self.assertLessEqual(end, len(source))


IMITATION = """#!/usr/bin/env python3
import json, os, sys
sys.path.insert(0, {here!r})
import fields, framing
spoil = os.environ.get("SPOIL", "")
sources = [(name, open(name, "rb").read()) for name in sys.argv[3:]] or [("-", sys.stdin.buffer.read())]
worst = 0
for name, source in sources:
    for item in framing.frame(source)[0]:
        if isinstance(item, framing.Pass):
            line = fields.expected_line(item.line).replace(b'"severity":"high"', spoil.encode() or b'"severity":"high"')
        else:
            worst = 1
            raw = source[item.offset:item.offset + item.length]
            reject = {{"reason": item.reason, "detail": "x", "source": name, "record": item.record, "offset": item.offset, "length": item.length}}
            try:
                reject["raw"] = raw.decode("utf-8")
            except UnicodeDecodeError:
                import base64
                reject["raw_base64"] = base64.b64encode(raw).decode()
            line = json.dumps({{"hsmtrail_reject": reject}}, separators=(",", ":")).encode()
        sys.stdout.buffer.write(line + b"\\n")
sys.exit(worst)
"""


class Runner(unittest.TestCase):
    def run_it(self, *arguments, **environment):
        with tempfile.TemporaryDirectory() as folder:
            binary = Path(folder, "imitation")
            binary.write_text(IMITATION.format(here=str(HERE)), encoding="utf-8")
            binary.chmod(0o755)
            return subprocess.run([sys.executable, str(HERE / "run"), "--binary", str(binary), *arguments], capture_output=True, text=True, env={**os.environ, **environment})

    def test_agreement(self):
        for form in ("ndjson", "records", "pretty", "array", "concat"):
            with self.subTest(form=form):
                done = self.run_it("--count", "40", "--form", form)
                self.assertEqual((done.returncode, done.stdout), (0, "40 passed, 0 failed\n"))
        done = self.run_it("--count", "220", "--framing")
        self.assertEqual((done.returncode, done.stdout), (0, "220 passed, 0 failed\n"))

    def test_difference(self):
        done = self.run_it("--count", "120", SPOIL='"severity":"low"')
        self.assertEqual(done.returncode, 1)
        self.assertIn('severity: expected "high", got "low"', done.stdout)
        self.assertRegex(done.stdout.splitlines()[-1], r"^\d+ passed, [1-9]\d* failed$")


if __name__ == "__main__":
    unittest.main()
