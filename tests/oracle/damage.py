"""Inputs in every form, whole and damaged, the same for the same seed: food for the framing oracle.

Every record carries its own number `n`, so that a difference shows which one was lost. Sources are small (a few
records) and start from an undamaged form that is then cut, flipped, and filled with garbage.
"""

import random

EVENT = ('{"eventVersion":"1.08","eventTime":"2024-02-29T12:00:00Z","eventSource":"cloudhsm.amazonaws.com",'
         '"eventName":"DeleteHsm","n":%d,"requestParameters":{"clusterId":"cluster-fw7mh6mayb5"}}')
RECORDS = [
    EVENT, '{"n":%d}', '{"n":%d,"a":{"b":[1,2,{"c":"x"}]}}', '{"eventVersion":"1.08","n":%d,"text":"q \\" b \\\\ { } [ ] , :"}',
    '{"n":%d,"Records":{}}', '{"eventSource":"s3.amazonaws.com","n":%d,"Records":[{"n":0}]}', '{"n":%d,"t":"é😀\\ud800"}',
    '{"n":%d,"m":[[],{},"",0,-1.5e3,true,false,null]}', '{"n":%d , "b" :\t[ 1 ] }',
]

ODD_VALUES = ["5", "-1.5e3", "true", "null", '"x"', "[]", "[[]]", "{}", "[[{}]]", "[5]", '"a,b]c}"', "1e400", '"\\ud800"', "[[1],{}]"]
GARBAGE = ["garbage", "<134>host app: ", "x", "tru", "01", "-", '"', "'", "\\", "\\\"", ":", ",", "}", "]", "{", "[", "{]", "[}", "//", "NaN", "\u00a0",
           "\ufeff", "\u0000", "}{", "]["]

