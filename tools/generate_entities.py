#!/usr/bin/env python3
"""Writes src/host/entities.inc: the named character references of HTML.

    tools/generate_entities.py > src/host/entities.inc

Source: Python's html.entities.html5, which is the list of the WHATWG HTML standard, section
"Named character references": 2,231 spellings of 2,125 names.
"""
from html.entities import html5

names = sorted(name[:-1] for name in html5 if name.endswith(";"))
assert all(len(name) <= 31 and name.isascii() and name.isalnum() for name in names)
assert all(name.endswith(";") or html5[name] == html5[name + ";"] for name in html5)

rows = []
for name in names:
    points = [ord(char) for char in html5[name + ";"]]
    assert len(points) <= 2 and (len(points) == 1 or ord(";") not in points)
    values = ", ".join(f"0x{point:x}" for point in points)
    rows.append('{"%s", {%s}, %d},' % (name, values, name in html5))

print(f"// Written by tools/generate_entities.py: {len(rows)} names in byte order, of which")
print(f"// {sum(name in html5 for name in names)} may stand without a semicolon.")
print("// Source: the HTML standard's list, as Python's html.entities.html5 has it.")
line = ""
for row in rows:
    if line and len(line) + 1 + len(row) > 99:
        print(line)
        line = ""
    line += (" " if line else "") + row
print(line)
