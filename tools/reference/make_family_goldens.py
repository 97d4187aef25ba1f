#!/usr/bin/env python3
"""Has transformers, timm and open_clip run small models of every family that vkclip reads.

    make_family_goldens.py [FAMILY...]

Writes tests/golden/families/FAMILY.json: the side files as that library writes them, the names and shapes
of the weights, and what the library computes with them. The weights are counter-based, as those of
make_goldens.py, so that tests/test_families.c makes the same; tensor i of the table is stream i, and the
pictures, then the texts, are the streams behind. Everything is float32 on one CPU thread. Needs torch 2.1.1,
open_clip 2.23.0, timm 0.9.11, transformers 4.35.2, and Pillow 13.0.0, whose order of passes vkclip follows.
"""
import hashlib
import math
import os
import sys
import tempfile

import numpy as np
import timm
import torch
import torch.nn.functional as F
import transformers
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.model import CLIP
from open_clip.transform import image_transform
from PIL import Image

import build
import clip_vocabulary
from make_goldens import GOLDEN, digits, rows, versions, words, write

FOLDER = os.path.join(GOLDEN, "families")
PICTURES, LENGTHS, FIRST_WORD = 3, (2, 5, 9, 18), 5
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [chr(code) for code in range(97, 123)]
HALF = [0.5, 0.5, 0.5]
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
OPENAI = {"mean": list(OPENAI_DATASET_MEAN), "std": list(OPENAI_DATASET_STD)}
# Heads of 16 columns in both towers of a model, which share one size.
BERT = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 72}
BERT.update(max_position_embeddings=20, vocab_size=len(VOCABULARY) + 1, type_vocab_size=2)
VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 52}
TRUNK = {"embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 52 / 32}
TIMM = {"embed_dim": 128, "depth": 2, "num_heads": 2, "mlp_ratio": 132 / 128}  # no file says how many heads


# What the first norm sees has a variance of some 1e-6: so small that the epsilons of the families differ in effect.
SMALL = 2.0**-9


def scale_of(name, shape):
    """What a tensor's hashes, from -1 to 1, are multiplied by, and what is added."""
    last = name.rsplit(".", 1)[-1]
    if name == "logit_scale":
        return 0.0, 3.25
    if any(part in name for part in ("ls1.", "ls2.", "layer_scale")):
        return 0.25, 0.5
    if len(shape) == 1 and any(part in name.lower() for part in ("norm", "ln_", "layrnorm")):
        return (0.125, 0.0) if last in ("bias", "beta") else (0.25, 1.0)
    if len(shape) == 1 and "bias" in last:
        return (SMALL if "patch" in name else 0.0625), 0.0
    if any(part in name for part in ("embeddings.", "_token", "pos_embed", "class_embedding", "positional", "token_emb")):
        if len(shape) < 4 and "projection" not in name:
            return SMALL, 0.0
    scale = SMALL if len(shape) == 4 else 1.0
    while scale * scale * math.prod(shape[1:]) > 3.0:
        scale *= 0.5
    sharp = any(part in name for part in ("query", "key", "q_proj", "k_proj"))
    return (2.0 * scale if sharp else scale), 0.0


def drawn(name, shape, place):
    """The tensor at this place of the table, and its row there."""
    scale, offset = scale_of(name, shape)
    unit = (words(place, math.prod(shape)) >> 8).astype(np.float32) * np.float32(2.0**-23)
    unit = (unit - np.float32(1.0)) * np.float32(scale) + np.float32(offset)
    return torch.from_numpy(unit).reshape(shape), [name, list(shape), scale, offset]


def fill(model, rename=lambda name: name, skipped=(), split=lambda name, value: [(name, value)]):
    """Overwrites the weights; returns the table, in the names that the model is stored under."""
    table = []
    for name, value in model.state_dict().items():
        if not value.is_floating_point() or name in skipped:
            continue
        for stored, part in split(name, value):
            value, row = drawn(rename(stored), tuple(part.shape), len(table))
            part.copy_(value)
            table.append(row)
    model.eval()
    return table


def pictures(place, side, mean, std):
    """A picture is darker than the one before."""
    drawn = [words(place + i, 3 * side * side) >> np.uint32(24 + i) for i in range(PICTURES)]
    pixels = torch.from_numpy(np.stack(drawn).astype(np.float32)).reshape(-1, side, side, 3).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    return (pixels / 255 - mean) / std


def texts(place, count):
    """Ids below count, from 5 on, without the padding that a batch would have."""
    drawn = [words(place + PICTURES + row, length).astype(np.int64) for row, length in enumerate(LENGTHS)]
    return [torch.from_numpy(ids % (count - FIRST_WORD) + FIRST_WORD)[None] for ids in drawn]


# Width, height of pictures to resize. Pillow 13 begins vertically with the last, whatever it becomes.
NOISE = ((57, 83), (91, 62), (61, 190))
NOISE_PLACE = 1000  # of their streams


def noise_sha256(preprocess):
    """Of the pixels, [side, side, 3] uint8, that a library makes of pictures of noise."""
    hashes = []
    for i, (width, height) in enumerate(NOISE):
        drawn = (words(NOISE_PLACE + i, 3 * width * height) >> np.uint32(24)).astype(np.uint8)
        pixels = preprocess(Image.fromarray(drawn.reshape(height, width, 3)))
        hashes.append(hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest())
    return hashes


def processed(processor):
    """By an image processor of transformers, less the arithmetic on its pixels."""

    def run(picture):
        done = processor(picture, do_rescale=False, do_normalize=False, return_tensors="np")
        return done["pixel_values"][0].astype(np.uint8).transpose(1, 2, 0)

    return run


def transformed(transform):
    """By what torchvision composes, up to where it becomes a tensor."""

    def run(picture):
        for step in transform.transforms:
            if type(step).__name__ in ("ToTensor", "MaybeToTensor", "Normalize"):
                break
            picture = step(picture)
        return np.asarray(picture)

    return run


def unit(matrix):
    return F.normalize(matrix, dim=-1)


def golden(name, files, table, **results):
    value = {"script": f"tools/reference/make_family_goldens.py {name}", "versions": versions(), "files": files}
    value.update(tensors=table)
    value.update({key: rows(result) if torch.is_tensor(result) else result for key, result in results.items()})
    write(os.path.join(FOLDER, name + ".json"), value)
    print(name, {key: tuple(result.shape) for key, result in results.items() if torch.is_tensor(result)})


def text_results(ids, run):
    return {"ids": [row[0].tolist() for row in ids], "text_embeddings": torch.cat([run(row) for row in ids])}


def sparse(config):
    """config.json without what is transformers' own default, which older files leave out."""
    default = type(config)().to_dict()
    fields = {key: value for key, value in config.to_dict().items() if value != default.get(key)}
    return {"model_type": config.model_type, **fields}


def vocabulary():
    return "".join(token + "\n" for token in VOCABULARY)


# ---- BiomedCLIP in the names of transformers' CLIP ------------------------------------------------


def biomedclip_names(name):
    """Source: the conversion script of MedCLIP-SAMv2, saliency_maps/model/convert.py."""
    pairs = [("visual.head.proj", "visual_projection"), ("visual.trunk.norm", "vision_model.post_layernorm")]
    pairs += [("visual.trunk.patch_embed.proj", "vision_model.embeddings.patch_embedding")]
    pairs += [("visual.trunk.cls_token", "vision_model.embeddings.class_embedding")]
    pairs += [("visual.trunk.pos_embed", "vision_model.embeddings.position_embedding.weight")]
    pairs += [("visual.trunk.blocks", "vision_model.encoder.layers"), (".attn.proj", ".self_attn.out_proj")]
    pairs += [(".norm1", ".layer_norm1"), (".norm2", ".layer_norm2")]
    pairs += [("text.proj.0", "text_projection.fc1"), ("text.proj.2", "text_projection.fc2")]
    pairs += [("text.transformer.embeddings.word_embeddings", "text_model.embeddings.token_embedding")]
    pairs += [("text.transformer.embeddings.position_embeddings", "text_model.embeddings.position_embedding")]
    pairs += [("text.transformer.embeddings.token_type_embeddings", "text_model.embeddings.token_type_embedding")]
    pairs += [("text.transformer.embeddings.LayerNorm", "text_model.embeddings.layer_norm")]
    pairs += [("text.transformer.encoder.layer", "text_model.encoder.layers")]
    pairs += [("attention.self.query", "self_attn.q_proj"), ("attention.self.key", "self_attn.k_proj")]
    pairs += [("attention.self.value", "self_attn.v_proj"), ("attention.output.dense", "self_attn.out_proj")]
    pairs += [("attention.output.LayerNorm", "layer_norm1"), ("intermediate.dense", "mlp.fc1")]
    pairs += [("output.dense", "mlp.fc2"), ("output.LayerNorm", "layer_norm2")]
    for old, new in pairs:
        name = name.replace(old, new)
    return name


def split_biomedclip(name, value):
    if ".attn.qkv." in name:
        parts = zip(("q_proj", "k_proj", "v_proj"), value.chunk(3))
        return [(name.replace("attn.qkv", "self_attn." + part), piece) for part, piece in parts]
    if name.endswith("cls_token"):
        return [(name, value[0, 0])]
    return [(name, value[0] if name.endswith("pos_embed") else value)]


def biomedclip_hf():
    side, epsilon = 32, 1e-12
    vision = {"timm_model_name": "vit_vkclip_family_patch8_32", "timm_model_pretrained": False}
    vision.update(timm_pool="", timm_proj="linear", image_size=side)
    text = {"hf_model_name": "x", "hf_tokenizer_name": "x", "hf_proj_type": "mlp", "context_length": 20}
    text.update(hf_pooler_type="cls_last_hidden_state_pooler")
    with tempfile.TemporaryDirectory() as folder:
        write(os.path.join(folder, "open_clip_config.json"), {"model_cfg": {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}})
        write(os.path.join(folder, "config.json"), {"model_type": "bert", "hidden_act": "gelu", **BERT})
        model = build.build(folder, patch_size=8, **TRUNK)
    for module in model.visual.trunk.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = epsilon  # the conversion's, where timm has 1e-6
    table = fill(model, biomedclip_names, split=split_biomedclip)
    config = {"architectures": ["BiomedCLIPModel"], "model_type": "clip", "projection_dim": 24}
    config["text_config"] = {"model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-12, **BERT}
    config["text_projection_config"] = {"hidden_size": 48, "intermediate_size": 36, "projection_dim": 24}
    config["vision_config"] = {"model_type": "vit", "hidden_act": "gelu", "layer_norm_eps": epsilon, **VIT}
    config["vision_config"].update(image_size=side, patch_size=8)
    processor = {"image_mean": OPENAI["mean"], "image_std": OPENAI["std"], "resample": 3, "do_center_crop": True}
    processor.update(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    hashes = noise_sha256(processed(transformers.CLIPImageProcessor(**processor)))
    files = {"config.json": config, "preprocessor_config.json": processor, "vocab.txt": vocabulary()}
    ids = texts(len(table), BERT["vocab_size"])
    golden("biomedclip_hf", files, table, pixels_sha256=hashes, logit_scale=digits(model.logit_scale.exp())[0],
           image_embeddings=unit(model.encode_image(pictures(len(table), side, **OPENAI))),
           **text_results(ids, lambda row: unit(model.encode_text(row))))  # fmt: skip


# ---- sentence encoders ---------------------------------------------------------------------------

MODULES = "sentence_transformers.models."


def pooling(is_mean):
    return {"word_embedding_dimension": 48, "pooling_mode_cls_token": not is_mean, "pooling_mode_mean_tokens": is_mean}


def modules(*names):
    return [{"idx": i, "name": str(i), "path": "", "type": MODULES + name} for i, name in enumerate(names)]


def sentence_mean():
    """As all-MiniLM-L6-v2: no prefix, the mean, to unit length."""
    model = transformers.BertModel(transformers.BertConfig(**BERT))
    table = fill(model)
    files = {"config.json": sparse(model.config), "vocab.txt": vocabulary()}
    files["modules.json"] = modules("Transformer", "Pooling", "Normalize")
    files["1_Pooling/config.json"] = pooling(True)
    files["sentence_bert_config.json"] = {"max_seq_length": 18, "do_lower_case": False}
    ids = texts(len(table), BERT["vocab_size"])
    golden("sentence_mean", files, table, **text_results(ids, lambda row: unit(model(row).last_hidden_state.mean(1))))


def sentence_cls():
    """As bert-base-uncased's file: a prefix, gamma and beta, the heads it was pretrained with."""
    model = transformers.BertForPreTraining(transformers.BertConfig(**BERT, layer_norm_eps=1e-5))
    tied = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")
    old = lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    table = fill(model, old, tied)
    files = {"config.json": sparse(model.config), "vocab.txt": vocabulary()}
    files["modules.json"] = modules("Transformer", "Pooling")
    files["1_Pooling/config.json"] = pooling(False)
    ids = texts(len(table), BERT["vocab_size"])
    golden("sentence_cls", files, table, **text_results(ids, lambda row: model.bert(row).last_hidden_state[:, 0]))


# ---- vision transformers -------------------------------------------------------------------------


def timm_config(name, side, pool="token", classes=0, **pretrained):
    pretrained = {"input_size": [3, side, side], "interpolation": "bicubic", "crop_pct": 0.9, **IMAGENET, **pretrained}
    return {"architecture": name, "num_classes": classes, "global_pool": pool, "pretrained_cfg": pretrained}


def timm_vit(name, config, **sizes):
    side = config["pretrained_cfg"]["input_size"][1]
    model = timm.models.vision_transformer.VisionTransformer(img_size=side, **TIMM, **sizes)
    table = fill(model)
    pixels = pictures(len(table), side, config["pretrained_cfg"]["mean"], config["pretrained_cfg"]["std"])
    features = model.forward_head(model.forward_features(pixels), pre_logits=True)
    results = {"class_logits": model(pixels)} if config["num_classes"] else {}
    pretrained = {key: value for key, value in config["pretrained_cfg"].items() if not key.startswith("label")}
    data = timm.data.resolve_data_config(pretrained_cfg=pretrained)
    results["pixels_sha256"] = noise_sha256(transformed(timm.data.create_transform(**data)))
    golden(name, {"config.json": config}, table, image_embeddings=unit(features), **results)


def vit_timm():
    labels = {"label_names": ["n1", "n2", "n3", "n4", "n5"], "label_descriptions": {"n2": "second"}}
    config = timm_config("vit_tiny_patch8_32", 32, classes=5, mean=HALF, std=HALF, **labels)
    timm_vit("vit_timm", config, patch_size=8, num_classes=5)


def vit_timm_mean():
    config = timm_config("vit_tiny_patch8_24", 24, pool="avg", classes=3, crop_pct=1.0, crop_mode="squash", interpolation="bilinear")
    timm_vit("vit_timm_mean", config, patch_size=8, num_classes=3, global_pool="avg")


def vit_timm_clip():
    """timm's own copies of CLIP's towers: a norm before, another epsilon, QuickGELU by name."""
    config = timm_config("vit_tiny_patch8_clip_quickgelu_24", 24, **OPENAI)
    quick = build_quick_gelu()
    timm_vit("vit_timm_clip", config, patch_size=8, num_classes=0, pre_norm=True, norm_layer=torch.nn.LayerNorm, act_layer=quick)


def build_quick_gelu():
    from open_clip.transformer import QuickGELU

    return QuickGELU


def vit_hf():
    labels = {0: "zero", 1: "one", 2: "two", 3: "three"}
    config = transformers.ViTConfig(**VIT, image_size=32, patch_size=8, id2label=labels, label2id={v: k for k, v in labels.items()})
    model = transformers.ViTForImageClassification(config)
    table = fill(model)
    pixels = pictures(len(table), 32, HALF, HALF)
    files = {"config.json": sparse(config)}
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    files["preprocessor_config.json"] = processor.to_dict()
    hashes = noise_sha256(processed(processor))
    features = model.vit(pixels).last_hidden_state[:, 0]
    golden("vit_hf", files, table, pixels_sha256=hashes, image_embeddings=unit(features), class_logits=model(pixels).logits)


def vit_hf_encoder():
    """ViTModel: no prefix, a pooler that is not used, no classifier."""
    config = transformers.ViTConfig(**VIT, image_size=24, patch_size=8, layer_norm_eps=1e-6)
    model = transformers.ViTModel(config)
    table = fill(model)
    files = {"config.json": sparse(config)}
    features = model(pictures(len(table), 24, HALF, HALF)).last_hidden_state[:, 0]
    golden("vit_hf_encoder", files, table, image_embeddings=unit(features))


# ---- CLIP ----------------------------------------------------------------------------------------

END = 47  # the highest id is the end of a text


def clip_ids(place):
    ids = texts(place, END)
    for row in ids:
        row[0, -1] = END
    return ids


def clip_open_clip(name, quick):
    vision = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16, "mlp_ratio": 52 / 32}
    text = {"context_length": 20, "vocab_size": END + 1, "width": 48, "heads": 3, "layers": 2}
    config = {"model_cfg": {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}, "preprocess_cfg": OPENAI}
    config["model_cfg"]["quick_gelu"] = quick
    model = CLIP(**config["model_cfg"])
    table = fill(model, skipped=("attn_mask",))

    def run(row):
        padded = F.pad(row, (0, 20 - row.shape[1]))
        return unit(model.encode_text(padded))

    hashes = noise_sha256(transformed(image_transform(32, False, **OPENAI)))
    golden(name, {"open_clip_config.json": config}, table, pixels_sha256=hashes, logit_scale=digits(model.logit_scale.exp())[0],
           image_embeddings=unit(model.encode_image(pictures(len(table), 32, **OPENAI))),
           **text_results(clip_ids(len(table)), run))  # fmt: skip


TEXTS = (
    "this is a photo of chest X-ray",
    "It's 5 mm\u00b2; p &lt; 0.05",
    "",
    "<end_of_text>",  # the embedding is read at the first of two ends
    "lung<end_of_text>behind it",
    "the kidney is longer than the context, which ends it",
)


def clip_texts():
    """Texts, not ids, by the vocabulary of tests/golden/bpe; the test puts its files beside the weights."""
    tokenizer = clip_vocabulary.tokenizer_of(clip_vocabulary.read_merges(os.path.join(GOLDEN, "bpe")), 20)
    vision = {"image_size": 16, "layers": 1, "width": 16, "patch_size": 8, "head_width": 16, "mlp_ratio": 1.0}
    text = {"context_length": 20, "vocab_size": tokenizer.vocab_size, "width": 48, "heads": 3, "layers": 2}
    config = {"model_cfg": {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}, "preprocess_cfg": OPENAI}
    model = CLIP(**config["model_cfg"])
    table = fill(model, skipped=("attn_mask",))
    golden("clip_texts", {"open_clip_config.json": config}, table, texts=list(TEXTS),
           text_embeddings=unit(model.encode_text(tokenizer(list(TEXTS)))))  # fmt: skip


def clip_hf():
    vision = {**VIT, "image_size": 32, "patch_size": 8}
    text = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 72}
    text.update(max_position_embeddings=20, vocab_size=END + 1, eos_token_id=END, bos_token_id=END - 1)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    model = transformers.CLIPModel(config)
    table = fill(model)
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    files = {"config.json": config.to_dict(), "preprocessor_config.json": processor.to_dict()}
    hashes = noise_sha256(processed(processor))

    def run(row):
        return unit(model.get_text_features(row))

    golden("clip_hf", files, table, pixels_sha256=hashes, logit_scale=digits(model.logit_scale.exp())[0],
           image_embeddings=unit(model.get_image_features(pictures(len(table), 32, **OPENAI))),
           **text_results(clip_ids(len(table)), run))  # fmt: skip


# ---- DINOv2 --------------------------------------------------------------------------------------


def dinov2_hf():
    """Positions of 5 x 5 patches, pictures of 3 x 3."""
    config = transformers.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=50, patch_size=10)
    model = transformers.Dinov2Model(config)
    table = fill(model)
    processor = {"do_resize": True, "size": {"shortest_edge": 41}, "do_center_crop": True, "resample": 3}
    processor.update(crop_size={"height": 30, "width": 30}, image_mean=IMAGENET["mean"], image_std=IMAGENET["std"])
    files = {"config.json": sparse(config), "preprocessor_config.json": processor}
    features = model(pictures(len(table), 30, **IMAGENET)).pooler_output
    hashes = noise_sha256(processed(transformers.BitImageProcessor(**processor)))
    golden("dinov2_hf", files, table, pixels_sha256=hashes, image_embeddings=unit(features))


