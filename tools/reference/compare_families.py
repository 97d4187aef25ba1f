#!/usr/bin/env python3
"""Compares vkclip with timm, transformers and open_clip on models of their true sizes, with random weights.

    compare_families.py LIBRARY [NAME...]

LIBRARY is build/libvkclip.so. Each model of the list below is made with a fixed seed, written as its library
lays it out, and run on pictures of noise, token ids, or both; gains and biases, which start as ones and zeros,
are drawn as well. Prints the largest difference of unit vectors, and of logits; exits 1 when one is above 2e-5.
Needs torch 2.1.1, open_clip 2.23.0, timm 0.9.11, transformers 4.35.2.
"""
import ctypes
import json
import os
import sys
import tempfile

import numpy as np
import open_clip
import timm
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file

from compare_embeddings import FP32, WHOLE, Params

PICTURES = 2
OPENAI = {"mean": list(open_clip.constants.OPENAI_DATASET_MEAN), "std": list(open_clip.constants.OPENAI_DATASET_STD)}


class Vkclip:
    def __init__(self, library, folder):
        self.library, self.error = ctypes.CDLL(library), ctypes.create_string_buffer(504)
        for name in ("vkclip_model_open", "vkclip_engine_create"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.model = self.library.vkclip_model_open(folder.encode(), WHOLE, None, self.error)
        self.engine = self.model and self.library.vkclip_engine_create(
            ctypes.c_void_p(self.model), ctypes.byref(Params(precision=FP32)), self.error
        )
        self.check(self.engine)

    def check(self, is_done):
        if not is_done:
            sys.exit(self.error.raw[4:].split(b"\0")[0].decode())

    def run(self, name, count, width, *inputs):
        out = np.zeros((count, width), dtype=np.float32)
        pointers = [each.ctypes.data_as(ctypes.c_void_p) for each in inputs]
        function = getattr(self.library, name)
        where = out.ctypes.data_as(ctypes.c_void_p)
        self.check(function(ctypes.c_void_p(self.engine), *pointers, ctypes.c_size_t(count), where, self.error))
        return out

    def close(self):
        self.library.vkclip_engine_destroy(ctypes.c_void_p(self.engine))
        self.library.vkclip_model_close(ctypes.c_void_p(self.model))


def shake(model):
    """Gains around 1, biases around 0, LayerScale as trained ones are."""
    torch.manual_seed(7)
    for name, value in model.named_parameters():
        if value.dim() == 1 and "logit" not in name:
            center = 1.0 if name.endswith(("norm.weight", "norm1.weight", "norm2.weight")) else 0.0
            center = 0.3 if "gamma" in name or "lambda" in name else center
            value.copy_(center + 0.1 * torch.randn_like(value))
    return model.eval()


def noise(side, mean, std):
    pixels = np.random.default_rng(1).integers(0, 256, (PICTURES, side, side, 3), dtype=np.uint8)
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    return pixels, (tensor - mean) / std


def save(folder, model, files):
    tensors = {name: value.contiguous() for name, value in model.state_dict().items() if name != "attn_mask"}
    save_file(tensors, os.path.join(folder, "model.safetensors"))
    for name, content in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(content, file)


def clip_ids(end):
    drawn = np.random.default_rng(2)
    return [np.append(drawn.integers(0, end - 1, length - 1), end).astype(np.int32) for length in (2, 9, 77)]


def timm_model(name, **options):
    model = shake(timm.create_model(name, **options))
    data = {**model.pretrained_cfg, "input_size": [3, *[model.patch_embed.img_size[0]] * 2]}
    config = {"architecture": name, "num_classes": model.num_classes, "global_pool": model.global_pool}
    kept = ("input_size", "interpolation", "crop_pct", "mean", "std")
    config["pretrained_cfg"] = {key: data[key] for key in kept}
    features = lambda pixels: model.forward_head(model.forward_features(pixels), pre_logits=True)
    logits = model if model.num_classes else None
    return model, {"config.json": config}, (data["input_size"][1], data["mean"], data["std"]), features, logits, None


def vit_hf():
    config = transformers.ViTConfig(id2label={i: f"label {i}" for i in range(1000)})
    model = shake(transformers.ViTForImageClassification(config))
    half = ([0.5] * 3, [0.5] * 3)
    features = lambda pixels: model.vit(pixels).last_hidden_state[:, 0]
    return model, {"config.json": config.to_dict()}, (224, *half), features, lambda pixels: model(pixels).logits, None


def dinov2_hf():
    config = transformers.Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14)
    model = shake(transformers.Dinov2Model(config))
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    processor = {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True}
    processor.update(resample=3, image_mean=mean, image_std=std)
    files = {"config.json": config.to_dict(), "preprocessor_config.json": processor}
    return model, files, (224, mean, std), lambda pixels: model(pixels).pooler_output, None, None


