#!/usr/bin/env python3
"""Writes tests/golden/bpe: a small vocabulary of our own, and what open_clip's SimpleTokenizer makes with it.

    make_bpe_goldens.py

The vocabulary is trained here, on sentences of texts.py: vocab.json, merges.txt, tokenizer.json, and a
configuration, so that vkclip takes the folder for a model without weights. goldens.json holds texts with their ids,
and lists of merges in no sensible order with words and their tokens. All characters are such as Unicode 3.2 knew
and no version has changed since.
Needs open_clip 2.23.0, transformers 4.35.2, tokenizers 0.15.0, ftfy 6.3.1.
"""
import collections
import json
import os
import random
import unicodedata
from importlib.metadata import version

from open_clip.tokenizer import SimpleTokenizer

import clip_vocabulary
from texts import Texts, as_read

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "golden", "bpe")
SEED, MERGES, CONTEXT, SENTENCES, GENERATED, ODD = 1, 200, 77, 1000, 60, 30
TEXTS = (
    "",
    " \t\n\u3000",
    "this is a photo of chest X-ray",
    "It's the patients' DIDN'T we'LL they'Ve I'm you'd 's s' ''s '\u017f \u2019S",
    "2023 37.5\u00b0C 10\u207b\u00b3 \u00bd \u2163 \u0663 \u6b63\u4e94",
    "H&amp;E &lt;5 mm&gt; \u201cquoted\u201d \ufb01broblast \uff23\uff34",
    "<start_of_text> a<END_OF_TEXT>b <\u017ftart_of_text> <end_of_text .<end_of_text> <<end_of_text>>",
    "<|startoftext|> <|endoftext|> </w> a</w>b",
    "&lt;start_of_text&gt; < &amp;amp;",
    "\u039f\u03a3 \u03a3 \u03a3\u03a3 \u0391\u03a3. \u0391\u03a3.\u0391 \u0391'\u03a3' a\u03a3\u0301b",
    "\u2160\u03a3 \u24b6\u03a3 \u00aa\u03a3 \u02b0\u03a3 1\u03a3",
    "\u0130STANBUL I\u0131i \u01c5 \u1e9e \u00df",
    "a\u0345b \u0345 !\u0345! \u03b1\u0345 1\u03452",
    "e\u0301e\u0301\u0323 \u0915\u094d\u0937 \u0e01\u0e33 \u05e9\u05c1 \ud55c\uae00",
    "\u80ba\u708e\u3068\u30ac\u30f3 \U0001f468\u200d\u2695\ufe0f\U0001f1e9\U0001f1ea \U00010400",
    "___ -- ... !?!? \u00b1\u2265\u2192 #@$%^*()[]{}|\\~`",
    "a\u00adb a\u200bb a\u0085b a\u2028b a\x1cb \ufffd\ufffe\ue000",
    "cells " * 100,
    "b" * 1000,
    "1" * 100,
)
KNOWN = unicodedata.ucd_3_2_0


def train(texts, tokenizer):
    """MERGES merges, the most frequent pair first, of two equally frequent ones the lesser."""
    words = collections.Counter()
    for text in texts:
        for word in tokenizer.pat.findall(tokenizer.clean_fn(text)):
            signs = [tokenizer.byte_encoder[byte] for byte in word.encode()]
            words[tuple(signs[:-1]) + (signs[-1] + "</w>",)] += 1
    merges = []
    while len(merges) < MERGES:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        joined = collections.Counter()
        for word, count in words.items():
            joined[join(word, merges[-1])] += count
        words = joined
    return merges


def join(word, pair):
    out, i = [], 0
    while i < len(word):
        length = 2 if word[i : i + 2] == pair else 1
        out.append("".join(word[i : i + length]))
        i += length
    return tuple(out)


def is_lasting(text):
    return all(KNOWN.category(c) == unicodedata.category(c) not in ("Cn", "Co", "Cs") for c in text)


def mixed_texts(generated, tokenizer):
    texts = []
    while len(texts) < GENERATED:
        text = as_read(generated.mixed())
        if len(text) < 200 and is_lasting(text + tokenizer.clean_fn(text)):
            texts.append(text)
    return texts


def ids_of(tokenizer, text):
    row = tokenizer(text)[0].tolist()
    while row[-1] == 0:  # padding: a text ends in <end_of_text>
        row.pop()
    return row


def odd_merges(dice):
    """Merges of two letters, some used before they are made, some of which make the same."""
    symbols, merges = ["a", "b", "a", "b", "a</w>", "b</w>"], []
    while len(merges) < 10:
        pair = (dice.choice(symbols), dice.choice(symbols))
        if pair not in merges and not pair[0].endswith("</w>"):
            merges.append(pair)
            symbols.append("".join(pair))
    dice.shuffle(merges)
    return merges


def odd_case(dice):
    merges = odd_merges(dice)
    tokenizer = clip_vocabulary.tokenizer_of(merges, CONTEXT)
    words = ["".join(dice.choice("ab") for _ in range(dice.randrange(1, 30))) for _ in range(10)]
    return {
        "merges": [" ".join(merge) for merge in merges],
        "words": [{"text": word, "tokens": tokenizer.bpe(word).split(" ")} for word in words],
    }


def listing(entries):
    """One entry a line, so that a difference can be read."""
    return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]"


def main():
    os.makedirs(GOLDEN, exist_ok=True)
    dice = random.Random(SEED)
    plain = SimpleTokenizer()
    generated = Texts(SEED, list(plain.encoder))
    merges = train([generated.sentence() for _ in range(SENTENCES)], plain)
    tokenizer = clip_vocabulary.tokenizer_of(merges, CONTEXT)
    clip_vocabulary.write_pair(GOLDEN, tokenizer)
    clip_vocabulary.write_json(GOLDEN, GOLDEN)
    with open(os.path.join(GOLDEN, "open_clip_config.json"), "w", encoding="utf-8") as file:
        text = {"context_length": CONTEXT, "vocab_size": tokenizer.vocab_size, "width": 64, "heads": 1, "layers": 1}
        vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
        file.write(json.dumps({"model_cfg": {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}}) + "\n")
    texts = [*TEXTS, *mixed_texts(generated, plain), *(generated.sentence() for _ in range(20))]
    names = ("open_clip_torch", "ftfy", "regex", "transformers", "tokenizers")
    fields = {
        "made_by": json.dumps("tools/reference/make_bpe_goldens.py"),
        "versions": json.dumps({name: version(name) for name in names}),
        "context": json.dumps(CONTEXT),
        "texts": listing({"text": text, "ids": ids_of(tokenizer, text)} for text in texts),
        "odd": listing(odd_case(dice) for _ in range(ODD)),
    }
    with open(os.path.join(GOLDEN, "goldens.json"), "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(f'"{name}": {value}' for name, value in fields.items()) + "\n}\n")


if __name__ == "__main__":
    main()