FIXED = [
    b"", b"\n", b"\r\n\r\n", b" \t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf{}", b"\xef\xbb", b"{}", b"[]", b"{}{}", b"{} {}\n{}", b"[{}]", b"[[{}]]", b"[1,2]", b"[[]]",
    b"5", b"5\n{}\n", b'"x"', b"null", b"true false", b"{", b"[", b'{"Records":[', b'{"Records":[{}', b'{"Records":[{},', b'{"Records":[]', b'{"Records":[]}', b'{"Records":{}}',
    b'{"Records":null}', b'{"Records":5}', b'{"Records":"x"}', b'{"Records":[1,"x",null,[],{}]}', b'{"\\u0052ecords":[{"n":1}]}', b'{"records":[{"n":1}]}',
    b'{"Records":[{"n":1}],"Records":[{"n":2}]}', b'{"Records":[{"n":1}],"x":{"y":[1]},"Records":[{"n":2}]}', b'{"Records":{},"Records":[{"n":1}]}', b'{"Records":null,"Records":[{"n":1}]}',
    b'{"Records":[{"n":1}],"Records":{}}', b'{"x":{"Records":[{"n":1}]},"Records":[{"n":2}]}', b'{"x":"Records","Records":[{"n":2}]}', b'{"x":["Records",{"Records":[{}]}],"Records":[{"n":2}]}',
    b'{"eventSource":1,"Records":[{"n":1}]}', b'{"x":{"eventSource":1},"Records":[{"n":1}]}', b'{"Records":[{"n":1}],"eventSource":"x"}', b'{"event\\u0056ersion":1,"Records":[{"n":1}]}',
    b'{"Records":[{"Records":[{"n":1}]}]}', b'[{"Records":[{"n":1}]}]', b'{"Records":[{"n":1}],"NextToken":"x"}\n{"n":2}\n', b'{"n":1}\n[\n{"n":2}\n]\n{"n":3}\n',
    b'{"n":1}\n{"Records":[\n {"n":2},\n {"n":3}\n]}\n{"n":4}\n', b'{"n":1}\n{\n "n":2\n}\n{"n":3}\n', b'{"n":1}\n { \n "n":2\n}\n{"n":3}\n', b'{"n":1}\n{ "Records": [\n{"n":2}\n]\n}\n{"n":3}\n',
    b'{"n":1}\n[\n{"n":2}\n', b'{"n":1}\n{\n "n":2\n', b'{"n":1}\n{"Records":[\n', b'{"a":1\n2}', b'{"n":1}\n{"a":1\n2}\n{"n":3}\n', b'{"a":\n1,\r\n "b":\r\t2}', b'{"a":"x\\\ny"}\n{"n":1}\n',
    b'{"a":"x\ny"}\n{"n":1}\n', b'{"n":1}\n{"a":"x\ny"}\n{"n":2}\n', b'{"n":1\n{"n":2}\n{"n":3}\n', b'{"n":"1\n{"n":2}\n{"n":3}\n', b'{"n":\n{"n":2}\n{"n":3}\n', b'{"n":1}\r{"n":2}\r\r{"n":3}',
    b'{"n":1}\r\n{"n":2\r\n{"n":3}\r\n', b'{"n":1}}\n{"n":2}\n', b'{"n":1}]\n{"n":2}\n', b'}{"n":1}\n{"n":2}\n', b'{"n":1},{"n":2}\n{"n":3}\n', b'{"n":1}x{"n":2}\n{"n":3}\n',
    b'{"a":\xff}\n{"n":1}\n', b'{"a":"\xff"}\n{"n":1}\n', b'{"a":"\xed\xa0\x80"}\n', b'{"a":"\xc0\xaf"}\n', b'{"a":"\x00"}\n', b'{"a":"\x7f"}\n', b'{"a":01}\n', b'{"a":1,}\n', b'{"a":1 "b":2}\n', b'{a:1}\n',
    b"{'a':1}\n", b'{"a":NaN}\n', b'{"a":"\\x"}\n', b'{"a":"\\u12g4"}\n', b'{"a":+1}\n', b'{"a":.5}\n', b'{"a":1.}\n', b'{"a":1e}\n', b'{"a":truE}\n', b'{"a":1e400,"b":' + b"1" * 400 + b"}\n",
    b'{"a"' + b":[" + b"[" * 126 + b"]" * 127 + b"}\n", b'{"a"' + b":[" + b"[" * 127 + b"]" * 128 + b"}\n", b'{"Records":[{"a":' + b"[" * 127 + b"]" * 127 + b'}]}', b'{"Records":[{"a":' + b"[" * 128 + b"]" * 128 + b'}]}',
    b'{"n":1}\n' + b"[" * 129 + b"]" * 129 + b"\n", b'{"a":' * 129 + b"1" + b"}" * 129, b'{"a":' * 128 + b"1" + b"}" * 128,
]


def indented(text, step, newline):
    """The same JSON tokens over many lines; blanks between the tokens are dropped."""
    out, level, at = [], 0, 0
    empty = False

    def line():
        out.append(newline + step * level)

    while at < len(text):
        char = text[at]
        if char == '"':
            end = at + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            if empty:
                line()
            out.append(text[at:end + 1])
            at, empty = end + 1, False
        elif char in "{[":
            if empty:
                line()
            out.append(char)
            level, empty, at = level + 1, True, at + 1
        elif char in "}]":
            level -= 1
            if not empty:
                line()
            out.append(char)
            at, empty = at + 1, False
        elif char == ",":
            out.append(char)
            line()
            at += 1
        elif char == ":":
            out.append(": ")
            at += 1
        elif char in " \t\r\n":
            at += 1
        else:
            end = at
            while end < len(text) and text[end] not in ',:{}[]" \t\r\n':
                end += 1
            if empty:
                line()
            out.append(text[at:end])
            at, empty = end, False
    return "".join(out)


def element(rng, number):
    if rng.random() < 0.06:
        return rng.choice(ODD_VALUES)
    return rng.choice(RECORDS) % number


