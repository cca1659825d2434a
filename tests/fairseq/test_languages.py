"""A language pair without senses, German to English: from raw text to a score, by the scripts."""

import json
import random

import pytest

from fairseq_see.cli.main import main
from fairseq_see.units import UnitIndex
from tests.helpers import script

FIRST = {"Haus": "house", "Garten": "garden", "Wald": "forest", "Stadt": "city", "Wasser": "water", "Schnee": "snow"}
SECOND = {"hund": "dog", "weg": "path", "mann": "man", "vogel": "bird", "baum": "tree", "wagen": "cart"}
VERBS = {"sieht": "sees", "sucht": "seeks", "findet": "finds", "malt": "paints"}


def write_text(folder):
    """Sentences as: Der Haushund sucht den Waldweg. The house dog seeks the forest path."""
    draw = random.Random(1).choice
    folder.mkdir()
    for split, pairs in (("train", 400), ("dev", 30), ("test", 30)):
        german, english = [], []
        for _ in range(pairs):
            words = [draw(list(choices.items())) for choices in (FIRST, SECOND, VERBS, FIRST, SECOND)]
            german.append("Der {}{} {} den {}{}.\n".format(*(de for de, _ in words)))
            english.append("The {} {} {} the {} {}.\n".format(*(en for _, en in words)))
        (folder / f"{split}.de").write_text("".join(german), encoding="utf-8")
        (folder / f"{split}.en").write_text("".join(english), encoding="utf-8")


@pytest.mark.slow
def test_german_morphemes_alone_from_text_to_score(tmp_path, capsys):
    write_text(tmp_path / "text")
    data, run = tmp_path / "prepared", tmp_path / "run"
    shape = [f"model.{side}_{name}=64" for side in ("encoder", "decoder") for name in ("embed_dim", "ffn_embed_dim")]
    options = ("task.source_lang=de", "task.target_lang=en", "model.see_ratio=3", "optimization.max_update=100")
    for words in (
        ("prepare.sh", tmp_path / "text", data, "source=de", "target=en", "size=400"),
        ("index.sh", data),
        ("train.sh", "demo_zh_en", data / "data-bin", run, *options, *shape, "lr_scheduler.warmup_updates=30"),
        ("score.sh", run, data),
    ):
        done = script(*words)
        assert not done.returncode, done.stderr[-3000:]
    index = UnitIndex.load(data / "data-bin/dict.de.see")
    assert index.provenance == {"senses": "none", "morphemes": "de: morfessor"}
    assert len(index.sememes) == index.order and len(index.morphemes) > 40

    assert main(["plan", str(data / "data-bin"), "--dim", "64", "--ratios", "3", "--methods", "see", "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)
    assert [plan["side"] for plan in plans] == ["de", "en"] and all(3 <= plan["ratio"] <= 3.09 for plan in plans)

    record = json.loads((run / "run.json").read_text())
    score = record["metrics"]["test"]
    assert "tok:13a" in score["bleu_signature"] and score["bleu"] > 30
    assert (run / "test.hyp").read_text(encoding="utf-8").count("\n") == 30
