"""``fairseq-see compress``, from a trained dense model to an exported small one."""

import re

import pytest
import torch

from fairseq_see.cli.main import main
from fairseq_see.embeddings import load
from fairseq_see.models.checkpoint import load_checkpoint
from fairseq_see.models.distil import measure_perplexity


@pytest.mark.parametrize("method", ["product_quantised", "dpq"])
def test_fit_distil_export(toy, trained, tmp_path, capsys, method):
    state = torch.load(trained("stock"), weights_only=True)
    # The data are elsewhere by now.
    state["cfg"]["task"]["data"] = str(tmp_path / "gone")
    torch.save(state, tmp_path / "moved.pt")
    # Another model's.
    (tmp_path / "dict.fr.txt").touch()
    places = (tmp_path / "moved.pt", "--data", toy / "data-bin", "--output", tmp_path / "small")
    words = ("--ratio", "2", "--see-method", method, "--updates", "20", "--max-tokens", "400", "--lr", "0.003")
    command = ["compress", *map(str, places), *words]
    assert main(command) == 0
    found = dict(re.findall(r"│ ([^│]+?) +│ +([\d.]+) │", capsys.readouterr().out))
    trained, fitted, distilled = map(float, found.values())
    assert list(found) == ["trained", f"{method}, 2x", "after 20 updates"]
    assert trained < fitted and distilled < fitted
    last = load_checkpoint(tmp_path / "small/checkpoints/checkpoint_last.pt")
    assert last["optimizer_history"][-1]["num_updates"] == 20
    embedding = load(tmp_path / "small/model", "encoder")
    assert embedding.method == "product_quantised" and embedding.ratio >= 2
    # The table's figure is that of the folder, too.
    assert measure_perplexity(tmp_path / "small/model/model.safetensors", toy / "data-bin", 400) == pytest.approx(
        distilled, rel=0.01
    )
    # Once more: nothing is done again.
    before = (tmp_path / "small/fit.pt").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "small/fit.pt").stat().st_mtime_ns == before


def test_perplexity_is_the_mean_over_tokens(toy, trained):
    from fairseq import checkpoint_utils

    data, teacher = toy / "data-bin", trained("stock")
    models, _, task = checkpoint_utils.load_model_ensemble_and_task([str(teacher)], {"data": str(data)})
    task.load_dataset("valid")
    loss, tokens = 0.0, 0
    with torch.no_grad():
        for i in range(len(task.dataset("valid"))):
            sample = task.dataset("valid").collater([task.dataset("valid")[i]])
            logits = models[0].eval()(**sample["net_input"])[0][0]
            loss += torch.nn.functional.cross_entropy(logits.double(), sample["target"][0], reduction="sum").item()
            tokens += sample["target"].numel()
    assert measure_perplexity(teacher, data, 300) == pytest.approx(torch.tensor(loss / tokens).exp().item(), rel=1e-4)
