"""One update of a student in each stage; run by torchrun, its batch is divided among the processes.

torchrun --nproc-per-node N -m tests.hf.two_processes FILE    writes weights and logs to FILE
"""

import os
import sys
from pathlib import Path

import torch
from transformers import TrainingArguments

from experiments.llm.data import collate
from fairseq_see.distillation.stages import Stages, Weights
from fairseq_see.hf import compress_embeddings
from fairseq_see.hf.distillation import IGNORED, DistillationTrainer
from tests.hf.conftest import tiny

ROWS = 64


def one_update(folder: Path, data: list, start: int) -> dict:
    """Weights and logged losses after an update in the start stage (``start`` is 1), or in the formal one (0)."""
    student = compress_embeddings(tiny("llama-tied", ROWS), method="low_rank", ratio=2)
    arguments = TrainingArguments(
        str(folder),
        max_steps=1,
        per_device_train_batch_size=len(data) // int(os.environ["WORLD_SIZE"]),
        learning_rate=0.5,
        optim="sgd",
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    stages = Stages(Weights(embedding=5.0, hidden=0.4), Weights(0.7, 3.0, 0.2, 1.0), start)
    trainer = DistillationTrainer(
        student, arguments, teacher=tiny("llama-tied", ROWS), stages=stages, train_dataset=data, data_collator=collate
    )
    trainer.train()
    log = {name: value for name, value in trainer.state.log_history[0].items() if name.endswith("loss")}
    return {"weights": student.state_dict(), "log": log}


def main() -> None:
    """Sentences differ in length and in how much of them is learned, so that the halves of a batch do, too."""
    generator = torch.Generator().manual_seed(0)
    data = []
    for length in (4, 9, 6, 7):
        ids = torch.randint(3, ROWS, (length,), generator=generator).tolist()
        data.append({"input_ids": ids, "labels": [IGNORED] * (length // 3) + ids[length // 3 :]})
    file = Path(sys.argv[1])
    found = [one_update(file.parent, data, start) for start in (0, 1)]
    if os.environ["RANK"] == "0":
        torch.save(found, file)


if __name__ == "__main__":
    main()
