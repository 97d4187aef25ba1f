"""open_clip's SimpleTokenizer, and its vocabulary in the files that models of this kind ship.

SimpleTokenizer reads one list of merges, gzipped, and makes the rest of it. Models on the hub have the same
as vocab.json with merges.txt and as tokenizer.json, in which the special tokens have OpenAI's names; those
are written here by transformers itself. Needs open_clip 2.23.0, transformers 4.35.2, tokenizers 0.15.
"""
import gzip
import json
import os
import tempfile

from open_clip.tokenizer import SimpleTokenizer
from transformers import CLIPTokenizerFast

NAMES = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}


def write_pair(folder, tokenizer):
    """vocab.json and merges.txt."""
    vocabulary = {NAMES.get(token, token): id for token, id in tokenizer.encoder.items()}
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as file:
        json.dump(vocabulary, file, ensure_ascii=False)
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.get)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "".join(" ".join(merge) + "\n" for merge in merges))


def write_json(folder, pair_folder):
    """tokenizer.json, from the pair in another folder."""
    pair = [os.path.join(pair_folder, name) for name in ("vocab.json", "merges.txt")]
    fast = CLIPTokenizerFast(vocab_file=pair[0], merges_file=pair[1])
    fast.backend_tokenizer.save(os.path.join(folder, "tokenizer.json"))


def tokenizer_of(merges, context):
    """The SimpleTokenizer of a list of pairs."""
    with tempfile.NamedTemporaryFile(suffix=".gz") as file:
        with gzip.open(file.name, "wt", encoding="utf-8") as lines:
            lines.write("\n".join(["#version: 0.2"] + [" ".join(merge) for merge in merges]))
        return SimpleTokenizer(file.name, context_length=context)


def read_merges(folder):
    with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as file:
        return [tuple(line.split()) for line in file.read().splitlines()[1:]]
