#!/usr/bin/env python3
"""Writes tests/golden/metrics.json: predictions, and what scikit-learn says of them.

    make_metrics_goldens.py FILE

The expected calibration error, which scikit-learn does not have, is numpy's here. Intervals are percentiles
over resamples drawn by SplitMix64 as tools/vkclip/metrics.h says, each measured by scikit-learn. What is
undefined is null. Needs scikit-learn (1.5.2) and numpy (2.4.6).
"""
import json
import math
import platform
import sys
import warnings

import numpy as np
import sklearn
from sklearn import metrics

RESAMPLES, BINS, SEED = 1000, 15, 7
warnings.filterwarnings("ignore")


def splitmix64(state):
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        word = state
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
        yield word ^ (word >> 31)


def curves(truth, probabilities, label):
    """AUROC and average precision of one class against the rest."""
    positive = truth == label
    auroc = average = math.nan
    if positive.any():
        average = metrics.average_precision_score(positive, probabilities[:, label])
        if not positive.all():
            auroc = metrics.roc_auc_score(positive, probabilities[:, label])
    return auroc, average


def calibration_error(truth, probabilities):
    top, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    bins = np.searchsorted(np.arange(1, BINS) / BINS, top)
    error = 0.0
    for each in np.unique(bins):
        inside = bins == each
        error += inside.mean() * abs((truth == predicted)[inside].mean() - top[inside].mean())
    return error


def measure(truth, probabilities):
    classes, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    if classes == 2:
        auroc, average = curves(truth, probabilities, 1)
    else:
        auroc, average = np.nanmean([curves(truth, probabilities, label) for label in range(classes)], axis=0)
    return [
        metrics.accuracy_score(truth, predicted),
        metrics.balanced_accuracy_score(truth, predicted),
        auroc,
        average,
        calibration_error(truth, probabilities),
    ]


def intervals(truth, probabilities):
    words, samples = splitmix64(SEED), []
    for _ in range(RESAMPLES):
        drawn = [((next(words) >> 32) * len(truth)) >> 32 for _ in truth]
        samples.append(measure(truth[drawn], probabilities[drawn]))
    return np.nanpercentile(samples, [2.5, 97.5], axis=0).tolist()


def case(name, truth, probabilities):
    truth, probabilities = np.asarray(truth), np.asarray(probabilities)
    labels, predicted = range(probabilities.shape[1]), probabilities.argmax(axis=1)
    each = metrics.precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=np.nan)
    return {
        "name": name,
        "seed": SEED,
        "truth": truth.tolist(),
        "probabilities": probabilities.tolist(),
        "values": measure(truth, probabilities),
        "intervals": intervals(truth, probabilities),
        "classes": [
            [*(float(column[label]) for column in each), *curves(truth, probabilities, label)] for label in labels
        ],
        "confusion": metrics.confusion_matrix(truth, predicted, labels=labels).tolist(),
    }


def random_case(name, seed, count, classes, step=None, absent=(), never=()):
    """Softmax of noise that leans to the truth; step rounds scores, so that they tie."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([label for label in range(classes) if label not in absent], count)
    scores = rng.normal(size=(count, classes)) * 1.5
    scores[np.arange(count), truth] += 1.0
    if step:
        scores = np.round(scores / step) * step
    scores[:, list(never)] = -4.0
    powers = np.exp(scores)
    return case(name, truth, powers / powers.sum(axis=1, keepdims=True))


def without_nan(value):
    if isinstance(value, list):
        return [without_nan(each) for each in value]
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def main():
    cases = [
        random_case("two classes", 1, 80, 2),
        random_case("two classes with ties", 2, 80, 2, step=1.0),
        random_case("four classes", 3, 120, 4),
        random_case("four classes with ties", 4, 80, 4, step=1.5),
        random_case("a class without pictures", 5, 60, 4, absent=[2]),
        random_case("a class that is never predicted", 6, 60, 3, never=[0]),
        random_case("a class that is neither", 7, 60, 4, absent=[1], never=[1]),
        random_case("one picture of a class", 8, 6, 3),
        case("only the first of two classes", [0, 0, 0], [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]),
        case("only the second of two classes", [1, 1, 1], [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]),
        case("one picture", [1], [[0.25, 0.5, 0.25]]),
        case("all the same", [0, 1, 0, 1], [[0.5, 0.5]] * 4),
        case("certain and right", [0, 1, 2], np.eye(3)),
        case("certain and wrong", [1, 2, 0], np.eye(3)),
        case("on the edge of a bin", [0, 1, 1], [[9 / 15, 6 / 15], [0.59, 0.41], [0.39, 0.61]]),
    ]
    made = f"tools/reference/make_metrics_goldens.py, scikit-learn {sklearn.__version__}, numpy {np.__version__}"
    made += f", Python {platform.python_version()}"
    with open(sys.argv[1], "w", encoding="ascii") as file:
        file.write('{"made_by": ' + json.dumps(made) + ',\n "cases": [\n')
        file.write(",\n".join(json.dumps(without_nan(each), allow_nan=False) for each in cases))
        file.write("\n]}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
