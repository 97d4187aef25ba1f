#!/usr/bin/env python3
"""vkclip gives PyTorch's answers on the 1,000 unseen pictures of the demo model.

    demo_accuracy.py VKCLIP [option of vkclip classify ...]

Draws the pictures, classifies them by one run of `VKCLIP classify` and compares with
tests/golden/demo_accuracy.json, written by tools/demo/train.py: the best label must be PyTorch's, or
the two labels must be so close that 1e-4, the allowed difference of a logit, decides between them.
Needs numpy; exits with 77, skipped, where there is none.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy  # noqa: F401  draw needs it
except ImportError:
    print("demo_accuracy: skipped, python3 has no numpy")
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(HERE, "..", "tools", "demo")
sys.path.insert(0, DEMO)
import draw  # noqa: E402

COUNT = 1000
ALLOWED_LOGIT = 1e-4


def draw_pictures(folder):
    """Writes the pictures as PPM; returns their paths and the sha256 over all pixels."""
    whole, paths = hashlib.sha256(), []
    for number in range(COUNT):
        pixels = draw.draw("test", number)
        whole.update(pixels.tobytes())
        paths.append(os.path.join(folder, f"{number:04}.ppm"))
        draw.write_ppm(paths[-1], pixels)
    return paths, whole.hexdigest()


def classify(program, options, golden, folder, paths):
    """One object a picture, in the order of the pictures."""
    labels = os.path.join(folder, "labels.txt")
    with open(labels, "w", encoding="ascii") as file:
        file.write("\n".join(golden["labels"]) + "\n")
    command = [program, "classify", "-m", os.path.join(DEMO, "model"), "--labels", labels]
    command += ["--template", golden["template"], "--format", "json", *options]
    done = subprocess.run(command + paths, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"demo_accuracy: {' '.join(command)} ... ended with status {done.returncode}")
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def compare(found, golden):
    """How many pictures agree, are ties, or fail; and the largest difference of a logit."""
    counts, worst = {"same": 0, "tie": 0, "wrong": 0}, 0.0
    for number, line in enumerate(found):
        logits = {item["label"]: item["logit"] for item in line["labels"]}
        top = [golden["labels"][index] for index in golden["top_labels"][number]]
        wanted = dict(zip(top, golden["top_logits"][number]))
        worst = max([worst] + [abs(logits[label] - wanted[label]) for label in top if label in logits])
        best = line["labels"][0]["label"]
        if best == top[0]:
            counts["same"] += 1
        elif best in wanted and wanted[top[0]] - wanted[best] <= ALLOWED_LOGIT:
            counts["tie"] += 1
        else:
            counts["wrong"] += 1
            print(f"picture {number}: vkclip says {best}, PyTorch {top[0]}")
    return counts, worst


def accuracy(found):
    """Share of pictures named right, for pairs seen in training and for held-out ones."""
    hits = {False: [], True: []}
    for number, line in enumerate(found):
        chosen = draw.attributes_of("test", number)
        pair = (chosen["shape"], chosen["stain"])
        hits[pair in draw.HELD_OUT].append(line["labels"][0]["label"] == f"{pair[1]} {pair[0]} cells")
    return {name: round(sum(hits[key]) / len(hits[key]), 4) for name, key in (("seen", False), ("held_out", True))}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with open(os.path.join(HERE, "golden", "demo_accuracy.json"), encoding="ascii") as file:
        golden = json.load(file)
    with tempfile.TemporaryDirectory() as folder:
        paths, pixels_sha256 = draw_pictures(folder)
        if pixels_sha256 != golden["pictures_sha256"]:
            sys.exit("demo_accuracy: the pictures drawn here are not those PyTorch saw")
        found = classify(os.path.abspath(sys.argv[1]), sys.argv[2:], golden, folder, paths)
    if len(found) != COUNT:
        sys.exit(f"demo_accuracy: {len(found)} answers for {COUNT} pictures")
    counts, worst = compare(found, golden)
    print(f"largest difference of a logit {worst:.1e}; accuracy {accuracy(found)}, PyTorch {golden['accuracy']['joint']}")
    print(f"{counts['same']} the same label, {counts['tie']} ties within {ALLOWED_LOGIT}, {counts['wrong']} wrong")
    print(f"{counts['same'] + counts['tie']} passed, {counts['wrong']} failed")
    sys.exit(1 if counts["wrong"] else 0)


if __name__ == "__main__":
    main()