def document(rng, numbers):
    elements = [element(rng, number) for number in numbers]
    if rng.random() < 0.3:
        return "[" + ",".join(elements) + "]"
    before = rng.choice(("", "", "", '"x":1,', '"y":{"Records":[1]},', '"Records":[],', '"Records":null,'))
    after = rng.choice(("", "", "", ',"x":"y"', ',"Records":[' + rng.choice(RECORDS) % 99 + "]", ',"eventSource":1'))
    return "{" + before + '"Records":[' + ",".join(elements) + "]" + after + "}"


def whole(rng):
    """An undamaged input."""
    newline = rng.choice(("\n", "\n", "\n", "\r\n", "\r"))
    step = rng.choice(("  ", "    ", "\t", " ", "", "   "))
    count = rng.randrange(1, 6)
    form = rng.randrange(8)
    if form <= 1:  # lines, some of them documents or several values
        parts = []
        for number in range(count):
            roll = rng.random()
            if roll < 0.7:
                parts.append(element(rng, number))
            elif roll < 0.82:
                parts.append(document(rng, (number * 10, number * 10 + 1)))
            elif roll < 0.9:
                parts.append(element(rng, number) + rng.choice(("", " ")) + element(rng, number + 50))
            elif roll < 0.95:
                parts.append(indented(document(rng, (number * 10, number * 10 + 1)), step, newline))
            else:
                parts.append(rng.choice(("", " ", "\t")))
            if rng.random() < 0.1:
                parts[-1] = " " + parts[-1] + "\t"
        text = newline.join(parts)
    elif form == 2:
        text = document(rng, range(count))
    elif form <= 4:
        text = indented(document(rng, range(count)), step, newline)
    elif form == 5:
        text = rng.choice(("", newline)).join(document(rng, (number * 10, number * 10 + 1)) for number in range(count))
    elif form == 6:
        text = newline.join(indented(rng.choice(RECORDS) % number, step, newline) for number in range(count))
    else:
        text = newline.join(indented(document(rng, (number * 10, number * 10 + 1)), step, newline) for number in range(count))
    if rng.random() < 0.6:
        text += newline
    if rng.random() < 0.05:
        text = "\ufeff" + text
    return text.encode("utf-8")


def damaged(rng, data):
    at = rng.randrange(len(data) + 1)
    roll = rng.randrange(12)
    if roll == 0:
        return data[:at]
    if roll == 1 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]
    if roll <= 3:
        return data[:at] + data[at + 1:]
    if roll == 4:
        return data[:at] + bytes([rng.choice(b'{}[]",:\\\n\r \t0a\x00\xff')]) + data[at:]
    if roll == 5:
        return data[:at] + rng.choice((b"\n", b"\r", b"\r\n", b"\\\n", b"\n\n")) + data[at:]
    if roll == 6:
        return data[:at] + rng.choice(GARBAGE).encode() + data[at:]
    if roll == 7:  # a structural byte goes
        places = [place for place, byte in enumerate(data) if byte in b'{}[]",']
        if places:
            place = rng.choice(places)
            return data[:place] + data[place + 1:]
    if roll == 8:  # garbage on a line of its own
        starts = [0] + [place + 1 for place, byte in enumerate(data) if byte == 0x0A]
        place = rng.choice(starts)
        return data[:place] + rng.choice(GARBAGE).encode() + b"\n" + data[place:]
    if roll == 9:
        end = min(len(data), at + rng.randrange(1, 20))
        return data[:at] + data[end:]
    if roll == 10:  # a raw line break in a string
        places = [place for place, byte in enumerate(data) if byte == 0x22]
        if places:
            place = rng.choice(places) + 1
            return data[:place] + b"\n" + data[place:]
    lines = data.split(b"\n")
    del lines[rng.randrange(len(lines))]
    return b"\n".join(lines)


def sources(seed, count):
    """`count` inputs: the fixed ones first, then whole and damaged ones."""
    rng = random.Random(seed)
    for number in range(count):
        if number < len(FIXED):
            yield FIXED[number]
            continue
        data = whole(rng)
        for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3))):
            data = damaged(rng, data)
        yield data
