#!/usr/bin/env python3
"""Runs open_clip itself and writes what vkclip is compared with into tests/golden or beside a model.

    make_goldens.py beside MODEL_DIR TEXTS PICTURE...
                                       vkclip_golden.json beside any model, for 'vkclip verify -m':
                                       embeddings of pictures and of the lines of a file of texts
    make_goldens.py demo               the same beside the demo model, and demo_published.inc
    make_goldens.py full MODEL_DIR     full_model.json: BiomedCLIP's true shape, random weights;
                                       full_layers.safetensors: what its layers give
    make_goldens.py tiny               tiny/: a small model as torch.save and as safetensors
    make_goldens.py verify             src/verify/small_model.inc: what 'vkclip verify' expects of both towers
    make_goldens.py tokens SIDE_FILES  tokens.json: texts, cleaned and as ids

MODEL_DIR is what tests/full_model.c has written; the weights are computed here a second time and compared
with both files. SIDE_FILES is BiomedCLIP's directory as published, weights or not. Everything is float32 on
one CPU thread. Needs torch 2.1.1, open_clip 2.23.0, timm 0.9.11, transformers 4.35.2, tokenizers 0.15.0,
ftfy 6.3.1, Pillow 10.1, safetensors.
"""
import hashlib
import importlib.metadata
import json
import math
import os
import sys
import tempfile
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from ftfy.chardata import CHARMAP_ENCODINGS
from open_clip.tokenizer import HFTokenizer, basic_clean, whitespace_clean
from open_clip.transform import image_transform
from PIL import Image
from safetensors.torch import load_file, save_file

import build
from texts import Texts, as_read

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
GOLDEN = os.path.join(ROOT, "tests", "golden")
DEMO = os.path.join(ROOT, "tools", "demo", "model")
PICTURES = os.path.join(ROOT, "tools", "demo", "images")
SEED, GOLDEN_RATIO = 0x76C11B, 0x9E3779B9
FULL_TEXTS = (9, 11, 40)  # tokens
PROMPT = "this is a photo of "
DEMO_TEXTS = (
    "",
    "cells",
    "purple round cells",
    "this is a photo of purple round cells",
    "this is a photo of pink spindle cells",
    "this is a photo of brown star cells",
    "this is a photo of blue ring cells",
    "this is a photo of green crescent cells",
    "A micrograph showing DENSE small blue star cells on a grainy background, with scratches.",
    'na\u00efve \u03b2-catenin "H&E" \u00d740 \u80ba',
    " ".join(["round", "cells"] * 31),  # exactly the context length with [CLS] and [SEP]
    " ".join(["dense", "green", "crescent", "cells"] * 20),  # longer than it
)

