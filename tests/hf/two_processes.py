"""One update of a student in each stage; run by torchrun, its batch is divided among the processes.

torchrun --nproc-per-node N -m tests.hf.two_processes FILE    writes weights and logs to FILE
"""

import os
import sys
from pathlib import Path

import torch

from fairseq_see.hf import compress_embeddings
from tests.hf.conftest import make_tiny
from tests.hf.test_distil import STAGES, make, make_examples


def run_one_update(folder: Path, data: list, updates: int) -> dict:
    """Weights and logged losses after an update in the start stage (``updates`` is 1), or in the formal one (0)."""
    student = compress_embeddings(make_tiny("llama-tied", 64), method="low_rank", ratio=2)
    options = {"max_steps": 1, "learning_rate": 0.5, "optim": "sgd"}
    options["per_device_train_batch_size"] = len(data) // int(os.environ["WORLD_SIZE"])
    trainer = make(folder, make_tiny("llama-tied", 64), student, data, STAGES._replace(updates=updates), **options)
    trainer.train()
    log = {name: value for name, value in trainer.state.log_history[0].items() if name.endswith("loss")}
    return {"weights": student.state_dict(), "log": log}


if __name__ == "__main__":
    file = Path(sys.argv[1])
    found = [run_one_update(file.parent, make_examples(64, 4), updates) for updates in (0, 1)]
    if os.environ["RANK"] == "0":
        torch.save(found, file)
