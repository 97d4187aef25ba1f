#!/usr/bin/env python3
"""Compares vkclip's token ids with those of open_clip's HFTokenizer, or of transformers' tokenizer.

    compare_tokens.py LIBRARY MODEL_DIR [STRINGS [SEED]]

LIBRARY is build/libvkclip.so; MODEL_DIR holds vocab.txt and tokenizer.json. Every code point is tried alone
and between two letters, then STRINGS (100,000) generated texts. Where MODEL_DIR has no open_clip_config.json,
texts go to transformers' tokenizer as they are; else they are cleaned first as open_clip does it. ftfy's mojibake repair, which vkclip leaves
out, is switched off. What remains is counted by cause: "version" when the text holds, literally or as a
numeric entity, a character that already differed on its own, which a newer Unicode put into another
category than the tokenizers library has; "other" is a fault. Exits 1 when there is one.
Needs open_clip 2.23.0, transformers 4.35.2, tokenizers 0.15, ftfy 6.
"""
import ctypes
import html
import html.entities
import os
import random
import re
import sys

import ftfy
from transformers import AutoTokenizer

CONTEXT = 256
BATCH = 5000
SIDE_FILES = 0
BLOCKS = (
    [(0x20, 0x7F)] * 6
    + [(0xA0, 0x250)] * 3
    + [(0x250, 0x530), (0x590, 0x780), (0x900, 0x1000), (0x1100, 0x1200), (0x1D00, 0x2070), (0x2070, 0x3040)]
    + [(0x3040, 0x3400), (0x3400, 0xA000), (0xA000, 0xD7A4), (0xE000, 0xFB00), (0xFB00, 0x10000)]
    + [(0x10000, 0x12000), (0x1D100, 0x1D800), (0x1F000, 0x1FB00), (0x20000, 0x30000), (1, 0x110000)]
)
SPACES = "\t\n\r\v\f \x1c\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\u200b\u180e"
CONTROLS = "\x01\x1b\x7f\x80\x93\x9f\xad\u200d\u200f\u202e\u2060\u206a\ufeff\ufff9\ufffc\ufffd\ufffe"
SIGNS = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u02bc'\"<>&;#\u037e\uff06\uff1b\u2026-/."
LETTERS = "ﬁﬀﬅŉǆĲİıßẞſςΣKÅµϑ½①™\uff76\uff9e\u1112\u1161\u11ab\uac00가肺\uf900"
SPECIAL = ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[cls]", "[CLS", "[[CLS]]", "[MAS\u212a]", "&#91;CLS]")


class Vkclip:
    def __init__(self, library, model_dir):
        self.library = ctypes.CDLL(library)
        self.library.vkclip_model_open.restype = ctypes.c_void_p
        self.model = ctypes.c_void_p(self.library.vkclip_model_open(model_dir.encode(), SIDE_FILES, None, None))
        if not self.model:
            sys.exit(f"{library} cannot open {model_dir}")
        self.ids, self.count = (ctypes.c_int32 * CONTEXT)(), ctypes.c_uint32()

    def __call__(self, text):
        if not self.library.vkclip_tokenize(
            self.model, text.encode(), self.ids, CONTEXT, ctypes.byref(self.count), None
        ):
            sys.exit(f"vkclip_tokenize fails on {text!r}")
        return self.ids[: self.count.value]


class OpenClip:
    """HFTokenizer with clean="whitespace", but for ftfy's fix_encoding."""

    def __init__(self, model_dir):
        self.tokenizer = AutoTokenizer.from_pretrained(model_dir)

    def clean(self, text):
        text = html.unescape(html.unescape(ftfy.fix_text(text, fix_encoding=False)))
        return re.sub(r"\s+", " ", text.strip()).strip()

    def __call__(self, texts):
        return self.tokenizer([self.clean(text) for text in texts], max_length=CONTEXT, truncation=True).input_ids


class Transformers(OpenClip):
    def clean(self, text):
        return text


def differing(texts, vkclip, open_clip):
    found = []
    for first in range(0, len(texts), BATCH):
        batch = texts[first : first + BATCH]
        found += [text for text, want in zip(batch, open_clip(batch)) if vkclip(text) != want]
    return found


class Generator:
    def __init__(self, seed, words):
        self.random = random.Random(seed)
        self.words = words
        self.names = sorted(html.entities.html5)

    def character(self):
        while True:
            point = self.random.randrange(*self.random.choice(BLOCKS))
            if not 0xD800 <= point < 0xE000:
                return chr(point)

    def entity(self):
        choice = self.random.choice
        name = choice(self.names)
        number = choice([self.random.randrange(0x110000), self.random.randrange(300), ord(choice("&;#amp<"))])
        text = "&" + choice([name, name.rstrip(";"), name.upper(), f"#{number};", f"#x{number:x}", "", "#", "#x;"])
        if self.random.random() < 0.3:
            text = text.replace("&", choice(["&amp;", "&#38;", "&amp;amp;", "\uff06"]), 1)
        if self.random.random() < 0.1:
            cut = self.random.randrange(1, len(text) + 1)
            text = text[:cut] + choice(CONTROLS + "\u0301") + text[cut:]
        return text

    def piece(self):
        choice, count = self.random.choice, self.random.randrange
        return choice(
            (
                lambda: choice(self.words),
                lambda: choice(self.words).upper(),
                lambda: choice(self.words) + choice(self.words).lstrip("#"),
                lambda: "".join(self.character() for _ in range(count(1, 8))),
                lambda: choice("aeiounsAEO\u03b1\u0438か") + "".join(chr(count(0x300, 0x370)) for _ in range(count(6))),
                lambda: choice(SPACES) * count(1, 3),
                lambda: choice(CONTROLS + SIGNS + LETTERS),
                lambda: choice(SPECIAL),
                self.entity,
                self.entity,
                lambda: "\x1b[" + "".join(choice("013;\u0661") for _ in range(count(5))) + choice("mKA é"),
                lambda: choice("aé肺") * choice([99, 100, 101]) if self.random.random() < 0.2 else " ",
            )
        )()

    def text(self):
        count = self.random.choice([1, 2, 3, 5, 8, 15, 40])
        return "".join(self.piece() for _ in range(count)).replace("\0", "")


def main():
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    strings, seed = [int(argument) for argument in (sys.argv[3:] + ["100000", "1"][len(sys.argv) - 3 :])]
    has_open_clip = os.path.exists(os.path.join(sys.argv[2], "open_clip_config.json"))
    vkclip, open_clip = Vkclip(sys.argv[1], sys.argv[2]), (OpenClip if has_open_clip else Transformers)(sys.argv[2])

    points = [chr(point) for point in range(1, 0x110000) if not 0xD800 <= point < 0xE000]
    newer = set(differing(points, vkclip, open_clip))
    newer |= {text[1] for text in differing(["a" + point + "b" for point in points], vkclip, open_clip)}
    print(f"{len(points)} code points, alone and between letters: {len(newer)} differ", flush=True)

    generator = Generator(seed, list(open_clip.tokenizer.get_vocab()))
    found = differing([generator.text() for _ in range(strings)], vkclip, open_clip)
    other = [text for text in found if not newer & set(text + html.unescape(html.unescape(open_clip.clean(text))))]
    print(f"{strings} texts: {len(found) - len(other)} differ by version, {len(other)} otherwise")
    for text in other[:20]:
        print(ascii(text))
    sys.exit(1 if other else 0)


if __name__ == "__main__":
    main()