# What tests/test_tokens.c begins with; generated texts follow.
TOKEN_TEXTS = (
    "",
    "Chest X-ray of a 54-year-old, H&E \u00d740",
    "L\u2019\u00e9pith\u00e9lium na\u00efve, 10 \u00b5m \u00b1 2, \u00a9 2020 \u00c5 \u00a320 \u00bd \u00abnon\u00bb",
    "sch\u00c3\u00b6n",
    "sch\u00c3\u0192\u00c2\u00b6n",  # read wrongly twice
    "\u00e2\u20ac\u0153quoted\u00e2\u20ac\x9d, don\u00e2\u20ac\u2122t",
    "\u00e2\u20ac\u0153 like this \u00e2\u20ac\ufffd",  # a byte is lost
    "caf\u00c3? \u00e2?? \ufffd\ufffd",
    "voil\u00c3 le travail; \u00c3 quele; \u00c3  b",  # a no-break space became a space
    "\u00e3\u0081 \u00e3\u201a \u00e2 \u0153\u201d \u00f0\u0178 \u02dc",
    "na\u00efve and na\u00c3\u00afve \u80ba",  # right and wrong in one
    "\u00c2\u00bd\u00c3\u00a9 \u00bd\u00c3\u00a9",
    "\u00ed\u00a0\u00bd\u00ed\u00b8\u00ad \u00c0\x80x",  # CESU-8, Java's zero
    "\u00c3\u00a9\u00c0\nb",  # ftfy takes the line end for a part of it
    "\u00ed\u00a0\u0080\u00ed\u00b0\nb",
    "caf\x92s \x93x\x94 \x81 \x85",
    "\u00c3" + "\x83" * 20,
    "&Atilde;&copy; &amp;Atilde;&amp;copy; P&EACUTE;REZ",
    "<b> &Atilde;&copy;\nna\u00c3\u00afve &amp;amp;amp;",
    "\x1b[36;44m\u00c3\u00a9\x1b[0m",
    "&" + "amp;" * 50 + "lt;",
    "[CLS] [MASK] [cls] [[SEP]] &#91;PAD]",
    "\u0130stanbul \u1e9e \u017f\u0074 \ufb01le \uff23\uff34\u3000\uff11 \u03a3\u03a3",
    "\u1112\u1161\u11ab\uad6d\uc5b4 \u80ba\u708e \U0002b8b0a \u05d0\u05b8 \u0e01\u0e34",
    "a\u0301\u0327\u0345b\u200db\u00adb\u2028\u0085\u1680",
    "\ua7cb\u1ac1\u2e5d a\u0378b",  # newer than the tokenizer, or unassigned
    "cells " * 260,
)


def versions():
    names = ("torch", "open_clip_torch", "timm", "transformers", "tokenizers", "pillow")
    return {name: importlib.metadata.version(name) for name in names}


def used_versions():
    return ", ".join(f"{name} {version}" for name, version in versions().items())


def digits(values):
    """float32 as decimals that give the same float32 back."""
    return [float(f"{v:.9g}") for v in np.asarray(values, dtype=np.float32).ravel().tolist()]


def rows(matrix):
    return [digits(row) for row in matrix.detach().numpy()]


def write(path, value):
    """JSON with one key a line, and one row a line in lists of lists."""
    lines = []
    for key, item in value.items():
        text = json.dumps(item)
        if isinstance(item, list) and item and isinstance(item[0], list):
            text = "[\n  " + ",\n  ".join(json.dumps(row) for row in item) + "]"
        lines.append(f' "{key}": {text}')
    with open(path, "w", encoding="ascii") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


class Layers:
    """Hooks on every block: the CLS row of the first picture and of the last text."""

    def __init__(self, model):
        self.rows, self.hooks = {"image": [], "text": []}, []
        for block in model.visual.trunk.blocks:
            self.hooks.append(block.register_forward_hook(lambda m, i, o: self.rows["image"].append(o[0, 0].clone())))
        for layer in model.text.transformer.encoder.layer:
            self.hooks.append(layer.register_forward_hook(lambda m, i, o: self.rows["text"].append(o[0][-1, 0].clone())))

    def save(self, path, note):
        """A matrix a tower, a row a block, as safetensors. One note: the writer shuffles several."""
        for hook in self.hooks:
            hook.remove()
        save_file({tower: torch.stack(rows) for tower, rows in self.rows.items()}, path, metadata={"note": note})


def read_config(folder):
    with open(os.path.join(folder, "open_clip_config.json"), encoding="utf-8") as file:
        return json.load(file)


def own_pictures(*names):
    return [os.path.join(PICTURES, name) for name in names]


def preprocess(config, paths, folder):
    """open_clip's own transform, and what a golden in this folder says of the pictures: paths from there, sha256 of
    the RGB bytes before the normalization."""
    mean, std = config["preprocess_cfg"]["mean"], config["preprocess_cfg"]["std"]
    transform = image_transform(config["model_cfg"]["vision_cfg"]["image_size"], False, mean=mean, std=std)
    tensors, hashes = [], []
    for path in paths:
        picture = Image.open(path)
        tensors.append(transform(picture))
        for step in transform.transforms[:3]:
            picture = step(picture)
        hashes.append(hashlib.sha256(np.asarray(picture).tobytes()).hexdigest())
    return torch.stack(tensors), {"pictures": [os.path.relpath(path, folder) for path in paths], "pixels_sha256": hashes}


