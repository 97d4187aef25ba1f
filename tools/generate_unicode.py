#!/usr/bin/env python3
"""Writes src/host/unicode.inc: what the tokenizers library makes of each character.

    tools/generate_unicode.py > src/host/unicode.inc

The library is asked about every code point, since it mixes versions of Unicode: the categories are those
of version 8, lower case that of the Rust it was built with. Needs tokenizers 0.15.0.
"""
import importlib.metadata

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

POINTS = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]


def normalizer(step):
    steps = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    return BertNormalizer(**{name: name == step for name in steps}).normalize_str


def ranges(points):
    found = []
    for point in points:
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return found


def cases(lower):
    """[first, last, step, distance]: every step-th letter's lower case is that far behind it."""
    found = []
    for point in POINTS:
        small = lower(chr(point))
        # The capital I with a dot alone becomes two; it is decomposed before it is asked for.
        if small == chr(point) or len(small) > 1:
            continue
        distance = ord(small) - point
        last = found[-1] if found else None
        step = point - last[1] if last else 0
        if last and last[3] == distance and step <= 2 and last[2] in (0, step):
            last[1:3] = [point, step]
        else:
            found.append([point, point, 0, distance])
    return [[first, last, step or 1, distance] for first, last, step, distance in found]


def write(comment, kind, name, rows):
    print(f"\n// {comment}\nstatic const struct {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        first, last, *rest = row
        text = "{" + ", ".join([f"0x{first:x}", f"0x{last:x}", *map(str, rest)]) + "},"
        if len(line) + 1 + len(text) > 99:
            print(line)
            line = "   "
        line += " " + text
    print(line + "\n};")


def main():
    clean, strip, lower = normalizer("clean_text"), normalizer("strip_accents"), normalizer("lowercase")
    split = BertPreTokenizer().pre_tokenize_str
    removed = [point for point in POINTS if clean(chr(point)) == ""]
    marks = [point for point in POINTS if strip(chr(point)) == ""]
    signs = [point for point in POINTS if len(split(f"a{chr(point)}b")) == 3]
    print(f"// Written by tools/generate_unicode.py, tokenizers {importlib.metadata.version('tokenizers')}.")
    write(f"What clean_text removes, {len(removed)} points.", "range", "removed", ranges(removed))
    write(f"What strip_accents removes, {len(marks)} points.", "range", "nonspacing_marks", ranges(marks))
    write(f"What stands alone, {len(signs)} points.", "range", "punctuation", ranges(signs))
    write("Letters and how far behind them their lower case is.", "letters", "capitals", cases(lower))


if __name__ == "__main__":
    main()
