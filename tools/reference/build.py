"""Builds open_clip's own CustomTextCLIP for a model folder of vkclip's kind.

open_clip finds the image tower by timm name and the text tower by hub name; a folder of ours names
neither, so the sizes are registered with timm under the name in the config, and the text tower reads
the folder's config.json. Pinned: open_clip 2.23.0, timm 0.9.11, transformers 4.35.2, torch 2.1.1.
"""
import json
import os

import timm
import torch
from open_clip.model import CustomTextCLIP
from safetensors.torch import load_file

HEAD_DIM = 64
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors", "pytorch_model.bin")


def register_vit(name, **sizes):
    """timm's VisionTransformer with these sizes, for timm.create_model(name)."""

    def entry(pretrained=False, pretrained_cfg=None, pretrained_cfg_overlay=None, **kwargs):
        model = timm.models.vision_transformer.VisionTransformer(**sizes, **kwargs)
        model.default_cfg = model.pretrained_cfg = {}
        return model

    entry.__name__ = name
    entry.__module__ = __name__
    timm.models.register_model(entry)


def build(folder, **sizes):
    """CustomTextCLIP with fresh weights; sizes of the image tower are for names that timm does not know."""
    with open(os.path.join(folder, "open_clip_config.json"), encoding="utf-8") as file:
        config = json.load(file)["model_cfg"]
    vision = config["vision_cfg"]
    if not timm.is_model(vision["timm_model_name"]):
        register_vit(vision["timm_model_name"], img_size=vision["image_size"], **sizes)
    config["text_cfg"].update(hf_model_name=folder, hf_model_pretrained=False)
    return CustomTextCLIP(**config)


def read_weights(folder):
    """Name -> float32 tensor, from the file that vkclip would take."""
    path = next(path for path in (os.path.join(folder, name) for name in WEIGHTS) if os.path.exists(path))
    if path.endswith(".safetensors"):
        tensors = load_file(path)
    else:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        tensors = tensors.get("state_dict", tensors)
    tensors = {name.removeprefix("module."): value.float() for name, value in tensors.items()}
    tensors.pop("text.transformer.embeddings.position_ids", None)  # 0, 1, 2, ...
    return tensors


def load(folder):
    """The model of a folder with its weights as float32; sizes come from the tensors."""
    tensors = read_weights(folder)
    width, _, patch, _ = tensors["visual.trunk.patch_embed.proj.weight"].shape
    depth = sum(name.endswith("attn.qkv.weight") for name in tensors)
    model = build(folder, patch_size=patch, embed_dim=width, depth=depth, num_heads=width // HEAD_DIM)
    model.load_state_dict(tensors, strict=True)
    return model.eval()