@torch.no_grad()
def run(model, pixels, ids):
    """Embeddings and logits. A row of ids ends in zeros; every text runs in one padded batch."""
    image = model.encode_image(pixels, normalize=True)
    text = model.encode_text(ids, normalize=True)
    logits = model.logit_scale.exp() * image @ text.T
    cosines = (image @ image.T).numpy()
    print("cosines between pictures up to", (cosines - 2 * np.eye(len(cosines))).max())
    cosines = (text @ text.T).numpy()
    print("cosines between texts up to", (cosines - 2 * np.eye(len(cosines))).max())
    return {
        "image_embeddings": rows(image),
        "text_embeddings": rows(text),
        "logit_scale": digits(model.logit_scale.exp().detach())[0],
        "logits": rows(logits),
    }


def beside(folder, texts, paths, script):
    """Writes vkclip_golden.json, whose format tools/vkclip/golden_file.h describes."""
    config = read_config(folder)
    pixels, facts = preprocess(config, paths, folder)
    ids = HFTokenizer(folder, context_length=config["model_cfg"]["text_cfg"]["context_length"])(list(texts))
    golden = {"script": f"tools/reference/make_goldens.py {script}", "versions": versions(), **facts}
    golden.update(texts=texts, ids=[[v for v in row if v] for row in ids.tolist()])
    golden.update(run(build.load(folder), pixels, ids))
    write(os.path.join(folder, "vkclip_golden.json"), golden)
    return golden


