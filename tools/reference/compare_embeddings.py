#!/usr/bin/env python3
"""Compares vkclip's embeddings of texts with those that transformers gives for the same sentence encoder.

    compare_embeddings.py LIBRARY MODEL_DIR [TEXTS [SEED]]
    compare_embeddings.py record MODEL_DIR      tests/golden/minilm.json, of all-MiniLM-L6-v2

LIBRARY is build/libvkclip.so; MODEL_DIR holds config.json, weights, vocabulary and, where the model has them,
modules.json, 1_Pooling/config.json and sentence_bert_config.json, which say how sentence_transformers pools.
TEXTS (1,000) sentences are generated: of one word to more than the model takes, with signs and letters of
several scripts. Prints the worst cosine and the largest difference; exits 1 when a cosine is below 1 - 1e-6.
Needs torch 2.1.1, transformers 4.35.2.
"""
import ctypes
import json
import os
import random
import sys

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from make_goldens import GOLDEN, digits, versions, write

WHOLE, FP32 = 1, 1
AT_ONCE = 50
WORDS = (
    "the a of in with and no patients were treated for chronic acute lung tumour lesion opacity pneumothorax "
    "cardiomegaly biopsy showed cells stained haematoxylin eosin CT MRI X-ray scan revealed left right upper lobe "
    "mass 3.5 cm p<0.05 n=128 TNF-\u03b1 IL-6 \u03b2-catenin 37\u00b0C Sj\u00f6gren's na\u00efve syndrome (95% CI) vs. & dose 10 mg/kg "
    "\u80ba\u708e \u0437\u0434\u043e\u0440\u043e\u0432\u044c\u0435 caf\u00e9 \U0001f600 unremarkable follow-up; however, therefore: survival."
).split()


class Params(ctypes.Structure):
    _fields_ = [("device", ctypes.c_char_p), ("precision", ctypes.c_int), ("rest", ctypes.c_uint64 * 8)]


class Vkclip:
    def __init__(self, library, model_dir, width):
        self.library, self.width = ctypes.CDLL(library), width
        self.error = ctypes.create_string_buffer(504)
        for name in ("vkclip_model_open", "vkclip_engine_create"):
            getattr(self.library, name).restype = ctypes.c_void_p
        model = self.library.vkclip_model_open(model_dir.encode(), WHOLE, None, self.error)
        engine = model and self.library.vkclip_engine_create(
            ctypes.c_void_p(model), ctypes.byref(Params(precision=FP32)), self.error
        )
        self.check(engine)
        self.engine = ctypes.c_void_p(engine)

    def check(self, is_done):
        if not is_done:
            sys.exit(self.error.raw[4:].split(b"\0")[0].decode())

    def __call__(self, texts):
        strings = (ctypes.c_char_p * len(texts))(*[text.encode() for text in texts])
        out = np.zeros((len(texts), self.width), dtype=np.float32)
        where = out.ctypes.data_as(ctypes.c_void_p)
        self.check(self.library.vkclip_embed_texts(self.engine, strings, ctypes.c_size_t(len(texts)), where, self.error))
        return out


class Transformers:
    """One text at a time, so that nothing is padded."""

    def __init__(self, folder):
        def read(name, default):
            path = os.path.join(folder, name)
            return json.load(open(path, encoding="utf-8")) if os.path.exists(path) else default

        self.tokenizer, self.model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
        self.is_cls = read("1_Pooling/config.json", {}).get("pooling_mode_cls_token", False)
        modules = read("modules.json", [{"type": "Normalize"}])
        self.is_unit = any(module["type"].endswith("Normalize") for module in modules)
        most = self.model.config.max_position_embeddings
        self.most = min(most, read("sentence_bert_config.json", {}).get("max_seq_length") or most)

    @torch.no_grad()
    def __call__(self, text):
        ids = self.tokenizer(text, max_length=self.most, truncation=True, padding=False, return_tensors="pt")
        hidden = self.model(**ids).last_hidden_state[0]
        row = hidden[0] if self.is_cls else hidden.mean(0)
        return (torch.nn.functional.normalize(row, dim=0) if self.is_unit else row).numpy()


def generate(count, seed):
    chance = random.Random(seed)
    lengths = [1, 2, 3, 5, 8, 12, 12, 20, 20, 30, 60, 400]
    return [""] + [" ".join(chance.choice(WORDS) for _ in range(chance.choice(lengths))) for _ in range(count - 1)]


def record(folder):
    """Twelve sentences for tests/test_minilm.c."""
    transformers = Transformers(folder)
    texts = [text for text in generate(200, 1) if len(text) < 200][:11] + ["word " * 300]
    golden = {"script": "tools/reference/compare_embeddings.py record", "versions": versions(), "pictures": []}
    ids = [transformers.tokenizer(text, max_length=transformers.most, truncation=True).input_ids for text in texts]
    golden.update(texts=texts, ids=ids, image_embeddings=[], logits=[])
    golden["text_embeddings"] = [digits(transformers(text)) for text in texts]
    write(os.path.join(GOLDEN, "minilm.json"), golden)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "record":
        return record(sys.argv[2])
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    count, seed = [int(argument) for argument in (sys.argv[3:] + ["1000", "1"][len(sys.argv) - 3 :])]
    torch.set_num_threads(1)
    transformers = Transformers(sys.argv[2])
    vkclip = Vkclip(sys.argv[1], sys.argv[2], transformers.model.config.hidden_size)
    texts = generate(count, seed)
    worst, largest = (2.0, ""), 0.0
    for first in range(0, count, AT_ONCE):
        batch = texts[first : first + AT_ONCE]
        for text, got in zip(batch, vkclip(batch)):
            want = transformers(text).astype(np.float64)
            cosine = float(got @ want / np.linalg.norm(got.astype(np.float64)) / np.linalg.norm(want))
            worst = min(worst, (cosine, text))
            largest = max(largest, float(np.abs(got - want).max()))
    print(f"{count} texts: 1 - cosine at most {1 - worst[0]:.2e} ({worst[1][:60]!r}), a number off by {largest:.2e}")
    sys.exit(0 if worst[0] >= 1 - 1e-6 else 1)


if __name__ == "__main__":
    main()
