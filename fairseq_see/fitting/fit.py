"""Fits of an embedding to a dense matrix: their settings, those that have a name, and the loop."""

import copy
import math
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.optim import LBFGS, Adam, Optimizer
from torch.optim.lr_scheduler import StepLR

from fairseq_see.embeddings import Embedding
from fairseq_see.errors import SeeError
from fairseq_see.fitting.encoder import LinearEncoder
from fairseq_see.fitting.losses import parse_loss, schedule_alpha

OPTIMIZERS = ("adam", "lbfgs")

# One embedding in so many is held out from an encoder.
HELD_OUT = 10

# Embeddings whose loss is computed at a time where no gradient is needed.
EVALUATION_ROWS = 4096


class FitConfig(NamedTuple):
    """How to fit.

    Attributes:
        loss: as :func:`~fairseq_see.fitting.losses.parse_loss` reads it.
        alpha: exponent of the loss ``power`` in the first and in the last epoch.
        optimizer: ``adam``, in minibatches, or ``lbfgs``, with all embeddings at once and 20 iterations an epoch.
        lr: initial learning rate (None: for Adam 1e-3 from a closed-form initialisation and 1e-2 from others, for
            L-BFGS 1). Adam's is halved after every 4/30 of the epochs, as in Balazy et al. 2021.
        epochs: passes over the matrix; 0 leaves the initialisation.
        batch_rows: embeddings of a minibatch.
        encoder: learn a linear encoder instead of the latents; for ``low_rank``. Every tenth embedding is held out.
        seed: of the minibatches and the embeddings held out.
    """

    loss: str = "mse"
    alpha: tuple[float, float] = (1.0, 0.1)
    optimizer: str = "adam"
    lr: float | None = None
    epochs: int = 30
    batch_rows: int = 256
    encoder: bool = False
    seed: int = 1


class FitPreset(NamedTuple):
    """A way to compress a trained matrix: a registered method, how it is fitted, and its hyper-parameters."""

    method: str
    fit: FitConfig
    options: dict[str, Any]


PRESETS = {
    # Truncated SVD.
    "svd": FitPreset("low_rank", FitConfig(epochs=0), {}),
    # The linear autoencoder of Balazy et al. 2021 (arXiv 2106.08181), with their batches.
    "direction": FitPreset("low_rank", FitConfig(loss="direction", encoder=True, batch_rows=32), {"bias": True}),
    # Trained embeddings have different lengths, and no training follows that would want frequent units first.
    "see": FitPreset("see", FitConfig(), {"layernorm": False, "frequent_share": 0.0}),
    "morphte": FitPreset("morphte", FitConfig(), {}),
}


