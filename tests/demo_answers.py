#!/usr/bin/env python3
"""The demo model's pictures and texts get open_clip's cosines from any vkclip, on any machine.

    demo_answers.py COMMAND...     the command that runs vkclip, an emulator before it where it needs one

Classifies the demo pictures by one run of `COMMAND classify` under the texts of the model's vkclip_golden.json
and compares with the embeddings open_clip recorded there. Prints the worst difference.
"""
import json
import os
import subprocess
import sys

# Relative, since the command may see this folder under another name.
HERE = os.path.relpath(os.path.dirname(os.path.abspath(__file__)))
DEMO = os.path.join(HERE, "..", "tools", "demo")
# In fp32 both unit vectors are within 2e-5 a component and in truth 1e-6 (tests/test_towers.c); fp16, the default
# where a device stores it, rounds every weight to 11 bits.
ALLOWED = {"fp32": 2e-5, "fp16": 2e-3}


def main():
    with open(os.path.join(DEMO, "model", "vkclip_golden.json"), encoding="utf-8") as file:
        golden = json.load(file)
    texts = [text for text in golden["texts"] if text]
    vectors = dict(zip(golden["texts"], golden["text_embeddings"]))
    worst, count = {}, 0
    for precision in ALLOWED:
        command = [*sys.argv[1:], "classify", "-m", os.path.join(DEMO, "model"), "--template", "{}", "--format", "json", "--precision", precision]
        for text in texts:
            command += ["-l", text]
        pictures = [os.path.join(DEMO, "model", name) for name in golden["pictures"]]
        done = subprocess.run(command + pictures, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode == 3 and b"does not store fp16" in done.stderr:
            continue
        if done.returncode != 0:
            sys.stderr.write(done.stderr.decode(errors="replace"))
            print(f"status {done.returncode} of vkclip classify")
            sys.exit(1)
        answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
        assert len(answers) == len(pictures), answers
        for answer, image in zip(answers, golden["image_embeddings"]):
            for score in answer["labels"]:
                want = sum(a * b for a, b in zip(image, vectors[score["label"]]))
                worst[precision] = max(worst.get(precision, 0.0), abs(score["cosine"] - want))
                count += 1
    if not all(difference <= ALLOWED[precision] for precision, difference in worst.items()):
        print(f"cosines differ from open_clip's: {worst}, allowed {ALLOWED}")
        sys.exit(1)
    assert "fp32" in worst and count >= len(texts) * len(golden["pictures"])
    print(", ".join(f"{precision} {difference:.1e}" for precision, difference in worst.items()))


main()
