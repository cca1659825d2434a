"""Small data of ours in the formats of GLUE and SQuAD, and a WordPiece tokenizer of it."""

import json
import random
from pathlib import Path

from tokenizers import BertWordPieceTokenizer, processors
from transformers import BertTokenizerFast

PEOPLE = ["teacher", "farmer", "sailor", "doctor", "painter"]
THINGS = ["piano", "garden", "window", "lantern", "market"]
GOOD, BAD = ["wonderful", "friendly", "delightful"], ["terrible", "unfriendly", "dreadful"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_sentences(number: int, seed: int) -> list[tuple[str, int]]:
    """Opinions, and whether they are good."""
    rng = random.Random(seed)
    labels = [i % 2 for i in range(number)]
    return [
        (f"The {rng.choice(PEOPLE)} saw a {rng.choice(GOOD if label else BAD)} {rng.choice(THINGS)}.", label)
        for label in labels
    ]


def make_articles(number: int, seed: int) -> list[dict]:
    """Contexts of several sentences with questions about them, as SQuAD is published."""
    rng = random.Random(seed)
    paragraphs = []
    for i in range(number):
        pairs = list(zip(rng.sample(PEOPLE, 4), rng.sample(THINGS, 4), strict=True))
        context = " ".join(f"The {who} has painted the {what}." for who, what in pairs)
        who, what = rng.choice(pairs)
        answers = [{"text": text, "answer_start": context.index(text)} for text in (f"The {who}", who)]
        paragraphs.append(
            {"context": context, "qas": [{"id": f"{i}", "question": f"Who has the {what}?", "answers": answers}]}
        )
    return [{"title": "ours", "paragraphs": paragraphs}]


def write_data(folder: Path) -> None:
    """``mlm.txt``, ``sst2`` and ``squad`` of a data folder."""
    for name in ("sst2", "squad"):
        (folder / name).mkdir(parents=True)
    lines = [text for text, _ in make_sentences(30, seed=3)]
    (folder / "mlm.txt").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    for name, number in (("train", 64), ("validation", 32)):
        rows = [
            {"sentence": text, "label": label, "idx": i}
            for i, (text, label) in enumerate(make_sentences(number, number))
        ]
        (folder / f"sst2/{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for name, number in (("train", 16), ("dev", 8)):
        content = {"version": "1.1", "data": make_articles(number, number)}
        (folder / f"squad/{name}-v1.1.json").write_text(json.dumps(content), encoding="utf-8")


def train_tokenizer() -> BertTokenizerFast:
    """WordPiece, trained on the sentences."""
    made = BertWordPieceTokenizer()
    text = [text for text, _ in make_sentences(200, seed=5)] + [
        p["context"] for p in make_articles(50, 5)[0]["paragraphs"]
    ]
    made.train_from_iterator([*text, "Who has the?"], 120, special_tokens=SPECIAL, show_progress=False)
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return BertTokenizerFast(tokenizer_object=made._tokenizer)
