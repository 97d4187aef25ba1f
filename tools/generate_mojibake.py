#!/usr/bin/env python3
"""Writes src/host/mojibake.inc: the characters and the sequences by which ftfy knows mojibake.

    tools/generate_mojibake.py > src/host/mojibake.inc

Everything is read out of ftfy as it is installed: a row for each character that one of its ten encodings
has or one of its rules names, and its regular expression for unlikely sequences as an automaton. Characters
that no rule tells apart are one class. Bit i of a class's word is set when the class may stand at place i;
the sequences lie one after the other, and none lies in both words. Needs ftfy 6.3.1, Python 3.11.
"""
import random
import re
from re import _constants, _parser

import ftfy
from ftfy import badness, chardata

ENCODINGS = [
    "latin-1",
    "sloppy-windows-1252",
    "sloppy-windows-1251",
    "sloppy-windows-1250",
    "sloppy-windows-1253",
    "sloppy-windows-1254",
    "sloppy-windows-1257",
    "iso-8859-2",
    "macroman",
    "cp437",
]
ROLES = ["utf8_first_of_2", "utf8_first_of_3", "utf8_first_of_4", "utf8_continuation", "utf8_continuation_strict"]
# The classes of characters that have no row.
WORD, SPACE, OTHER = "\u4e00", "\u2003", "\u0301"
BEGINNING = None  # a place that only the beginning of the text takes


def members(charset):
    """The characters of the inside of a [...]."""
    matches = re.compile(f"[{charset}]").match
    return {chr(point) for point in range(0x110000) if matches(chr(point))}


def is_in(char, node, argument):
    """Whether a node of a parsed expression that stands for one character takes it."""
    if node is _constants.ANY:
        return char != "\n"
    if node is _constants.LITERAL:
        return ord(char) == argument
    if node is _constants.NOT_LITERAL:
        return ord(char) != argument
    if node is _constants.RANGE:
        return argument[0] <= ord(char) <= argument[1]
    if node is _constants.CATEGORY:
        if argument is _constants.CATEGORY_SPACE:
            return char.isspace()
        assert argument is _constants.CATEGORY_WORD
        return char.isalnum() or char == "_"
    assert node is _constants.IN
    is_negated = argument[0][0] is _constants.NEGATE
    return is_negated != any(is_in(char, *item) for item in argument[is_negated:])


def sequences(nodes):
    """All sequences of places that the parsed expression allows."""
    found = [[]]
    for node, argument in nodes:
        if node is _constants.BRANCH:
            ends = [sequence for branch in argument[1] for sequence in sequences(branch)]
        elif node is _constants.SUBPATTERN:
            ends = sequences(argument[3])
        elif node is _constants.MAX_REPEAT:
            assert argument[:2] == (0, 1)
            ends = [[]] + sequences(argument[2])
        elif node is _constants.AT:
            assert argument is _constants.AT_BEGINNING
            ends = [[BEGINNING]]
        else:
            ends = [[(node, argument)]]
        found = [begin + end for begin in found for end in ends]
    return found


class Automaton:
    def __init__(self, chars):
        places = [[], []]
        self.starts, self.starts_once, self.ends = [0, 0], [0, 0], [0, 0]
        for sequence in sequences(_parser.parse(badness.BADNESS_RE.pattern, re.VERBOSE)):
            is_once = sequence[0] is BEGINNING
            sequence = sequence[is_once:]
            word = 0 if len(places[0]) + len(sequence) <= 64 else 1
            (self.starts_once if is_once else self.starts)[word] |= 1 << len(places[word])
            places[word] += sequence
            self.ends[word] |= 1 << len(places[word]) - 1
        assert len(places[1]) <= 64
        self.accepts, self.classes = [], {}
        for char in [WORD, SPACE, OTHER] + sorted(chars):
            words = [sum(1 << i for i, place in enumerate(half) if is_in(char, *place)) for half in places]
            if words not in self.accepts:
                self.accepts.append(words)
            self.classes[char] = self.accepts.index(words)
        assert [self.classes[char] for char in (WORD, SPACE, OTHER)] == [0, 1, 2]

    def class_of(self, char):
        if char in self.classes:
            return self.classes[char]
        return 0 if char.isalnum() else 1 if char.isspace() else 2

    def is_bad(self, text):
        """As mojibake.c does it."""
        state, starts = [0, 0], [self.starts[word] | self.starts_once[word] for word in (0, 1)]
        for char in text:
            accepts = self.accepts[self.class_of(char)]
            state = [(state[word] << 1 | starts[word]) & accepts[word] for word in (0, 1)]
            starts = self.starts
            if state[0] & self.ends[0] or state[1] & self.ends[1]:
                return True
        return False

    def check(self, chars):
        dice = random.Random(1)
        pools = [chars, [char for char in chars if char > "\x7f"], "aZ \n\xc3\xc2\u0413\u045e\u0412\u201a\u20ac" + WORD]
        for _ in range(200000):
            text = "".join(dice.choice(dice.choice(pools)) for _ in range(dice.randrange(1, 8)))
            assert self.is_bad(text) == badness.is_bad(text), ascii(text)


def write_words(name, words):
    print(f"static const uint64_t {name}[2] = {{" + ", ".join(f"0x{word:016x}" for word in words) + "};")


def main():
    assert chardata.CHARMAP_ENCODINGS == ENCODINGS
    roles = [members(chardata.UTF8_CLUES[role]) for role in ROLES]
    assert not (roles[0] & roles[1] or roles[0] & roles[2] or roles[1] & roles[2])
    chars = {chr(point) for point in range(128)}.union(*roles, *map(members, badness.MOJIBAKE_CATEGORIES.values()))
    codes = [{bytes([byte]).decode(encoding): byte for byte in range(256)} for encoding in ENCODINGS]
    chars = sorted(chars.union(*codes))
    automaton = Automaton(chars)
    automaton.check(chars)

    head = f"// Written by tools/generate_mojibake.py, ftfy {ftfy.__version__}"
    print(f"{head}: {len(chars)} characters in order, each with")
    print("// its class, its roles in UTF-8, the encodings that have it, and its byte in each of them;")
    print(f"// then the automaton over {len(automaton.accepts)} classes.")
    print("static const struct sign signs[] = {")
    for char in chars:
        has = sum(1 << i for i, code in enumerate(codes) if char in code)
        part = sum(1 << i for i, role in enumerate(roles) if char in role)
        for encoding, code in zip(ENCODINGS, codes):
            assert char not in code or char.encode(encoding)[0] == code[char]
            assert (char in code) == chardata.possible_encoding(char, encoding)
        values = ", ".join(str(code.get(char, 0)) for code in codes)
        print(f"    {{0x{ord(char):x}, {automaton.classes[char]}, 0x{part:x}, 0x{has:x}, {{{values}}}}},")
    print("};\n\nstatic const uint64_t accepts[][2] = {")
    for words in automaton.accepts:
        print(f"    {{0x{words[0]:016x}, 0x{words[1]:016x}}},")
    print("};")
    write_words("starts", automaton.starts)
    write_words("starts_once", automaton.starts_once)
    write_words("ends", automaton.ends)


if __name__ == "__main__":
    main()
