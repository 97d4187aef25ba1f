"""Texts that compare_tokens.py and make_goldens.py feed to both tokenizers, by a seed.

All are bytes without zeros, since C strings end there; as_read() is what vkclip takes bytes for.
"""
import html.entities
import random
import re

from ftfy.chardata import CHARMAP_ENCODINGS

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
EMOJI = (
    "😀",
    "👩\u200d⚕\ufe0f",
    "👨\u200d👩\u200d👧\u200d👦",
    "👍🏽",
    "🇩🇪",
    "1\ufe0f\u20e3",
    "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
    "❤\ufe0f\u200d🔥",
    "☢",
    "🧬🔬",
)
WRONG_BYTES = (b"\xff", b"\x80", b"\xc0\xaf", b"\xc0\x80", b"\xe2\x82", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x8d")
WRONG_BYTES += (b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xef\xbf\xbe", b"\xc3")
# What mojibake is made of: letters, quotes and signs whose UTF-8 has two, three or four bytes.
BROKEN = "éöüßàÀáíñçøœŠŁž–—“”’‘…™µβαΔ±×°²½©€£≥→ﬁ肺한Яשก\xa0\u200b\u0301😀"

WORDS = {
    "modality": "CT|MRI|chest X-ray|PET/CT|T2-weighted FLAIR image|ultrasound|fundus photograph|H&E-stained section"
    "|haematoxylin–eosin slide|immunofluorescence micrograph|99mTc-MDP bone scan|OCT scan|mammogram|Western blot",
    "organ": "left lung|right upper lobe|liver|kidney|left ventricle|hippocampus|cervical lymph node|thyroid gland"
    "|fovea|distal femur|C5–C6 disc|duodenum|pancreatic tail|skin|prostate|corpus callosum|naïve T-cell niche",
    "finding": "adenocarcinoma|ground-glass opacity|pleural effusion|glioblastoma multiforme|micro-calcifications"
    "|squamous cell carcinoma in situ|cardiomegaly|pneumothorax|a 3-mm nodule|drusen|osteophytes|Barrett’s oesophagus"
    "|hyperintense lesions|diffuse large B-cell lymphoma|nonalcoholic steatohepatitis|necrosis|amyloid-β plaques",
    "marker": "CD8+ T cells|Ki-67|TNF-α|IL-1β|HER2/neu|p53|γ-H2AX|β-catenin|PD-L1|α-SMA|VEGF-A|κ light chain|NF-κB"
    "|EGFR (T790M)|c-Myc|5-HT2A|Na+/K+-ATPase|miR-21-5p|lncRNA MALAT1|HLA-DRB1*04:01",
    "name": "Sjögren syndrome|Guillain–Barré syndrome|Ménière's disease|Crohn’s disease|Hashimoto thyroiditis"
    "|Parkinson's disease|von Hippel–Lindau disease|Behçet’s disease|SARS-CoV-2 infection|Waldenström's disease",
    "drug": "cisplatin|imatinib (400 mg/day)|5-FU|trastuzumab|10 µM forskolin|N-acetyl-L-cysteine|dexamethasone"
    "|1α,25-dihydroxyvitamin D3|low-dose (≤81 mg) aspirin|BNT162b2|LPS|gadolinium-DTPA",
    "animal": "C57BL/6 mice|Sprague–Dawley rats|zebrafish larvae|HeLa cells|patients|healthy controls|Drosophila",
    "unit": "mm|cm|µm|mg/dL|ng·mL−1|Gy|kPa|% of cells|mmol/L|IU/L|bpm|°C|mm³|× 10⁶ cells/mL|kDa|cm H2O",
    "adverb": "significantly|slightly|markedly|not|dose-dependently|in vivo|almost exclusively",
    "verb": "showed|revealed|was consistent with|demonstrated|excluded|is suggestive of|mimicked",
}
TEMPLATES = (
    "{modality} of the {organ} {verb} {finding}.",
    "Figure {n}{letter}. {modality} of the {organ} in a {n}-year-old {sex} with {name} (arrow; scale bar, {n} µm).",
    "{marker} was {adverb} increased in {animal} treated with {drug} ({number} ± {number} {unit}, p {sign} 0.0{n}).",
    "We measured {marker} and {marker} in {n} {animal}; {finding} occurred in {n}/{n} ({number}%).",
    "(a) {modality}, (b) {modality}; arrowheads: {finding}. *P < 0.05, **P < 0.01, n = {n} per group.",
    "Background: {name} is a risk factor for {finding} (OR = {number}; 95% CI {number}–{number}) [{n},{n}].",
    "this is a photo of {finding} in the {organ}",
    "{drug} {adverb} reduced {finding} (“{marker}-positive”) at {number} {unit} vs. {number} {unit}, R² = 0.{n}.",
    "Cells were fixed in {n}% paraformaldehyde for {n} min at {n} °C and stained for {marker}/{marker} (1:{n}00).",
    "TITLE: {name} AFTER {drug}: A CASE REPORT AND REVIEW; DOI: 10.1{n}/s{n}-{n}-x, et al. (20{n})",
)


def as_read(raw):
    """UTF-8, each byte that belongs to no valid sequence being U+FFFD."""
    return re.sub("[\udc80-\udcff]", "\ufffd", raw.decode("utf-8", "surrogateescape"))


class Texts:
    def __init__(self, seed, words):
        self.random = random.Random(seed)
        self.words = sorted(words)
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
                lambda: choice(EMOJI),
                self.entity,
                self.entity,
                lambda: "\x1b[" + "".join(choice("013;\u0661") for _ in range(count(5))) + choice("mKA é"),
                lambda: choice("aé肺") * choice([99, 100, 101]) if self.random.random() < 0.2 else " ",
            )
        )()

    def mixed(self):
        """Scripts mixed, marks, controls, emoji, entities; in one of eight some wrong bytes."""
        pieces = [self.piece().encode() for _ in range(self.random.choice([1, 2, 3, 5, 8, 15, 40]))]
        if self.random.random() < 0.125:
            for _ in range(self.random.randrange(1, 4)):
                pieces.insert(self.random.randrange(len(pieces) + 1), self.random.choice(WRONG_BYTES))
        return b"".join(pieces).replace(b"\0", b"")

    def sentence(self):
        """One to three sentences as in biomedical captions and abstracts."""
        dice = self.random

        def word(match):
            kind = match.group(1)
            if kind == "number":
                return f"{dice.uniform(0, 120):.{dice.randrange(4)}f}"
            simple = {"n": str(dice.randrange(1, 96)), "letter": dice.choice("ABCDabc"), "sex": dice.choice("♀♂")}
            simple["sign"] = dice.choice("<>=≤")
            return simple.get(kind) or dice.choice(WORDS[kind].split("|"))

        sentences = [re.sub(r"\{(\w+)\}", word, dice.choice(TEMPLATES)) for _ in range(dice.choice([1, 1, 2, 3]))]
        return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)

    def misread(self, text):
        """The text as it looks when its UTF-8 is read in another encoding, once or several times."""
        dice = self.random
        for _ in range(dice.choice([1, 1, 1, 2, 2, 3])):
            raw = text.encode()
            if dice.random() < 0.1:  # CESU-8 and Java
                units = text.encode("utf-16-be")
                units = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
                raw = "".join(map(chr, units)).encode("utf-8", "surrogatepass") + dice.choice([b"", b"\xc0\x80"])
            if dice.random() < 0.2:
                raw = raw.replace(b"\xa0", b" ")
            text = raw.decode(dice.choice(CHARMAP_ENCODINGS[:3] + CHARMAP_ENCODINGS), "replace")
            if dice.random() < 0.1:
                text = text.replace("\ufffd", "?")
        return text

    def mojibake(self):
        """Words, signs and sentences, some of them misread, some of those damaged."""
        dice, parts = self.random, []
        for _ in range(dice.choice([1, 2, 3, 5])):
            bits = [dice.choice([dice.choice(BROKEN), dice.choice(self.words)]) for _ in range(dice.randrange(1, 5))]
            part = "".join(bits)
            if dice.random() < 0.15:
                part = self.sentence()
            if dice.random() < 0.8:
                part = self.misread(part)
            if dice.random() < 0.3 and part:
                cut = dice.randrange(len(part))
                damage = dice.choice(["", " ", "?", "\ufffd", "\x81", "Ã", "&Atilde;", "é"])
                part = part[:cut] + damage + part[cut + 1 :]
            parts += [part, dice.choice(["", " ", " ", "\n", "\r\n", ", ", "\xa0", "À\n"])]
        return "".join(parts).encode().replace(b"\0", b"")
