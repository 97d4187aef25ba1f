#!/usr/bin/env python3
"""Tests of vkclip ask and of vkclip eval: figures against what the other commands say of the same pictures.

    test_eval.py VKCLIP [WORD...]

The figures themselves are held to scikit-learn by test_metrics.c and test_probe.c. Standard library only.
"""
import html.parser
import json
import os
import pathlib
import shutil

from cli_testing import *

CELLS = "{} cells"


def shape_of(path):
    return pathlib.Path(path).name.split("_")[0]


def by_shape(folder, paths=IMAGES):
    """The demo pictures in a folder for each shape."""
    for path in paths:
        (folder / shape_of(path)).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / shape_of(path))
    return str(folder)


def write_table(path, head, rows):
    quote = lambda field: '"' + field.replace('"', '""') + '"'
    path.write_text("\n".join(",".join(map(quote, row)) for row in [head, *rows]) + "\n", encoding="utf-8")
    return str(path)


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


def evaluate(kind, *arguments, status=0, **options):
    result = run("eval", kind, "--format", "json", *arguments, **options)
    assert result.status == status, (result.status, result.err.decode())
    return json.loads(result.out)


def near(a, b, allowed):
    print(f"    difference {abs(a - b):.1e}, allowed {allowed:.1e}")
    return abs(a - b) <= allowed


# ---- ask ---------------------------------------------------------------------------------------


@case()
def ask_refuses_wrong_lines(tmp):
    usage_error("ask", IMAGES[0], says="no question")
    usage_error("ask", "-q", "what?", says="no image")
    usage_error("ask", "-q", "what?", "-a", "x", "--answers", "y", "z", says="not both")
    usage_error("ask", "-q", "what?", "--template", "{question}", "z", says="has no {answer}")
    text = fine("ask", "--help").out.decode()
    assert "-q, --question" in text and "-q, --quiet" not in text and "METER" in text


@case("device")
def ask_ranks_statements_as_classify_ranks_labels(tmp):
    answers = ["purple round cells", "pink spindle cells", "{} cells {answer}"]
    options = [part for answer in answers for part in ("-a", answer)]
    asked = json_lines(fine("ask", "-q", "which {answer} are {}?", *options, "--template", "{answer}",
                            "--template", "{question} {answer}", "--format", "json", *IMAGES[:2]))
    # The same statements, written out: what a question or an answer holds is not filled in again.
    for line in asked:
        for item in line["answers"]:
            answer = item["answer"]
            fine("embed", "text", "-o", str(tmp / "t.npy"), answer, f"which {{answer}} are {{}}? {answer}")
            fine("embed", "image", "-o", str(tmp / "i.npy"), line["image"])
            both = [sum(pair) for pair in zip(*rows(tmp / "t.npy"))]
            cosine = dot(both, rows(tmp / "i.npy")[0]) / dot(both, both) ** 0.5
            assert near(item["cosine"], cosine, 2e-6), (answer, item, cosine)
        logits = [item["logit"] for item in line["answers"]]
        assert logits == sorted(logits, reverse=True)
        assert near(sum(item["probability"] for item in line["answers"]), 1.0, 1e-6)


@case("device")
def ask_answers_yes_or_no(tmp):
    lines = fine("ask", "-q", "are these purple cells?", IMAGES[0]).out.decode().splitlines()
    assert lines[0] == IMAGES[0] and {line.split()[0] for line in lines[1:]} == {"yes", "no"}
    assert all(len(line.split()) == 5 for line in lines[1:]) # probability, %, logit, cosine
    (tmp / "answers.txt").write_text("a\nb\nc\n")
    text = fine("ask", "-q", "?", "--answers", str(tmp / "answers.txt"), "--top", "2", "--format", "csv", IMAGES[0]).out
    assert text.startswith(b"image,answer,probability,logit,cosine\r\n") and text.count(b"\r\n") == 3


# ---- classify ----------------------------------------------------------------------------------


def auroc(positives, negatives):
    pairs = [(a > b) + (a == b) / 2 for a in positives for b in negatives]
    return sum(pairs) / len(pairs)


