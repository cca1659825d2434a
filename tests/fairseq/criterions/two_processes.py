"""A student under DistributedDataParallel in two processes, half of the batch in each.

    python -m tests.fairseq.criterions.two_processes FOLDER

FOLDER holds ``data`` and ``teacher.pt``. Each process writes ``RANK.pt``, the gradients of two steps of each stage.
"""

import sys
from pathlib import Path

import torch
from fairseq.distributed import ModuleProxyWrapper

from tests.fairseq.criterions.small import build, gradients, load_task, make_criterion, make_samples

STUDENT = {
    "share_decoder_input_output_embed": False,
    "encoder_normalize_before": True,
    "decoder_normalize_before": True,
}
UPDATES = (0, 1, 2, 3)
OPTIONS = {"start_updates": 2, "label_smoothing": 0.1, "distil_temperature": 2.0}
HALVES = ((0, 1, 2), (3, 4, 5))


def work(rank: int, folder: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    # Not made here: one process would read a dictionary that the other is writing.
    task = load_task(folder / "data")
    model = build(task, **STUDENT)[0]
    # As fairseq wraps it, which cannot itself on a CPU: it always names a GPU.
    wrapped = ModuleProxyWrapper(torch.nn.parallel.DistributedDataParallel(model))
    criterion, sample = make_criterion(task, folder / "teacher.pt", **OPTIONS), make_samples(task)(*HALVES[rank])
    found = []
    for update in UPDATES:
        model.zero_grad()
        wrapped.zero_grad()
        found_now = gradients(wrapped, task, criterion, sample, update=update)[0]
        found.append({name.removeprefix("module.module."): value for name, value in found_now.items()})
    torch.save(found, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.start_processes(work, (Path(sys.argv[1]),), nprocs=2, start_method="fork")