def clip_open_clip(name):
    config = open_clip.get_model_config(name)
    model = shake(open_clip.create_model(name))
    files = {"open_clip_config.json": {"model_cfg": config, "preprocess_cfg": OPENAI}}
    side = config["vision_cfg"]["image_size"]
    end = config["text_cfg"]["vocab_size"] - 1
    text = lambda ids: model.encode_text(F.pad(ids, (0, 77 - ids.shape[1])))
    return model, files, (side, OPENAI["mean"], OPENAI["std"]), model.encode_image, None, (end, text)


def clip_hf():
    config = transformers.CLIPConfig()
    config.text_config.eos_token_id = 49407
    model = shake(transformers.CLIPModel(config))
    files = {"config.json": config.to_dict()}
    return model, files, (224, OPENAI["mean"], OPENAI["std"]), model.get_image_features, None, (49407, model.get_text_features)


MODELS = {
    "vit_tiny_patch16_224": lambda: timm_model("vit_tiny_patch16_224"),
    "vit_small_patch32_224": lambda: timm_model("vit_small_patch32_224"),
    "vit_base_patch8_224": lambda: timm_model("vit_base_patch8_224", num_classes=0),
    "vit_large_patch16_224": lambda: timm_model("vit_large_patch16_224"),
    "vit_small_patch14_dinov2": lambda: timm_model("vit_small_patch14_dinov2"),
    "vit_base_patch14_reg4_dinov2": lambda: timm_model("vit_base_patch14_reg4_dinov2", img_size=224),
    "google/vit-base-patch16-224": vit_hf,
    "facebook/dinov2-small": dinov2_hf,
    "ViT-B-32-quickgelu": lambda: clip_open_clip("ViT-B-32-quickgelu"),
    "ViT-B-16": lambda: clip_open_clip("ViT-B-16"),
    "ViT-L-14": lambda: clip_open_clip("ViT-L-14"),
    "openai/clip-vit-base-patch32": clip_hf,
}


def compare(library, name):
    torch.manual_seed(3)
    model, files, (side, mean, std), features, logits, text = MODELS[name]()
    pixels, tensor = noise(side, mean, std)
    off = {}
    with tempfile.TemporaryDirectory() as folder:
        save(folder, model, files)
        vkclip = Vkclip(library, folder)
        want = F.normalize(features(tensor), dim=-1).numpy()
        off["images"] = np.abs(vkclip.run("vkclip_embed_pixels", PICTURES, want.shape[1], pixels) - want).max()
        if logits:
            want = logits(tensor).numpy()
            off["logits"] = np.abs(vkclip.run("vkclip_classify_pixels", PICTURES, want.shape[1], pixels) - want).max()
        if text:
            ids = clip_ids(text[0])
            want = torch.cat([F.normalize(text[1](torch.from_numpy(row).long()[None]), dim=-1) for row in ids]).numpy()
            lengths = np.array([len(row) for row in ids], dtype=np.uint32)
            got = vkclip.run("vkclip_embed_tokens", len(ids), want.shape[1], np.concatenate(ids), lengths)
            off["texts"] = np.abs(got - want).max()
        vkclip.close()
    parameters = sum(value.numel() for value in model.parameters())
    print(f"{name:30} {parameters:11,} parameters, off by", ", ".join(f"{value:.1e} ({what})" for what, value in off.items()), flush=True)
    return max(off.values()) <= 2e-5


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with torch.no_grad():
        results = [compare(sys.argv[1], name) for name in sys.argv[2:] or MODELS]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