def dinov2_timm():
    """Registers and LayerScale; timm fits positions of 5 x 5 patches to pictures of 4 x 4 when it loads them."""
    sizes = {"patch_size": 10, "num_classes": 0, "init_values": 1e-5, "reg_tokens": 4, "no_embed_class": True, **TIMM}
    stored = timm.models.vision_transformer.VisionTransformer(img_size=50, **sizes)
    table = fill(stored)
    model = timm.models.vision_transformer.VisionTransformer(img_size=40, **sizes).eval()
    state = timm.models.vision_transformer.checkpoint_filter_fn(stored.state_dict(), model)
    model.load_state_dict(state, strict=True)
    config = timm_config("vit_tiny_patch10_reg4_dinov2", 40, crop_pct=1.0)
    features = model(pictures(len(table), 40, **IMAGENET))
    golden("dinov2_timm", {"config.json": config}, table, image_embeddings=unit(features))


def dinov2_registers(name, positions, files, rename, split=lambda name, value: [(name, value)]):
    """timm's model in other names, whose table of positions has a row for [CLS], which timm adds to the token."""
    sizes = {"patch_size": 10, "num_classes": 0, "init_values": 1e-5, "reg_tokens": 4, "no_embed_class": True, **TIMM}
    model = timm.models.vision_transformer.VisionTransformer(img_size=40, **sizes)
    table = fill(model, rename, ("pos_embed",), split)
    value, row = drawn(positions, (1, 17, TIMM["embed_dim"]), len(table))
    model.pos_embed.copy_(value[:, 1:])
    model.cls_token.add_(value[:, :1])
    table.append(row)
    golden(name, files, table, image_embeddings=unit(model(pictures(len(table), 40, **IMAGENET))))


