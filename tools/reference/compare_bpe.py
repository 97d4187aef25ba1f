#!/usr/bin/env python3
"""Compares vkclip's token ids with those of open_clip's SimpleTokenizer, with the vocabulary open_clip brings.

    compare_bpe.py LIBRARY [STRINGS [SEED]]

LIBRARY is build/libvkclip.so. vkclip gets the vocabulary as vocab.json with merges.txt and as tokenizer.json.
Tried are every code point but zero, alone and in four surroundings; STRINGS (100,000) mixed texts, some with
wrong bytes; as many with mojibake; 20,000 sentences, and as many misread. What differs is counted by cause:
"version" where a text holds, literally or by an entity, a character that differs by itself, being a letter, a
number, a capital or a mark in one version of Unicode alone; of the rest, whose number is 0 where vkclip is right,
up to ten are printed. Exits 1 where there is one.
Needs open_clip 2.23.0, transformers 4.35.2, tokenizers 0.15.0, ftfy 6.3.1, Python 3.11.
"""
import collections
import json
import os
import sys
import tempfile
import unicodedata
from importlib.metadata import version

import numpy as np
from open_clip.tokenizer import SimpleTokenizer

import clip_vocabulary
from compare_tokens import BATCH, CONTEXT, SENTENCES, Vkclip
from texts import Texts, as_read

CONFIG = {
    "model_cfg": {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
        "text_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12},
    }
}
SPECIAL = ("<start_of_text>", "<end_of_text>", "<START_OF_TEXT>", "<\u017ftart_of_text>", "<end_of_text", "</w>")
SPECIAL += ("<<end_of_text>>", "<|startoftext|>", "<|endoftext|>", "&lt;end_of_text>")
ENDINGS = ("'s", "'T", "'re", "'VE", "'m", "'ll", "'d", "'\u017f", "\u2019s", "'x", "''s", "&#39;s")
CASED = "\u03a3\u0391\u03c3\u0130\u0131\u1e9e\u01c5\u2160\u24b6aB1.':\u00b7\u0345\u0301\u00ad\u02b0\u00aa \u2028"


class ClipTexts(Texts):
    """The same, and what only this tokenizer looks at: endings, digits, case, runs of signs."""

    def piece(self):
        choice, count = self.random.choice, self.random.randrange
        if self.random.random() < 0.7:
            return super().piece()
        return choice(
            (
                lambda: choice(SPECIAL),
                lambda: choice(self.words)[: count(1, 12)] + choice(ENDINGS) + choice(("", "x", " ", "'")),
                lambda: "".join(choice(CASED) for _ in range(count(1, 8))),
                lambda: str(count(10 ** count(1, 8))) + choice("%.,/-eE\u00bd\u00b2\u0663\u216b "),
                lambda: choice("!?.-=/\u00b1\u2265\u2192") * count(1, 12),
                lambda: choice("aeio\u00e9\u03b1\u80ba\u3042\ud55c\u0e01") * count(1, 60),
            )
        )()


def surroundings(point):
    return point, "a" + point + "b", "'" + point + "s", "1" + point + "!" + point, "\u03a3" + point + "\u03a3a"


class Comparison:
    def __init__(self, library):
        self.reference = SimpleTokenizer(context_length=CONTEXT)
        with tempfile.TemporaryDirectory() as pair, tempfile.TemporaryDirectory() as single:
            for folder in (pair, single):
                with open(os.path.join(folder, "open_clip_config.json"), "w", encoding="utf-8") as file:
                    json.dump(CONFIG, file)
            clip_vocabulary.write_pair(pair, self.reference)
            clip_vocabulary.write_json(single, pair)
            self.vkclips = Vkclip(library, pair), Vkclip(library, single)
        self.newer = set()
        self.faults = 0

    def differing(self, texts):
        found = []
        for first in range(0, len(texts), BATCH):
            batch = texts[first : first + BATCH]
            want = np.asarray(self.reference([as_read(text) for text in batch]))
            wrong = np.any([np.any(vkclip(batch) != want, axis=1) for vkclip in self.vkclips], axis=0)
            found += [batch[i] for i in np.nonzero(wrong)[0]]
        return found

    def points(self):
        points = [chr(point) for point in range(1, 0x110000) if not 0xD800 <= point < 0xE000]
        for i in range(len(surroundings("a"))):
            texts = {surroundings(point)[i].encode(): point for point in points}
            self.newer |= {texts[text] for text in self.differing(list(texts))}
        categories = dict(collections.Counter(map(unicodedata.category, self.newer)))
        print(f"{len(points)} code points: {len(self.newer)} differ, by Python's category {categories}", flush=True)

    def run(self, what, texts):
        found = [as_read(text) for text in self.differing(texts)]
        other = [text for text in found if not self.newer & set(text + self.reference.clean_fn(text))]
        print(f"{len(texts)} {what}: {len(found) - len(other)} differ by version, {len(other)} otherwise", flush=True)
        for text in other[:10]:
            print("   ", ascii(text))
        self.faults += len(other)


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    strings, seed = [int(argument) for argument in (sys.argv[2:] + ["100000", "1"][len(sys.argv) - 2 :])]
    names = ("open_clip_torch", "ftfy", "regex")
    print(*(f"{name} {version(name)}," for name in names), "Unicode of Python", unicodedata.unidata_version)
    comparison = Comparison(sys.argv[1])
    generated = ClipTexts(seed, list(comparison.reference.encoder))
    sentences = [generated.sentence() for _ in range(SENTENCES)]
    comparison.points()
    comparison.run("mixed texts", [generated.mixed() for _ in range(strings)])
    comparison.run("texts with mojibake", [generated.mojibake() for _ in range(strings)])
    comparison.run("sentences", [sentence.encode() for sentence in sentences])
    comparison.run("sentences misread", [generated.misread(sentence).encode().replace(b"\0", b"") for sentence in sentences])
    sys.exit(1 if comparison.faults else 0)


if __name__ == "__main__":
    main()