def demo():
    golden = beside(DEMO, DEMO_TEXTS, own_pictures(*sorted(os.listdir(PICTURES))), "demo")
    labels = [text for text in DEMO_TEXTS if text.startswith(PROMPT)]
    columns = [DEMO_TEXTS.index(text) for text in labels]
    probabilities = torch.tensor(golden["logits"])[:, columns].softmax(dim=-1)
    weights = os.path.join(DEMO, "open_clip_model.safetensors")
    lines = ["// Written by tools/reference/make_goldens.py demo, which ran open_clip itself:", f"// {used_versions()}"]
    lines += [f".weights_bytes = {os.path.getsize(weights)},", f'.weights_sha256 = "{sha256(weights)}",']
    lines += [f".picture_count = {len(probabilities)},", f".label_count = {len(labels)},", ".pictures = {"]
    lines += [f'    "{os.path.basename(name)}",' for name in golden["pictures"]] + ["},", ".labels = {"]
    lines += [f'    "{text.removeprefix(PROMPT)}",' for text in labels] + ["},", ".probabilities = {"]
    lines += ["    {" + ", ".join(f"{value:.9g}" for value in row) + "}," for row in probabilities.tolist()] + ["},"]
    with open(os.path.join(GOLDEN, "demo_published.inc"), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


def mix(word):
    """Finalizer of MurmurHash3 (public domain) on a uint32 array."""
    word = word ^ (word >> np.uint32(16))
    word = word * np.uint32(0x85EBCA6B)
    word = word ^ (word >> np.uint32(13))
    word = word * np.uint32(0xC2B2AE35)
    return word ^ (word >> np.uint32(16))


def words(place, count):
    """Hashes 0 .. count - 1 of the stream at this place: see src/base/seeded.h."""
    key = mix(np.array([(SEED + GOLDEN_RATIO * place) & 0xFFFFFFFF], dtype=np.uint32))
    return mix(np.arange(count, dtype=np.uint32) * np.uint32(GOLDEN_RATIO) + key)


def scale_of(name, shape):
    """What a tensor's hashes, from -1 to 1, are multiplied by, and what is added."""
    is_norm, is_bias = "norm" in name or "LayerNorm" in name, name.endswith(".bias")
    if not shape:
        return 0.0, 4.4454
    if is_norm:
        return (0.125, 0.0) if is_bias else (0.25, 1.0)
    if is_bias:
        return 0.0625, 0.0
    if any(part in name for part in ("cls_token", "pos_embed", "_embeddings.")):
        return 0.5, 0.0
    scale = 1.0
    while scale * scale * math.prod(shape[1:]) > 3.0:
        scale *= 0.5
    return (2.0 * scale if ".query." in name or ".key." in name else scale), 0.0


def counter_weights(name, shape, place):
    """The tensor at this place of the table."""
    unit = (words(place, math.prod(shape)) >> 8).astype(np.float32) * np.float32(2.0**-23) - np.float32(1.0)
    scale, offset = scale_of(name, shape)
    return torch.from_numpy(unit * np.float32(scale) + np.float32(offset)).reshape(shape)


def fill(model):
    """Overwrites a model by the counter-based weights; position_ids has a place in the table too."""
    place = 0
    for name, value in model.state_dict().items():
        if name == "text.transformer.embeddings.word_embeddings.weight":
            place += 1
        value.copy_(counter_weights(name, tuple(value.shape), place))
        place += 1
    return model.eval()


def sha256(path):
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            whole.update(block)
    return whole.hexdigest()


def full(folder):
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"model_type": "bert", "vocab_size": 30522}, file)  # transformers' defaults are the true sizes
    config = read_config(folder)
    model = fill(build.build(folder))
    own = model.state_dict()
    for found in (
        load_file(os.path.join(folder, "model.safetensors")),
        torch.load(os.path.join(folder, "model.bin"), weights_only=True),
    ):
        positions = found.pop("text.transformer.embeddings.position_ids")
        assert torch.equal(positions, torch.arange(512)[None]) and len(found) == 351
        assert all(torch.equal(value, own[name]) for name, value in found.items())
    pixels, facts = preprocess(config, own_pictures("round_purple_dense.png", "spindle_pink_fibrous.png"), GOLDEN)
    ids = torch.zeros(len(FULL_TEXTS), max(FULL_TEXTS), dtype=torch.int64)
    for row, count in enumerate(FULL_TEXTS):
        drawn = mix(np.arange(count, dtype=np.uint32) + np.uint32(1000 * (row + 1))) % 28890 + 5
        ids[row, :count] = torch.tensor([2, *drawn[1:-1].tolist(), 3])
    golden = {"script": "tools/reference/make_goldens.py full", "versions": versions(), "seed": SEED}
    golden["parameters"] = sum(value.numel() for value in own.values())
    golden["sha256"] = {name: sha256(os.path.join(folder, name)) for name in ("model.safetensors", "model.bin")}
    golden.update(facts, ids=[[v for v in row if v] for row in ids.tolist()])
    layers = Layers(model)
    golden.update(run(model, pixels, ids))
    layers.save(os.path.join(GOLDEN, "full_layers.safetensors"), f"{golden['script']}, {used_versions()}")
    write(os.path.join(GOLDEN, "full_model.json"), golden)