def dinov2_original():
    """The names of facebookresearch/dinov2."""
    files = {"config.json": timm_config("vit_tiny_patch10_reg4_dinov2", 40, crop_pct=1.0)}
    dinov2_registers("dinov2_original", "pos_embed", files, lambda name: name.replace("reg_token", "register_tokens"))


def dinov2_hf_registers():
    """The names of transformers' modeling_dinov2_with_registers.py, which 4.35.2 does not have yet."""
    pairs = [("cls_token", "embeddings.cls_token"), ("reg_token", "embeddings.register_tokens")]
    pairs += [("patch_embed.proj", "embeddings.patch_embeddings.projection"), ("blocks.", "encoder.layer.")]
    pairs += [("attn.proj", "attention.output.dense"), ("ls1.gamma", "layer_scale1.lambda1")]
    pairs += [("ls2.gamma", "layer_scale2.lambda1")]

    def rename(name):
        for old, new in pairs:
            name = name.replace(old, new)
        return "layernorm" + name[4:] if name.startswith("norm.") else name

    def split(name, value):
        if ".attn.qkv." not in name:
            return [(name, value)]
        parts = zip(("query", "key", "value"), value.chunk(3))
        return [(name.replace("attn.qkv", "attention.attention." + part), piece) for part, piece in parts]

    config = {"model_type": "dinov2_with_registers", "hidden_size": 128, "num_hidden_layers": 2, "image_size": 40}
    config.update(num_attention_heads=2, patch_size=10, num_register_tokens=4)
    processor = {"size": {"shortest_edge": 40}, "do_center_crop": True, "resample": 3}
    processor.update(crop_size={"height": 40, "width": 40}, image_mean=IMAGENET["mean"], image_std=IMAGENET["std"])
    files = {"config.json": config, "preprocessor_config.json": processor}
    dinov2_registers("dinov2_hf_registers", "embeddings.position_embeddings", files, rename, split)


FAMILIES = {
    "biomedclip_hf": biomedclip_hf,
    "sentence_mean": sentence_mean,
    "sentence_cls": sentence_cls,
    "vit_timm": vit_timm,
    "vit_timm_mean": vit_timm_mean,
    "vit_timm_clip": vit_timm_clip,
    "vit_hf": vit_hf,
    "vit_hf_encoder": vit_hf_encoder,
    "clip_open_clip": lambda: clip_open_clip("clip_open_clip", True),
    "clip_open_clip_gelu": lambda: clip_open_clip("clip_open_clip_gelu", False),
    "clip_texts": clip_texts,
    "clip_hf": clip_hf,
    "dinov2_hf": dinov2_hf,
    "dinov2_timm": dinov2_timm,
    "dinov2_original": dinov2_original,
    "dinov2_hf_registers": dinov2_hf_registers,
}


def main():
    torch.set_num_threads(1)
    os.makedirs(FOLDER, exist_ok=True)
    with torch.no_grad():
        for name in sys.argv[1:] or FAMILIES:
            FAMILIES[name]()


if __name__ == "__main__":
    main()
