#!/usr/bin/env python3
"""Trains the demo model on drawn micrographs and writes tools/demo/model and tests/golden/demo_accuracy.json.

    train.py vocab                      writes vocab.txt, tokenizer.json and the two configs
    train.py train --cache DIR          trains; every checkpoint lands in DIR/last.pt, --resume starts there
    train.py export --cache DIR         rounds the checkpoint to fp16, evaluates that, writes the model

Needs torch 2.1.1, open_clip 2.23.0, timm 0.9.11, transformers 4.35.2, tokenizers 0.15, safetensors, numpy.
The network is open_clip's own; what is trained beside it and thrown away are linear heads that read the six
attributes off the image features. The model shipped saw 16,000 pictures 14 times in two runs: 7 passes of a
longer schedule, cut short, then --epochs 7 --resume. The demo pictures were not used to choose it.
"""
import argparse
import hashlib
import json
import math
import os
import random
import string
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.format import open_memmap
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "reference")]
import build  # noqa: E402
import draw  # noqa: E402

MODEL = os.path.join(HERE, "model")
GOLDEN = os.path.join(HERE, "..", "..", "tests", "golden", "demo_accuracy.json")
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
WIDTH, TEXT_DEPTH, EMBED, CONTEXT, VOCAB_ROWS = 128, 3, 96, 64, 256
IMAGE_SIZES = {"patch_size": 32, "embed_dim": WIDTH, "depth": 6, "num_heads": WIDTH // build.HEAD_DIM}
PROMPT = "this is a photo of {}"
TEMPLATES = (
    PROMPT,
    PROMPT,
    "this is an image of {}",
    "a photo of {}",
    "a micrograph of {}",
    "a micrograph showing {}",
    "{} under the microscope",
    "{}",
)
TRAINED_WORDS = (
    "this is a an photo image micrograph of showing under the microscope cells cell stained with without on and "
    "background artefacts " + " ".join(value for values in draw.ATTRIBUTES.values() for value in values)
)
PIECES = "##s ##ed ##ing ##er ##ly ##graph ##scope micro histo ##logy ##ous ##es"


def vocabulary():
    """Special tokens, every printable ASCII character but the capitals, their continuations, pieces, words."""
    singles = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *singles]
    tokens += ["##" + letter for letter in string.ascii_lowercase + string.digits]
    tokens += PIECES.split() + TRAINED_WORDS.split()
    tokens = list(dict.fromkeys(tokens))
    assert len(tokens) <= VOCAB_ROWS
    return tokens


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def write_side_files():
    os.makedirs(MODEL, exist_ok=True)
    tokens = vocabulary()
    with open(os.path.join(MODEL, "vocab.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(tokens) + "\n")
    ids = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.save(os.path.join(MODEL, "tokenizer.json"))
    vision = {"timm_model_name": "vit_vkclip_demo_patch32_224", "timm_model_pretrained": False}
    vision.update(timm_pool="", timm_proj="linear", image_size=draw.SIDE)
    text = {"hf_model_name": "vkclip-demo", "hf_tokenizer_name": "vkclip-demo", "hf_proj_type": "mlp"}
    text.update(hf_pooler_type="cls_last_hidden_state_pooler", context_length=CONTEXT)
    config = {"embed_dim": EMBED, "vision_cfg": vision, "text_cfg": text}
    preprocess = {"mean": list(MEAN), "std": list(STD)}
    write_json(os.path.join(MODEL, "open_clip_config.json"), {"model_cfg": config, "preprocess_cfg": preprocess})
    bert = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": WIDTH}
    bert.update(num_hidden_layers=TEXT_DEPTH, num_attention_heads=WIDTH // build.HEAD_DIM, intermediate_size=4 * WIDTH)
    bert.update(hidden_act="gelu", layer_norm_eps=1e-12, max_position_embeddings=CONTEXT, type_vocab_size=2)
    bert.update(vocab_size=VOCAB_ROWS, pad_token_id=0, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    write_json(os.path.join(MODEL, "config.json"), bert)


def caption(chosen, dice):
    """A caption that mentions some of the attributes; returns it with what it mentions."""
    keep = {"shape": 0.85, "stain": 0.85, "density": 0.3, "size": 0.3, "background": 0.25, "artefact": 0.2}
    said = {name: value for name, value in chosen.items() if dice.random() < keep[name]}
    stained_after = "stain" in said and dice.random() < 0.15
    before = ["density", "size", "shape"] if stained_after else ["density", "size", "stain", "shape"]
    words = [said[name] for name in before if name in said] + ["cells"]
    if stained_after:
        words += ["stained", said["stain"]]
    if "background" in said:
        words += ["on", "a", said["background"], "background"]
    if "artefact" in said:
        words += ["without", "artefacts"] if said["artefact"] == "clean" else ["with", said["artefact"]]
    return dice.choice(TEMPLATES).format(" ".join(words)), said


def pictures(cache, split, count):
    """[count, 224, 224, 3] uint8, drawn once and kept in the cache."""
    path = os.path.join(cache, f"{split}_{count}.npy")
    if not os.path.exists(path):
        array = open_memmap(path + ".part", mode="w+", dtype=np.uint8, shape=(count, draw.SIDE, draw.SIDE, 3))
        for number in range(count):
            array[number] = draw.draw(split, number)
        array.flush()
        os.rename(path + ".part", path)
    return np.load(path, mmap_mode="r")


def to_tensor(pixels):
    """uint8 [n, h, w, 3] to what open_clip's preprocessing gives for pictures of the right size."""
    x = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float()
    return x.div_(255.0).sub_(torch.tensor(MEAN).view(3, 1, 1)).div_(torch.tensor(STD).view(3, 1, 1))


def augment(pixels, dice):
    """Cells have no up or left: flip, transpose and roll each picture."""
    out = []
    for picture in pixels:
        if dice.random() < 0.5:
            picture = picture.transpose(1, 0, 2)
        picture = picture[:: dice.choice((1, -1)), :: dice.choice((1, -1))]
        out.append(np.roll(picture, (dice.randrange(draw.SIDE), dice.randrange(draw.SIDE)), (0, 1)))
    return np.stack(out)


def tokenize(texts, context=None):
    tokenizer = Tokenizer.from_file(os.path.join(MODEL, "tokenizer.json"))
    rows = [tokenizer.encode(text).ids for text in texts]
    longest = context or max(len(row) for row in rows)
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def contrast(image, text, scale, chosen, said):
    """CLIP's loss, but a caption that is true of another picture too is no negative for it."""
    logits = scale * image @ text.T
    true = torch.tensor([[all(c[k] == v for k, v in s.items()) for s in said] for c in chosen])
    others = true & ~torch.eye(len(chosen), dtype=torch.bool)
    logits = logits.masked_fill(others, -1e4)
    target = torch.arange(len(chosen))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class Heads(torch.nn.Module):
    """Linear readers of the attributes, on the embedding and on the mean patch."""

    def __init__(self):
        super().__init__()
        outputs = sum(len(values) for values in draw.ATTRIBUTES.values())
        self.embedding = torch.nn.Linear(EMBED, outputs)
        self.patches = torch.nn.Linear(WIDTH, outputs)

    def forward(self, embedding, patches, chosen):
        loss = 0.0
        for logits in (self.embedding(embedding), self.patches(patches)):
            start = 0
            for name, values in draw.ATTRIBUTES.items():
                target = torch.tensor([values.index(c[name]) for c in chosen])
                loss = loss + F.cross_entropy(logits[:, start : start + len(values)], target)
                start += len(values)
        return loss / 2


def labels_of(kind):
    if kind != "joint":
        return [f"{value} cells" for value in draw.ATTRIBUTES[kind]]
    return [f"{stain} {shape} cells" for stain in draw.ATTRIBUTES["stain"] for shape in draw.ATTRIBUTES["shape"]]


@torch.no_grad()
def zero_shot(model, pixels, kind):
    """Logits [pictures, labels] of the default prompt."""
    texts = F.normalize(model.encode_text(tokenize([PROMPT.format(label) for label in labels_of(kind)], CONTEXT)), dim=-1)
    rows = [model.encode_image(to_tensor(pixels[i : i + 50]), normalize=True) for i in range(0, len(pixels), 50)]
    return model.logit_scale.exp() * torch.cat(rows) @ texts.T


def accuracy(model, pixels):
    """Zero-shot accuracy of shape, stain and both, for seen and for held-out pairs."""
    model.eval()
    chosen = [draw.attributes_of("test", number) for number in range(len(pixels))]
    held = np.array([(c["shape"], c["stain"]) in draw.HELD_OUT for c in chosen])
    result = {"pictures": {"seen": int((~held).sum()), "held_out": int(held.sum())}}
    for kind in ("shape", "stain", "joint"):
        right = [f"{c['stain']} {c['shape']} cells" if kind == "joint" else f"{c[kind]} cells" for c in chosen]
        best = zero_shot(model, pixels, kind).argmax(-1)
        hit = np.array([labels_of(kind)[b] == r for b, r in zip(best, right)])
        result[kind] = {"seen": round(float(hit[~held].mean()), 4), "held_out": round(float(hit[held].mean()), 4)}
    return result


def train(options):
    torch.manual_seed(1)
    dice = random.Random(1)
    data = pictures(options.cache, "train", options.pictures)
    test = pictures(options.cache, "test", 1000)
    chosen = [draw.attributes_of("train", number) for number in range(len(data))]
    model, heads = build.build(MODEL, **IMAGE_SIZES), Heads()
    if options.resume:
        model.load_state_dict(torch.load(os.path.join(options.cache, "last.pt")))
    everything = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(everything, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.05)
    steps = options.epochs * (len(data) // options.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min(s / 100, 1.0) * (0.02 + 0.49 * (1 + math.cos(math.pi * min(s / steps, 1.0))))
    )
    start, step = time.time(), 0
    for epoch in range(options.epochs):
        model.train()
        order = list(range(len(data)))
        dice.shuffle(order)
        for first in range(0, len(order) - options.batch + 1, options.batch):
            numbers = order[first : first + options.batch]
            picked = [chosen[n] for n in numbers]
            texts, said = zip(*(caption(c, dice) for c in picked))
            pixels = augment([data[n] for n in numbers], dice)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                tokens = model.visual.trunk.forward_features(to_tensor(pixels))
                image = model.visual.head(tokens[:, 0])
                text = model.encode_text(tokenize(texts))
            image, text = F.normalize(image.float(), dim=-1), F.normalize(text.float(), dim=-1)
            clip = contrast(image, text, model.logit_scale.exp(), picked, said)
            aside = heads(image * 10.0, tokens[:, 1:].float().mean(1), picked)
            optimizer.zero_grad()
            (clip + aside).backward()
            torch.nn.utils.clip_grad_norm_(everything, 1.0)
            optimizer.step()
            schedule.step()
            model.logit_scale.data.clamp_(0.0, math.log(100.0))
            step += 1
            if step % 20 == 0:
                spent = time.time() - start
                print(f"{step}/{steps} {spent:.0f} s clip {clip.item():.3f} aside {aside.item():.3f}", flush=True)
        torch.save(model.state_dict(), os.path.join(options.cache, "last.pt"))
        if epoch % 2 == 1 or epoch + 1 == options.epochs:
            print(f"epoch {epoch + 1}", accuracy(model, test), flush=True)


def export(options):
    """Rounds to fp16 first: the accuracy stated is that of the file."""
    half = {k: v.half().contiguous() for k, v in torch.load(os.path.join(options.cache, "last.pt")).items()}
    path = os.path.join(MODEL, "open_clip_model.safetensors")
    save_file(half, path, metadata={"format": "pt", "made_by": "tools/demo/train.py"})
    os.chmod(path, 0o644)
    print(f"{path}: {os.path.getsize(path)} bytes")
    torch.set_num_threads(1)
    model = build.load(MODEL)
    test = pictures(options.cache, "test", 1000)
    found = accuracy(model, test)
    print(json.dumps(found))
    logits = zero_shot(model, test, "joint")
    top = logits.topk(3)
    golden = {
        "script": "tools/demo/train.py export",
        "versions": {"torch": torch.__version__.split("+")[0], "open_clip": "2.23.0", "timm": build.timm.__version__},
        "pictures_sha256": hashlib.sha256(np.ascontiguousarray(test).tobytes()).hexdigest(),
        "template": PROMPT,
        "labels": labels_of("joint"),
        "accuracy": found,
        "top_labels": top.indices.tolist(),
        "top_logits": [[round(v, 5) for v in row] for row in top.values.tolist()],
    }
    with open(GOLDEN, "w", encoding="utf-8") as file:
        body = json.dumps(golden, separators=(", ", ": "))
        file.write(body.replace("], [", "],\n[").replace('"top_', '\n"top_') + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("vocab", "train", "export"))
    parser.add_argument("--cache", default="demo-cache", help="folder of drawn pictures and checkpoints")
    parser.add_argument("--pictures", type=int, default=16000)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="start from the last checkpoint, schedule anew")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.makedirs(options.cache, exist_ok=True)
    if options.action == "vocab":
        write_side_files()
    elif options.action == "train":
        train(options)
    else:
        export(options)


if __name__ == "__main__":
    main()