def tiny():
    """Every size unlike the others, so that no two can be confused; one block a tower, one head."""
    folder = os.path.join(GOLDEN, "tiny")
    os.makedirs(folder, exist_ok=True)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c", "cell", "cells", "."]
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="ascii") as file:
        file.write("\n".join(tokens) + "\n")
    vision = {"timm_model_name": "vit_vkclip_tiny_patch8_32", "timm_model_pretrained": False}
    vision.update(timm_pool="", timm_proj="linear", image_size=32)
    text = {"hf_model_name": "tiny", "hf_tokenizer_name": "tiny", "hf_proj_type": "mlp"}
    text.update(hf_pooler_type="cls_last_hidden_state_pooler", context_length=20)
    config = {"model_cfg": {"embed_dim": 40, "vision_cfg": vision, "text_cfg": text}}
    config["preprocess_cfg"] = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
    write(os.path.join(folder, "open_clip_config.json"), config)
    bert = {"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    bert.update(intermediate_size=128, max_position_embeddings=24, vocab_size=16, hidden_act="gelu")
    write(os.path.join(folder, "config.json"), bert)
    model = fill(build.build(folder, patch_size=8, embed_dim=64, depth=1, num_heads=1, mlp_ratio=2))
    state = OrderedDict(model.state_dict())
    wrapped = {"epoch": 3, "name": "tiny", "state_dict": OrderedDict(("module." + k, v) for k, v in state.items())}
    torch.save(wrapped, os.path.join(folder, "tiny.pt"))
    save_file({k: v.contiguous() for k, v in state.items()}, os.path.join(folder, "tiny.safetensors"))
    pixels, facts = preprocess(config, own_pictures(*sorted(os.listdir(PICTURES))[:2]), GOLDEN)
    ids = torch.tensor([[2, 5, 9, 10, 13, 3, 0, 0], [2, 11, 12, 1, 6, 7, 8, 3], [2, 3, 0, 0, 0, 0, 0, 0]])
    golden = {"script": "tools/reference/make_goldens.py tiny", "versions": versions(), **facts}
    golden.update(ids=[[v for v in row if v] for row in ids.tolist()])
    golden.update(run(model, pixels, ids))
    write(os.path.join(GOLDEN, "tiny.json"), golden)


def c_rows(name, matrix):
    lines = [f"static const float {name}[{matrix.shape[0]}][{matrix.shape[1]}] = {{"]
    for row in matrix.numpy():
        lines.append("    {")
        numbers = [np.format_float_scientific(value, unique=True, trim="0") + "f," for value in row]
        lines += ["     " + " ".join(numbers[i : i + 6]) for i in range(0, len(numbers), 6)]
        lines.append("    },")
    return lines + ["};"]


@torch.no_grad()
def verify():
    """Widths, depths and counts unlike each other and ragged; heads of 64, as BiomedCLIP's."""
    sizes = {"IMAGE_SIZE_PX": 70, "EMBEDDING_WIDTH": 72, "CONTEXT_TOKENS": 77, "PICTURES": 3}
    sizes.update(VOCABULARY=60, FIRST_WORD=5)
    lengths = [1, 2, 9, 33, 77]
    vision = {"timm_model_name": "vit_vkclip_verify_patch10_70", "timm_model_pretrained": False}
    vision.update(timm_pool="", timm_proj="linear", image_size=sizes["IMAGE_SIZE_PX"])
    text = {"hf_model_name": "verify", "hf_tokenizer_name": "verify", "hf_proj_type": "mlp"}
    text.update(hf_pooler_type="cls_last_hidden_state_pooler", context_length=sizes["CONTEXT_TOKENS"])
    config = {"model_cfg": {"embed_dim": sizes["EMBEDDING_WIDTH"], "vision_cfg": vision, "text_cfg": text}}
    bert = {"model_type": "bert", "hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3}
    bert.update(intermediate_size=396, max_position_embeddings=80, vocab_size=sizes["VOCABULARY"], hidden_act="gelu")
    with tempfile.TemporaryDirectory() as folder:
        write(os.path.join(folder, "open_clip_config.json"), config)
        write(os.path.join(folder, "config.json"), bert)
        model = build.build(folder, patch_size=10, embed_dim=128, depth=2, num_heads=2, mlp_ratio=260 / 128)
    state = model.state_dict()
    table = []
    for place, name in enumerate(sorted(state)):
        shape = tuple(state[name].shape)
        state[name].copy_(counter_weights(name, shape, place))
        scale, offset = scale_of(name, shape)
        dims = ", ".join(map(str, shape)) or "0"
        table.append(f'    {{"{name}", {len(shape)}, {{{dims}}}, {scale}f, {offset}f}},')
    model.eval()
    # Streams behind those of the weights: a picture is darker than the one before.
    side, place = sizes["IMAGE_SIZE_PX"], len(table)
    pictures = [words(place + i, 3 * side * side) >> np.uint32(24 + i) for i in range(sizes["PICTURES"])]
    pixels = torch.from_numpy(np.stack(pictures).astype(np.float32)).reshape(-1, side, side, 3).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, count in enumerate(lengths):
        drawn = words(place + sizes["PICTURES"] + row, count).astype(np.int64)
        drawn = drawn % (sizes["VOCABULARY"] - sizes["FIRST_WORD"]) + sizes["FIRST_WORD"]  # never [PAD]
        ids[row, :count] = torch.from_numpy(drawn)
    image = model.encode_image((pixels / 255 - mean) / std, normalize=True)
    text = model.encode_text(ids, normalize=True)
    lines = ["// Written by tools/reference/make_goldens.py verify, which ran open_clip itself:", f"// {used_versions()}"]
    lines += [f"#define SMALL_{name} {value}" for name, value in sizes.items()]
    lines += [f"static const uint32_t small_lengths[] = {{{', '.join(map(str, lengths))}}};"]
    lines += ["static const struct small_tensor small_tensors[] = {", *table, "};"]
    lines += c_rows("small_image_embeddings", image) + c_rows("small_text_embeddings", text)
    with open(os.path.join(ROOT, "src", "verify", "small_model.inc"), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    print("cosines between pictures", (image @ image.T).numpy().round(3).tolist())
    print("cosines between texts", (text @ text.T).numpy().round(3).tolist())


def token_texts(words):
    texts = [text.encode() for text in TOKEN_TEXTS]
    signs = "Sj\u00f6gren \u2013 \u201c\u00e9\u201d \u03b2, 10\u00a0\u00b5m"
    texts += [signs.encode().decode(encoding, "replace").encode() for encoding in CHARMAP_ENCODINGS]
    made = Texts(1, words)
    texts.append(b"a\xff\xc0\xafb \xed\xa0\x80 \xe2\x82")
    texts += [text for text in (made.mixed() for _ in range(200)) if len(text) < 80]
    texts += [text for text in (made.mojibake() for _ in range(300)) if len(text) < 80]
    return texts + [made.sentence().encode() for _ in range(10)]


def tokens(model_dir):
    demo, published = HFTokenizer(DEMO, context_length=256), HFTokenizer(model_dir, context_length=256)
    rows = []
    for text in token_texts(published.tokenizer.get_vocab()):
        read = as_read(text)
        ids = [[id for id in tokenizer(read)[0].tolist() if id] for tokenizer in (demo, published)]
        rows.append([read if read.encode() == text else list(text), whitespace_clean(basic_clean(read)), *ids])
    names = ("ftfy", "open_clip_torch", "transformers", "tokenizers")
    used = {name: importlib.metadata.version(name) for name in names}
    used["python"] = ".".join(map(str, sys.version_info[:3]))
    layout = "text, or its bytes; cleaned; ids with the demo's vocabulary; ids with BiomedCLIP's; no ids of [PAD]"
    head = {"script": "tools/reference/make_goldens.py tokens", "versions": used, "layout": layout}
    write(os.path.join(GOLDEN, "tokens.json"), {**head, "texts": rows})


def main():
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["beside"] and len(sys.argv) >= 5:
        with open(sys.argv[3], encoding="utf-8") as file:
            beside(sys.argv[2], file.read().splitlines(), sys.argv[4:], "beside")
    elif sys.argv[1:] == ["demo"]:
        demo()
    elif sys.argv[1:2] == ["full"] and len(sys.argv) == 3:
        full(sys.argv[2])
    elif sys.argv[1:] == ["tiny"]:
        tiny()
    elif sys.argv[1:] == ["verify"]:
        verify()
    elif sys.argv[1:2] == ["tokens"] and len(sys.argv) == 3:
        tokens(sys.argv[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