def find_preset(name: str) -> FitPreset:
    """The preset of a name, or SeeError if there is none."""
    if name not in PRESETS:
        raise SeeError(f"unknown preset {name!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]


class FitResult(NamedTuple):
    """The result of a fit.

    Attributes:
        closed_form: whether the method was initialised in closed form.
        epoch: the one whose parameters were kept; 0 is the initialisation.
        losses: the loss after each epoch, the initialisation's first: of the embeddings held out if there is an
            encoder, of all if not, with the last alpha throughout.
    """

    closed_form: bool
    epoch: int
    losses: list[float]


def initialise(embedding: Embedding, matrix: Tensor, weights: Tensor | None = None) -> bool:
    """Initialise an embedding near a matrix in closed form; a method that has none keeps its parameters.

    Args:
        embedding: any, in float32 or float64.
        matrix: (V, d), in the embedding's dtype and on its device; the padding embedding does not count.
        weights: (V,) of the embeddings, none negative and not all zero (default: all alike).

    Returns:
        whether there is a closed form.

    Raises:
        SeeError: a matrix or weights that are not finite or of another shape.
    """
    matrix, _, weights = _prepare(embedding, matrix, weights)
    before = copy.deepcopy(embedding.state_dict())
    closed_form = embedding.initialise_from(matrix, weights)
    if not closed_form:
        embedding.load_state_dict(before)
    return closed_form


def fit(
    embedding: Embedding, matrix: Tensor, config: FitConfig, weights: Tensor | None = None, name: str = "fit"
) -> FitResult:
    """Fit an embedding to a dense matrix; it is left with the parameters of the epoch that had the lowest loss.

    It is initialised in closed form where the method has one, otherwise from the parameters that it has. Arguments are
    those of :func:`initialise`, and ``name`` for the progress bar.

    Raises:
        SeeError: impossible settings, a matrix that is not finite or of another shape, or a loss that is not finite.
    """
    if config.optimizer not in OPTIMIZERS:
        raise SeeError(f"unknown optimizer {config.optimizer!r}; there are: {', '.join(OPTIMIZERS)}")
    if config.epochs < 0 or config.batch_rows < 1 or min(config.alpha) <= 0 or not (config.lr is None or config.lr > 0):
        raise SeeError("--epochs must be at least 0, --batch-rows at least 1, --alpha and --lr above 0")
    matrix, ids, weights = _prepare(embedding, matrix, weights)
    train, chosen_on = _split(ids, config)
    module: Embedding | LinearEncoder = embedding
    if config.encoder:
        module, closed_form = LinearEncoder(embedding, matrix, train, weights), True
    else:
        closed_form = embedding.initialise_from(matrix, weights)
    loop = _Loop(module, matrix, weights, config, closed_form)
    loop.judge(chosen_on)
    for epoch in track(range(config.epochs), name, console=Console(stderr=True)):
        loop.step(epoch, train)
        loop.judge(chosen_on)
    module.load_state_dict(loop.best)
    loop.optimizer.zero_grad()
    if isinstance(module, LinearEncoder):
        module.leave_latents()
    return FitResult(closed_form, loop.losses.index(min(loop.losses)), loop.losses)


class _Loop:
    """What changes from epoch to epoch: parameters, the optimizer's state, the losses, the best parameters so far."""

    def __init__(
        self,
        module: Embedding | LinearEncoder,
        matrix: Tensor,
        weights: Tensor | None,
        config: FitConfig,
        closed_form: bool,
    ) -> None:
        self.module, self.matrix, self.weights, self.config = module, matrix, weights, config
        self.loss = parse_loss(config.loss)
        if config.optimizer == "lbfgs":
            lr = config.lr or 1.0
            self.optimizer: Optimizer = LBFGS(module.parameters(), lr=lr, line_search_fn="strong_wolfe")
        else:
            self.optimizer = Adam(module.parameters(), lr=config.lr or (1e-3 if closed_form else 1e-2))
            self.schedule = StepLR(self.optimizer, max(1, round(config.epochs * 4 / 30)), gamma=0.5)
        self.losses: list[float] = []
        self.best: dict[str, Tensor] = {}

    def step(self, epoch: int, train: Tensor) -> None:
        """One epoch."""
        config = self.config
        alpha = schedule_alpha(epoch, config.epochs, config.alpha)
        if config.optimizer == "lbfgs":
            self.optimizer.step(lambda: self._backward(train, alpha))
            return
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        shuffled = train[torch.randperm(len(train), generator=generator).to(train.device)]
        for batch in shuffled.split(config.batch_rows):
            self._backward(batch, alpha)
            self.optimizer.step()
        self.schedule.step()

    @torch.no_grad()
    def judge(self, ids: Tensor) -> None:
        """Note the loss, and the parameters if it is the lowest."""
        parts, alpha = ids.split(EVALUATION_ROWS), self.config.alpha[1]
        value = sum(float(self._compute_loss(part, alpha)) * len(part) for part in parts) / len(ids)
        if not math.isfinite(value):
            raise SeeError(f"the loss after epoch {len(self.losses)} is {value}; lower --lr")
        if value < min(self.losses, default=math.inf):
            self.best = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        self.losses.append(value)

    def _backward(self, ids: Tensor, alpha: float) -> float:
        self.optimizer.zero_grad()
        value = self._compute_loss(ids, alpha)
        value.backward()
        return value.item()

    def _compute_loss(self, ids: Tensor, alpha: float) -> Tensor:
        weights = None if self.weights is None else self.weights[ids]
        return self.loss(self.module.rows(ids), self.matrix[ids], weights, alpha)


def _prepare(embedding: Embedding, matrix: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """The matrix with a padding embedding of zero, the ids that count, and weights whose mean over these is 1."""
    shape = (embedding.num_embeddings, embedding.embedding_dim)
    if matrix.shape != shape or not matrix.isfinite().all():
        raise SeeError(f"the matrix to fit must have {shape[0]} x {shape[1]} finite elements")
    matrix, ids = matrix.detach().clone(), torch.arange(len(matrix), device=matrix.device)
    if embedding.padding_idx is not None:
        matrix[embedding.padding_idx] = 0
        ids = ids[ids != embedding.padding_idx]
    if weights is not None:
        if weights.shape != matrix.shape[:1] or not (weights >= 0).all() or not 0 < weights[ids].sum() < math.inf:
            raise SeeError(f"the weights must be {len(matrix)} finite values, none negative and not all zero")
        weights = weights.to(matrix) / weights[ids].to(matrix).mean()
    return matrix, ids, weights


def _split(ids: Tensor, config: FitConfig) -> tuple[Tensor, Tensor]:
    """Embeddings to learn from, and those by whose loss the epoch is chosen: all, unless there is an encoder."""
    if not config.encoder or len(ids) < 2:
        return ids, ids
    generator = torch.Generator().manual_seed(config.seed)
    shuffled = ids[torch.randperm(len(ids), generator=generator).to(ids.device)]
    held_out = max(1, len(ids) // HELD_OUT)
    return shuffled[held_out:], shuffled[:held_out]
