#!/usr/bin/env python3
"""Compares vkclip's token ids with those of open_clip's HFTokenizer.

    compare_tokens.py LIBRARY MODEL_DIR [STRINGS [SEED]]

LIBRARY is build/libvkclip.so; MODEL_DIR is as published: vocab.txt, tokenizer.json or both, and the side
files of either. Tried are STRINGS (100,000) mixed texts, some with wrong bytes; as many with mojibake;
20,000 sentences, and as many misread; every code point but zero, alone and between two letters. vkclip reads
vocab.txt alone and tokenizer.json alone, where they are. Since most of what is rare is [UNK] either way, all
is done once more with a vocabulary of single characters, which shows what became of each. Prints how many
texts differ; exits 1 when one does. Needs open_clip 2.23.0, transformers 4.35.2, tokenizers 0.15.0, ftfy
6.3.1, Python 3.11.
"""
import ctypes
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import unicodedata

import numpy as np
from open_clip.tokenizer import HFTokenizer

from texts import Texts, as_read

CONTEXT = 256
BATCH = 5000
SENTENCES = 20000
SIDE_FILES = 0
FOR_REFERENCE = ("config.json", "tokenizer_config.json", "special_tokens_map.json")


class Vkclip:
    def __init__(self, library, model_dir):
        self.library = ctypes.CDLL(library)
        self.library.vkclip_model_open.restype = ctypes.c_void_p
        self.model = ctypes.c_void_p(self.library.vkclip_model_open(model_dir.encode(), SIDE_FILES, None, None))
        if not self.model:
            sys.exit(f"{library} cannot open {model_dir}")

    def __call__(self, texts):
        ids, count = np.zeros((len(texts), CONTEXT), dtype=np.int32), ctypes.c_uint32()
        for i, text in enumerate(texts):
            row = ctypes.c_void_p(ids.ctypes.data + i * ids.strides[0])
            if not self.library.vkclip_tokenize(self.model, text, row, CONTEXT, ctypes.byref(count), None):
                sys.exit(f"vkclip_tokenize fails on {text!r}")
        return ids


def copy(names, from_dir, to_dir):
    """Those of the files that are there."""
    os.mkdir(to_dir)
    for name in names:
        if os.path.exists(os.path.join(from_dir, name)):
            shutil.copy(os.path.join(from_dir, name), to_dir)
    return to_dir


def letters(model_dir, to_dir):
    """A model directory whose vocabulary is the special tokens, then single characters."""
    copy(FOR_REFERENCE + ("open_clip_config.json",), model_dir, to_dir)
    points = [*range(0x21, 0x3100), *range(0x4E00, 0x4F00), *range(0xAC00, 0xAD00), *range(0xF8FF, 0xFFFE)]
    points += [*range(0x10400, 0x10450), *range(0x1D400, 0x1D800), *range(0x1F000, 0x1FB00), *range(0xE0000, 0xE0080)]
    chars = [chr(point) for point in points if unicodedata.category(chr(point)) not in ("Cc", "Zs", "Zl", "Zp")]
    with open(os.path.join(to_dir, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
        for token in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *chars, *("##" + char for char in chars)]:
            file.write(token + "\n")
    return to_dir


class Comparison:
    def __init__(self, name, reference_dir, vkclips):
        self.name, self.vkclips = name, vkclips
        self.reference = HFTokenizer(reference_dir, context_length=CONTEXT)
        self.texts = self.differing = 0

    def run(self, what, texts):
        found = []
        for first in range(0, len(texts), BATCH):
            batch = texts[first : first + BATCH]
            want = self.reference([as_read(text) for text in batch]).numpy()
            wrong = np.any([np.any(vkclip(batch) != want, axis=1) for vkclip in self.vkclips], axis=0)
            found += [batch[i] for i in np.nonzero(wrong)[0]]
        print(f"{self.name}: {what}: {len(found)} of {len(texts)} differ", flush=True)
        for text in found[:10]:
            print("   ", ascii(as_read(text)))
        self.texts += len(texts)
        self.differing += len(found)


def main():
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    strings, seed = [int(argument) for argument in (sys.argv[3:] + ["100000", "1"][len(sys.argv) - 3 :])]
    library, model_dir = sys.argv[1:3]
    names = ("open_clip_torch", "transformers", "tokenizers", "ftfy")
    print(*(f"{name} {importlib.metadata.version(name)}" for name in names), "Python", platform.python_version())

    with tempfile.TemporaryDirectory() as work:
        parts = [copy((name, "open_clip_config.json"), model_dir, os.path.join(work, name))
                 for name in ("vocab.txt", "tokenizer.json") if os.path.exists(os.path.join(model_dir, name))]
        single = letters(model_dir, os.path.join(work, "letters"))
        comparisons = [
            Comparison("published vocabulary", model_dir, [Vkclip(library, part) for part in parts]),
            Comparison("single characters", single, [Vkclip(library, single)]),
        ]
        generated = Texts(seed, comparisons[0].reference.tokenizer.get_vocab())
        points = [chr(point).encode() for point in range(1, 0x110000) if not 0xD800 <= point < 0xE000]
        sentences = [generated.sentence() for _ in range(SENTENCES)]
        groups = (
            ("mixed texts", [generated.mixed() for _ in range(strings)]),
            ("texts with mojibake", [generated.mojibake() for _ in range(strings)]),
            ("sentences", [sentence.encode() for sentence in sentences]),
            ("sentences misread", [generated.misread(sentence).encode() for sentence in sentences]),
            ("code points alone", points),
            ("code points between letters", [b"a" + point + b"b" for point in points]),
        )
        for comparison in comparisons:
            for what, texts in groups:
                comparison.run(what, [text.replace(b"\0", b"") for text in texts])
    differing = sum(comparison.differing for comparison in comparisons)
    print(f"{sum(comparison.texts for comparison in comparisons)} comparisons, {differing} differ")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