@case("device")
def classify_agrees_with_vkclip_classify(tmp):
    # Half of the labels are those of other pictures, so that there are wrong ones to be put in order.
    names = sorted({shape_of(path) for path in IMAGES})
    said = [shape_of(path) for path in IMAGES]
    said[1::2] = said[:1] + said[1:-2:2]
    table = write_table(tmp / "data.csv", ["path", "label"], [list(pair) for pair in zip(IMAGES, said)])
    found = evaluate("classify", "--template", CELLS, table)
    labels = [part for name in names for part in ("-l", name)]
    lines = classify(*labels, "--template", CELLS, *IMAGES)
    assert [line["image"] for line in lines] == IMAGES
    truth = said
    best = [line["labels"][0]["label"] for line in lines]
    chances = [{item["label"]: item["probability"] for item in line["labels"]} for line in lines]

    figures = found["rounds"][0]
    assert found["pictures"] == len(IMAGES) and found["failed"] == 0
    assert near(figures["accuracy"]["value"], sum(map(str.__eq__, truth, best)) / len(truth), 1e-11)
    assert figures["confusion"] == [[sum(pair == (a, b) for pair in zip(truth, best)) for b in names] for a in names]
    assert [each["name"] for each in figures["classes"]] == names
    for each in figures["classes"]:
        inside = [chance[each["name"]] for chance, name in zip(chances, truth) if name == each["name"]]
        outside = [chance[each["name"]] for chance, name in zip(chances, truth) if name != each["name"]]
        assert each["support"] == len(inside)
        assert near(each["auroc"], auroc(inside, outside), 1e-9)
    assert len({*truth}) == len(names)
    wrong = sorted((-chance[b], path["image"]) for path, chance, t, b in zip(lines, chances, truth, best) if t != b)
    assert len(wrong) > 2 and [each["path"] for each in found["most_wrong"]] == [path for _, path in wrong]
    assert all(near(each["probability"], -p, 1e-6) for each, (p, _) in zip(found["most_wrong"], wrong))


@case("device")
def folders_tables_and_an_index_are_alike(tmp):
    folder = by_shape(tmp / "data")
    paths = sorted(str(p) for p in pathlib.Path(folder).glob("*/*"))
    table = write_table(tmp / "data.csv", ["label", "path"], [[shape_of(path), path] for path in paths])
    with open(tmp / "data.jsonl", "w", encoding="utf-8") as file:
        for path in paths:
            file.write(json.dumps({"path": path, "label": shape_of(path)}) + "\n")
    fine("index", "-o", str(tmp / "index"), table)
    want = evaluate("classify", folder)
    for source in (table, str(tmp / "data.jsonl"), str(tmp / "index")):
        got = evaluate("classify", source)
        assert {**got, "dataset": folder} == want, source


@case("device")
def rows_of_another_model_are_refused(tmp):
    table = write_table(tmp / "data.csv", ["path", "label"], [[path, shape_of(path)] for path in IMAGES])
    fine("index", "-o", str(tmp / "index"), table)
    text = (tmp / "index/index.json").read_text()
    digits = next(word for word in text.split('"') if len(word) == 64)
    (tmp / "index/index.json").write_text(text.replace(digits, "0" * 64))
    refused(1, "eval", "classify", str(tmp / "index"), says="another model")


