"""Losses of an output layer, forward and backward, from logits on: as fairseq and torch write them, and in chunks.

python benchmarks/losses.py [--rounds N] [--words V] [--positions N] [--json FILE]

Also with memory kept (docs/results/speed.md), where what is left is the work itself.
"""

import torch
import torch.nn.functional as F
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from measure import finish, make_parser, measure, print_table

from fairseq_see.losses.chunked import cross_entropy, kl_divergence

PAD, SMOOTHING = 1, 0.1


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--positions", type=int, default=4096, help="an eighth of them padding (default: 4096)")
    args = parser.parse_args()
    torch.manual_seed(1)
    logits, teacher = (torch.randn(args.positions, args.words, device=args.device) for _ in range(2))
    logits.requires_grad_()
    target = torch.randint(2, args.words, (args.positions,), device=args.device)
    target[: args.positions // 8] = PAD
    real = target != PAD

    def diverge() -> torch.Tensor:
        ours, theirs = (F.log_softmax(each[real], dim=-1) for each in (logits, teacher))
        return F.kl_div(ours, theirs, reduction="sum", log_target=True)

    losses = {
        "cross entropy, as fairseq": lambda: label_smoothed_nll_loss(F.log_softmax(logits, -1), target, SMOOTHING, PAD)[
            0
        ],
        "cross entropy, in chunks": lambda: cross_entropy(logits, target, SMOOTHING, PAD)[0],
        "KL divergence, as torch": diverge,
        "KL divergence, in chunks": lambda: kl_divergence(logits, teacher, real=real),
    }
    actions = {name: (lambda loss=loss: torch.autograd.grad(loss(), logits)) for name, loss in losses.items()}
    results = measure(actions, args.rounds, args.device)
    print(f"V = {args.words:,}, {args.positions:,} positions")
    rows = [{"loss": name, "ms": 1e3 * of["seconds"], "memory MB": of["memory"] / 1e6} for name, of in results.items()]
    print_table(rows, "", ".0f", ".0f")
    finish({"results": results}, args.json)


if __name__ == "__main__":
    main()
