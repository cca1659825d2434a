"""Losses of an output layer, forward and backward, from logits on: as fairseq and torch write them, and in pieces.

python benchmarks/losses.py [--rounds N] [--words V] [--positions N] [--json FILE]

Also with memory kept (docs/performance.md), where what is left is the work itself.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from measure import extra_memory, finish, in_turn, markdown, options
from torch import Tensor

from fairseq_see.losses.chunked import cross_entropy, kl_divergence

PAD, SMOOTHING = 1, 0.1


def as_fairseq(logits: Tensor, target: Tensor, teacher: Tensor) -> Tensor:
    likelihoods = F.log_softmax(logits, dim=-1)
    return label_smoothed_nll_loss(likelihoods, target, SMOOTHING, ignore_index=PAD)[0]


def as_torch(logits: Tensor, target: Tensor, teacher: Tensor) -> Tensor:
    real = target != PAD
    ours, theirs = F.log_softmax(logits[real], dim=-1), F.log_softmax(teacher[real], dim=-1)
    return F.kl_div(ours, theirs, reduction="sum", log_target=True)


def entropy_in_pieces(logits: Tensor, target: Tensor, teacher: Tensor) -> Tensor:
    return cross_entropy(logits, target, SMOOTHING, PAD)[0]


def divergence_in_pieces(logits: Tensor, target: Tensor, teacher: Tensor) -> Tensor:
    return kl_divergence(logits, teacher, real=target != PAD)


LOSSES = {
    "cross entropy, as fairseq": as_fairseq,
    "cross entropy, in pieces": entropy_in_pieces,
    "KL divergence, as torch": as_torch,
    "KL divergence, in pieces": divergence_in_pieces,
}


def step(loss: Callable[..., Tensor], logits: Tensor, target: Tensor, teacher: Tensor) -> None:
    """Forward and backward; the gradient is dropped."""
    torch.autograd.grad(loss(logits, target, teacher), logits)


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--words", type=int, default=40_000, help="V (default: 40,000)")
    parser.add_argument("--positions", type=int, default=4096, help="an eighth of them padding (default: 4096)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    shape = arguments.positions, arguments.words
    logits, teacher = (torch.randn(shape, device=arguments.device) for _ in range(2))
    logits.requires_grad_()
    target = torch.randint(2, arguments.words, (arguments.positions,), device=arguments.device)
    target[: arguments.positions // 8] = PAD
    actions = {name: partial(step, loss, logits, target, teacher) for name, loss in LOSSES.items()}
    seconds = in_turn(actions, arguments.rounds, arguments.device)
    results = {name: {"seconds": seconds[name], "memory": extra_memory(actions[name])} for name in actions}
    print(f"V = {arguments.words:,}, {arguments.positions:,} positions\n")
    rows = [[name, f"{1000 * of['seconds']:.0f}", f"{of['memory'] / 1e6:.0f}"] for name, of in results.items()]
    print(markdown(["loss", "ms", "memory MB"], rows))
    finish({"results": results}, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