@case("device")
def damaged_pictures_are_reported_and_counted(tmp):
    folder = by_shape(tmp / "data")
    want = evaluate("classify", folder)
    name = shape_of(IMAGES[0])
    (tmp / "data" / name / "broken.png").write_bytes(pathlib.Path(IMAGES[0]).read_bytes()[:100])
    (tmp / "data" / name / "notes.txt").write_text("no picture")
    (tmp / "data" / "loose.png").write_bytes(b"in no class")
    result = run("eval", "classify", "--format", "json", folder)
    assert result.status == 1 and len(result.errors) == 1 and "broken.png" in result.errors[0], result.err
    assert json.loads(result.out) == {**want, "failed": 1}
    shutil.rmtree(tmp / "data" / name)
    (tmp / "only").mkdir()
    for other in ("a", "b"):
        (tmp / "only" / other).mkdir()
        (tmp / "only" / other / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = run("eval", "classify", str(tmp / "only"))
    assert result.status == 1 and "no picture could be read" in result.errors[-1] and not result.out


@case("device")
def classes_have_names_prompts_and_published_figures(tmp):
    folder = by_shape(tmp / "data")
    shapes = sorted({shape_of(path) for path in IMAGES})
    published = [{"metric": "auroc", "value": 0.25, "source": "Somebody <et al.>"}]
    words = {"title": "A <title>", "templates": [CELLS, "{} seen"], "published": published,
             "classes": [{"labels": ["x " + s, s], "name": s.upper(), "prompts": ["purple " + s, s]} for s in shapes]}
    found = evaluate("classify", "--classes", write_json(tmp / "words.json", words), folder)
    assert [each["name"] for each in found["rounds"][0]["classes"]] == [s.upper() for s in shapes]
    assert found["published"] == published
    table = fine("eval", "classify", "--classes", str(tmp / "words.json"), folder).out.decode()
    line = next(line for line in table.splitlines() if line.startswith("AUROC"))
    assert "0.2500  Somebody <et al.>" in line
    # The mean of all prompts is what a class is compared with.
    fine("embed", "image", "-o", str(tmp / "i.npy"), *IMAGES)
    hits = 0
    means = []
    for s in shapes:
        fine("embed", "text", "-o", str(tmp / "t.npy"), f"purple {s} cells", f"purple {s} seen", f"{s} cells", f"{s} seen")
        mean = [sum(column) for column in zip(*rows(tmp / "t.npy"))]
        means.append([value / dot(mean, mean) ** 0.5 for value in mean])
    for path, row in zip(IMAGES, rows(tmp / "i.npy")):
        cosines = [dot(row, mean) for mean in means]
        hits += shapes[cosines.index(max(cosines))] == shape_of(path)
    assert near(found["rounds"][0]["accuracy"]["value"], hits / len(IMAGES), 1e-11)


@case("device")
def seeds_draw_the_intervals(tmp):
    folder = by_shape(tmp / "data")
    first, again = (evaluate("classify", "--seed", "3", folder) for _ in range(2))
    other = evaluate("classify", "--seed", "4", folder)
    assert first == again
    low = lambda found: [found["rounds"][0][key]["low"] for key in ("auroc", "average_precision", "calibration_error")]
    assert low(first) != low(other)
    assert first["rounds"][0]["confusion"] == other["rounds"][0]["confusion"]


@case("device")
def shipped_prompts_are_read_and_bring_their_figures(tmp):
    files = sorted((ROOT / "tools/prompts").glob("*.json"))
    assert len(files) == 5
    for file in files:
        words = json.loads(file.read_text())
        folder = tmp / file.stem
        for number, each in enumerate(words["classes"]):
            (folder / each["labels"][0]).mkdir(parents=True)
            shutil.copy(IMAGES[number], folder / each["labels"][0])
        found = evaluate("classify", "--classes", str(file), str(folder))
        assert found["published"] == words["published"] and "Zhang" in words["source"]
        assert found["pictures"] == len(words["classes"])


@case()
def wrong_classes_are_refused(tmp):
    (tmp / "data/a").mkdir(parents=True)
    (tmp / "data/a/x.png").write_bytes(b"x")
    two = [{"labels": ["a"]}, {"labels": ["b"]}]
    for value, says in (
        ([], "not a JSON object"), ({}, '"classes"'), ({"classes": two[:1]}, '"classes"'),
        ({"classes": [{"labels": ["a"]}, {}]}, "number 2"), ({"classes": [{"labels": ["a"]}, {"labels": "b"}]}, "number 2"),
        ({"classes": [{"labels": ["a"]}, {"labels": ["a"]}]}, "another class"),
        ({"classes": [{"labels": ["a"], "name": 5}, two[1]]}, "name"),
        ({"classes": [{"labels": ["a"], "prompts": [""]}, two[1]]}, "prompts"),
        ({"classes": two, "templates": "x"}, "templates"),
        ({"classes": two, "published": [{"metric": "luck", "value": 0.5, "source": "x"}]}, "metric"),
        ({"classes": two, "published": [{"metric": "auroc", "value": 50, "source": "x"}]}, "0 to 1"),
        ({"classes": [{"labels": ["c"]}, two[1]]}, "no class has the label 'a'"),
    ):
        refused(1, "eval", "classify", "--classes", write_json(tmp / "words.json", value), str(tmp / "data"), says=says)
    (tmp / "words.json").write_bytes(b'{"classes": [' + b"[" * 5000)
    refused(1, "eval", "classify", "--classes", str(tmp / "words.json"), str(tmp / "data"), says="words.json")
    usage_error("eval", "classify", "--template", "x", "--classes",
                write_json(tmp / "words.json", {"classes": two, "templates": ["y"]}), str(tmp / "data"), says="no --template")


@case()
def wrong_datasets_are_refused(tmp):
    usage_error("eval", says="followed by")
    usage_error("eval", "classify", says="no dataset")
    usage_error("eval", "probe", "a", "b", says="more than one")
    usage_error("eval", "retrieval", says="no pairs")
    refused(1, "eval", "classify", str(tmp / "nowhere"), says="nowhere")
    (tmp / "empty").mkdir()
    refused(1, "eval", "classify", str(tmp / "empty"), says="no picture")
    refused(1, "eval", "classify", write_table(tmp / "a.csv", ["path", "class"], [["x.png", "a"]]), says="line 2: has no label")
    refused(1, "eval", "classify", write_table(tmp / "a.csv", ["path", "label"], [["x.png", "a"], ["", "b"]]), says="line 3: has no path")
    refused(1, "eval", "classify", write_table(tmp / "a.csv", ["path", "label"], [["x.png", "a"], ["y.png", "a"]]), says="there is one class")
    refused(1, "eval", "classify", write_table(tmp / "a.csv", ["path", "label"], [["x.png", "a", "b"]]), says="line 2")
    refused(1, "eval", "classify", write_table(tmp / "a.csv", ["path", "label"], [[str(i), str(i)] for i in range(10001)]), says="labels")
    refused(1, "eval", "retrieval", write_table(tmp / "a.csv", ["path", "label"], [["x.png", "a"]]), says="line 2: has no caption")
    refused(1, "eval", "retrieval", write_table(tmp / "a.csv", ["path", "caption"], []), says="no pair")
    rows_of = lambda split: [["x.png", "a", "train"], ["y.png", "b", split]]
    if b"learns linear probes" in fine("--help").out:
        for split in ("", "Test", "training"):
            refused(1, "eval", "probe", write_table(tmp / "a.csv", ["path", "label", "split"], rows_of(split)), says="line 3")
    refused(1, "eval", "classify", "--html", str(tmp / "no/page.html"),
            write_table(tmp / "a.csv", ["path", "label"], [["x.png", "a"], ["y.png", "b"]]), says="page.html")


# ---- pages -------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """Counts the tags of a page and keeps its text; a tag that nothing of ours writes fails."""
    KNOWN = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "section", "table", "tr", "th", "td",
             "svg", "g", "path", "rect", "text", "polyline", "span", "br", "div", "figure", "img"}

    def __init__(self, path):
        super().__init__()
        self.tags, self.words = {}, ""
        self.feed(pathlib.Path(path).read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        assert tag in self.KNOWN, tag
        assert not any(name.startswith("on") or name == "href" for name, _ in attributes), attributes
        for name, value in attributes:
            assert name != "src" or value.startswith("data:image/jpeg;base64,"), value[:60]
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_data(self, data):
        self.words += data


HOSTILE = "<script>alert(1)</script>'\"&amp;"


@case("device")
def pages_show_figures_and_escape_everything(tmp):
    folder = tmp / "data"
    names = [HOSTILE.replace("/", "\u2215") + s for s in ("round", "star", "ring")]
    for number, path in enumerate(IMAGES[:6]):
        (folder / names[number % 3]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / names[number % 3] / f"<b onload=x>{number}.png")
    words = {"title": HOSTILE, "source": HOSTILE, "classes": [{"labels": [n], "name": HOSTILE + n} for n in names],
             "published": [{"metric": "accuracy", "value": 0.5, "source": HOSTILE}]}
    found = evaluate("classify", "--classes", write_json(tmp / "w.json", words), "--html", str(tmp / "page.html"), str(folder))
    page = Page(tmp / "page.html")
    assert page.tags.get("img", 0) == len(found["most_wrong"]) > 0
    assert page.tags["polyline"] == 3 and page.tags["table"] == 3
    assert page.words.count(HOSTILE) >= 10 and "Content-Security-Policy" in (tmp / "page.html").read_text()
    assert f"{found['rounds'][0]['accuracy']['value']:.4f}" in page.words
    leftovers(tmp, "data", "w.json", "page.html")


# ---- retrieval ---------------------------------------------------------------------------------


def places_of(scores, target):
    """The first and the last place at which the target may stand."""
    better = sum(score > scores[target] for score in scores)
    return better + 1, better + sum(score == scores[target] for score in scores)


@case("device")
def retrieval_agrees_with_brute_force(tmp):
    # Two pairs have the same caption, two the same picture: their scores are equal to the bit.
    captions = [pathlib.Path(path).stem.replace("_", " ") for path in IMAGES]
    pairs = list(zip(IMAGES, captions)) + [(IMAGES[0], "something else"), (IMAGES[3], captions[2]), (IMAGES[5], 'with "quotes",\nand lines')]
    table = write_table(tmp / "pairs.csv", ["caption", "path"], [[caption, path] for path, caption in pairs])
    found = evaluate("retrieval", "--html", str(tmp / "page.html"), table)
    fine("embed", "image", "-o", str(tmp / "i.npy"), *[path for path, _ in pairs])
    fine("embed", "text", "-o", str(tmp / "t.npy"), *[caption for _, caption in pairs])
    pictures, texts = rows(tmp / "i.npy"), rows(tmp / "t.npy")
    for key, a, b in (("picture_to_caption", pictures, texts), ("caption_to_picture", texts, pictures)):
        places = [places_of([dot(row, other) for other in b], i) for i, row in enumerate(a)]
        assert any(first != last for first, last in places) # there are ties
        for depth in (1, 5, 10):
            hits = sum(sum(place <= depth for place in range(first, last + 1)) / (last + 1 - first) for first, last in places)
            assert near(found[key][f"recall_at_{depth}"], hits / len(places), 1e-11)
        ranks = sorted((first + last) / 2 for first, last in places)
        assert near(found[key]["median_rank"], ranks[len(ranks) // 2], 1e-11) # of an odd number
        assert near(found[key]["mean_rank"], sum(ranks) / len(ranks), 1e-9)
    page = Page(tmp / "page.html")
    assert f"{found['picture_to_caption']['mean_rank']:.2f}" in page.words and page.tags["img"] > 0


@case("device")
def pairs_without_a_picture_are_left_out(tmp):
    good = [[path, pathlib.Path(path).stem] for path in IMAGES]
    want = evaluate("retrieval", write_table(tmp / "a.csv", ["path", "caption"], good))
    with_bad = good[:2] + [[str(tmp / "nowhere.png"), "a caption"]] + good[2:]
    result = run("eval", "retrieval", "--format", "json", write_table(tmp / "b.csv", ["path", "caption"], with_bad))
    assert result.status == 1 and len(result.errors) == 1 and "nowhere.png" in result.errors[0]
    assert json.loads(result.out) == {**want, "dataset": str(tmp / "b.csv"), "failed": 1}


# ---- probe -------------------------------------------------------------------------------------


def needs_solver():
    if b"does not learn linear probes" in fine("--help").out:
        raise Skip("this build was made without NLopt")


@case("device")
def probe_learns_from_folders_tables_and_an_index(tmp):
    needs_solver()
    # Learned from and tested with the same pictures: a probe with free hand knows them all.
    for split in ("train", "val", "test"):
        by_shape(tmp / "data" / split)
    rows_of = lambda splits: [[str(tmp / "data" / split / shape_of(path) / os.path.basename(path)), shape_of(path), split]
                              for split in splits for path in IMAGES]
    table = write_table(tmp / "a.csv", ["path", "label", "split"], rows_of(["train", "val", "test"]))
    found = evaluate("probe", "--html", str(tmp / "page.html"), table)
    assert [each["percent"] for each in found["rounds"]] == [1, 10, 100]
    shapes = len({shape_of(path) for path in IMAGES})
    assert [each["training_rows"] for each in found["rounds"]] == [shapes, shapes, len(IMAGES)]
    many = [[IMAGES[0], shape_of(IMAGES[0]), "train"]] * 30 + rows_of(["test", "train"])
    many = evaluate("probe", write_table(tmp / "many.csv", ["path", "label", "split"], many))
    alike = sum(shape_of(path) == shape_of(IMAGES[0]) for path in IMAGES)
    assert [each["training_rows"] for each in many["rounds"]] == [
        shapes, shapes - 1 + (30 + alike + 5) // 10, 30 + len(IMAGES)]
    assert found["rounds"][2]["accuracy"]["value"] == 1.0 and found["pictures"] == len(IMAGES)
    assert Page(tmp / "page.html").tags["table"] == 5

    from_folder = evaluate("probe", str(tmp / "data"))
    assert from_folder["rounds"][2]["accuracy"]["value"] == 1.0

    # An index is all it takes: no device, no model.
    fine("index", "-o", str(tmp / "index"), table)
    from_index = evaluate("probe", str(tmp / "index"), env={"VK_ICD_FILENAMES": "/dev/null", "VK_DRIVER_FILES": "/dev/null", "VKCLIP_MODEL": None})
    assert from_index["rounds"] == found["rounds"]

    again = evaluate("probe", "--seed", "0", table)
    assert again == found
    fewer = [row for row in rows_of(["train", "test"]) if not (row[2] == "train" and row[1] == shape_of(IMAGES[0]))]
    refused(1, "eval", "probe", write_table(tmp / "b.csv", ["path", "label", "split"], fewer), says="no picture to learn from")
    refused(1, "eval", "probe", write_table(tmp / "b.csv", ["path", "label", "split"], rows_of(["train"])), says="no picture to test")


if __name__ == "__main__":
    sys.exit(main())
