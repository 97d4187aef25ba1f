#!/usr/bin/env python3
"""Writes tests/golden/probe.json: rows with labels, and what scikit-learn's LogisticRegression learns from them.

    make_probe_goldens.py FILE

Rows are unit vectors around overlapping centres, in four digits, in float32 as vkclip reads them. Each case has
training, validation and test rows in a row; for each C the probabilities of the first test rows, and for all C
of vkclip eval probe the shares of validation and test rows that are named right. Needs scikit-learn (1.5.2)
and numpy (2.4.6).
"""
import json
import platform
import sys

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

STRENGTHS = [10 ** (-3 + 0.5 * i) for i in range(17)]
SHOWN = 5


def fit(rows, labels, strength):
    return LogisticRegression(C=strength, tol=1e-9, max_iter=100000).fit(rows.astype(np.float64), labels)


def case(name, seed, classes, width, counts, spread):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=sum(counts))
    rows = rng.normal(size=(classes, width))[labels] + spread * rng.normal(size=(sum(counts), width))
    rows = np.round(rows / np.linalg.norm(rows, axis=1, keepdims=True), 4).astype(np.float32)
    parts = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])
    shown = parts[2][:SHOWN]
    fits = [fit(rows[parts[0]], labels[parts[0]], strength) for strength in STRENGTHS]
    return {
        "name": name,
        "counts": counts,
        "classes": classes,
        "labels": labels.tolist(),
        "rows": [[round(float(value), 4) for value in row] for row in rows],
        "strengths": STRENGTHS,
        "validation": [each.score(rows[parts[1]], labels[parts[1]]) for each in fits],
        "test": [each.score(rows[parts[2]], labels[parts[2]]) for each in fits],
        "probabilities": [each.predict_proba(rows[shown].astype(np.float64)).ravel().tolist() for each in fits],
    }


def main():
    cases = [
        case("two classes", 1, 2, 8, [60, 40, 200], 2.0),
        case("five classes", 2, 5, 12, [150, 60, 300], 1.5),
    ]
    made = f"tools/reference/make_probe_goldens.py, scikit-learn {sklearn.__version__}, numpy {np.__version__}"
    made += f", Python {platform.python_version()}"
    with open(sys.argv[1], "w", encoding="ascii") as file:
        file.write('{"made_by": ' + json.dumps(made) + ',\n "cases": [\n')
        file.write(",\n".join(json.dumps(each) for each in cases))
        file.write("\n]}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
