#!/usr/bin/env python3
"""Prints what the rows of tools/matrix.sh saw as one Markdown table, and writes it as JSON.

    table.py --json FILE ROW...

Reads build/matrix/ROW/status (exit status, seconds, day) and build/matrix/ROW/lines (tab-separated: environment,
column=value ...). Status: 1 when a row failed, 0 otherwise.
"""
import json
import os
import subprocess
import sys

COLUMNS = ("proof", "versions", "kernels", "towers", "demo", "messages", "note")
TITLES = ("environment", "proof", "kernels", "towers", "demo", "validation messages", "time", "note")
OUTCOMES = {0: "passed", 77: "not run"}


def read(row):
    folder = os.path.join("build", "matrix", row)
    with open(os.path.join(folder, "status"), encoding="utf-8") as file:
        status, seconds, day = file.read().split()
    result = {"row": row, "outcome": OUTCOMES.get(int(status), "FAILED"), "seconds": int(seconds), "day": day, "lines": []}
    try:
        with open(os.path.join(folder, "lines"), encoding="utf-8") as file:
            for text in file.read().splitlines():
                environment, *cells = text.split("\t")
                cells = dict(cell.split("=", 1) for cell in cells)
                assert set(cells) <= set(COLUMNS), cells
                result["lines"].append({"environment": environment, **cells})
    except FileNotFoundError:
        pass
    # A row that says nothing has shown nothing, and a cell speaks louder than a status.
    cells = [cell for line in result["lines"] for cell in line.values()]
    if any(cell.startswith("FAILED") for cell in cells) or (result["outcome"] == "passed" and not cells):
        result["outcome"] = "FAILED"
    if result["outcome"] == "not run":
        with open(os.path.join(folder, "log"), encoding="utf-8", errors="replace") as file:
            result["reason"] = (file.read().splitlines() or [""])[-1]
    return result


def commit():
    try:
        done = subprocess.run(("git", "describe", "--always", "--dirty"), capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"
    except FileNotFoundError:
        return "unknown"  # a system without git, where the repository came as files


def table(results):
    print("| " + " | ".join(TITLES) + " |")
    print("|" + "---|" * len(TITLES))
    for result in results:
        lines = result["lines"] or [{"environment": result["row"]}]
        for i, line in enumerate(lines):
            name = ", ".join(filter(None, (line["environment"], line.get("versions"))))
            time = f"{result['seconds']} s" if i == 0 else ""
            note = line.get("note", "")
            if i == 0 and result["outcome"] != "passed":
                note = ": ".join(filter(None, (f"**{result['outcome']}**", result.get("reason", note))))
            cells = (name, line.get("proof", ""), line.get("kernels", ""), line.get("towers", ""), line.get("demo", ""),
                     line.get("messages", ""), time, note)
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")


def main():
    if len(sys.argv) < 3 or sys.argv[1] != "--json":
        sys.exit(__doc__)
    results = [read(row) for row in sys.argv[3:]]
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump({"program": commit(), "rows": results}, file, indent=1)
        file.write("\n")
    table(results)
    counts = {name: sum(r["outcome"] == name for r in results) for name in ("passed", "FAILED", "not run")}
    print("\nmatrix: " + ", ".join(f"{count} {name.lower()}" for name, count in counts.items()), file=sys.stderr)
    sys.exit(counts["FAILED"] > 0)


main()
