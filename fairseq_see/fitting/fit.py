"""The loop that moves an embedding's parameters until its rows are those of a dense table, as near as they can be."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from fairseq_see.embeddings import Embedding
from fairseq_see.errors import SeeError
from fairseq_see.fitting.encoder import LinearEncoder
from fairseq_see.fitting.losses import Mix, alpha_at, parse_loss
from fairseq_see.io import save_checkpoint

OPTIMIZERS = ("adam", "lbfgs")

# Rows that an encoder does not learn from: one in so many.
HELD_OUT = 10

# Rows whose loss is computed at a time where no gradient is needed.
EVALUATION_ROWS = 4096


class Recipe(NamedTuple):
    """How to fit.

    Attributes:
        loss: as :func:`~fairseq_see.fitting.losses.parse_loss` reads it.
        alpha: exponent of the loss ``power`` at the beginning and at the end.
        optimizer: ``adam``, in minibatches of rows, or ``lbfgs``, with all rows at once and 20 iterations an epoch.
        lr: learning rate at the beginning (None: for Adam 1e-3 from a start in closed form and 1e-2 from others, for
            L-BFGS 1). Adam's is halved after every 4/30 of the epochs, as in Balazy et al. 2021.
        epochs: passes over the rows; with 0 the start is all.
        batch_rows: rows of a minibatch.
        encoder: learn a linear encoder instead of the latents; for ``matrix``. Every tenth row is then held out.
        seed: of the minibatches and the rows held out.
    """

    loss: str = "mse"
    alpha: tuple[float, float] = (1.0, 0.1)
    optimizer: str = "adam"
    lr: float | None = None
    epochs: int = 30
    batch_rows: int = 256
    encoder: bool = False
    seed: int = 1


class Fitted(NamedTuple):
    """What came of a fit.

    Attributes:
        closed_form: whether the method had a start of its own.
        epoch: the one whose parameters were kept; 0 is the start.
        losses: the loss after each epoch, the start's first: of the rows held out if there is an encoder, of all if
            not, with the last alpha throughout.
    """

    closed_form: bool
    epoch: int
    losses: list[float]


def fit(
    embedding: Embedding,
    table: Tensor,
    recipe: Recipe,
    weights: Tensor | None = None,
    state: Path | None = None,
    name: str = "fit",
) -> Fitted:
    """Fit an embedding to a dense table; it is left with the parameters of the epoch that had the lowest loss.

    It starts in closed form where the method knows how, otherwise from the parameters that it has.

    Args:
        embedding: any, in float32 or float64.
        table: (V, d), in the embedding's dtype and on its device; the padding row does not count.
        recipe: how.
        weights: (V,) of the rows, none negative and not all zero (default: all alike).
        state: a file to go on from if it is there, written after every epoch.
        name: for the progress bar.

    Raises:
        SeeError: impossible settings, a table that is not of real numbers, a state of another fit, or a loss that is
            not finite any more.
    """
    loss = _check(embedding, table, recipe)
    table, ids = table.detach().clone(), torch.arange(len(table), device=table.device)
    if embedding.padding_idx is not None:
        table[embedding.padding_idx] = 0
        ids = ids[ids != embedding.padding_idx]
    if not len(ids):
        raise SeeError("the table to fit has no row but the padding row")
    if weights is not None:
        if weights.shape != table.shape[:1] or not (weights >= 0).all() or not 0 < weights[ids].sum() < math.inf:
            raise SeeError(f"the weights of the rows must be {len(table)} numbers, none negative and not all zero")
        weights = weights.to(table) / weights[ids].to(table).mean()
    key = "" if state is None else _key(embedding, table, recipe, weights)
    train, chosen_on = _split(ids, recipe)
    if recipe.encoder:
        module: Embedding | LinearEncoder = LinearEncoder(embedding, table, train, weights)
        closed_form = True
    else:
        module, closed_form = embedding, embedding.fit_start(table, weights)
    run = _Run(module, table, weights, loss, recipe, recipe.lr or _rate(recipe.optimizer, closed_form))
    run.begin(state, key, chosen_on)
    bar = tqdm(range(run.epoch, recipe.epochs), name, recipe.epochs, initial=run.epoch, unit="epoch")
    for epoch in bar:
        run.step(epoch, train, chosen_on)
        bar.set_postfix(loss=f"{run.losses[-1]:.4g}")
        if state is not None:
            run.save(state, key)
    module.load_state_dict(run.best)
    run.optimizer.zero_grad()
    if isinstance(module, LinearEncoder):
        module.leave_latents()
    return Fitted(closed_form, run.losses.index(min(run.losses)), run.losses)


class _Run:
    """What changes from epoch to epoch: parameters, the optimizer's state, the losses, the best parameters so far."""

    def __init__(
        self,
        module: Embedding | LinearEncoder,
        table: Tensor,
        weights: Tensor | None,
        loss: Mix,
        recipe: Recipe,
        lr: float,
    ) -> None:
        self.module, self.table, self.weights, self.loss, self.recipe = module, table, weights, loss, recipe
        self.lr = lr
        self.optimizer = _optimizer(module, recipe.optimizer, lr)
        self.epoch = 0
        self.losses: list[float] = []
        self.best: dict[str, Any] = {}

    def begin(self, state: Path | None, key: str, chosen_on: Tensor) -> None:
        if state is None or not state.is_file():
            self._judge(chosen_on)
            return
        try:
            saved = torch.load(state, map_location=self.table.device, weights_only=True)
            known = saved["key"] == key
        except Exception as error:
            # torch raises errors of many kinds for a file that is not its own or not whole.
            raise SeeError(f"{state} does not hold the state of a fit; delete it to start anew") from error
        if not known:
            raise SeeError(f"{state} is of a fit with other settings or another table; delete it to start anew")
        self.module.load_state_dict(saved["module"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.epoch, self.losses, self.best = saved["epoch"], saved["losses"], saved["best"]

    def step(self, epoch: int, train: Tensor, chosen_on: Tensor) -> None:
        """One epoch."""
        recipe = self.recipe
        alpha = alpha_at(epoch, recipe.epochs, recipe.alpha)
        if recipe.optimizer == "lbfgs":
            self.optimizer.step(lambda: self._backward(train, alpha))
        else:
            for group in self.optimizer.param_groups:
                group["lr"] = self.lr * 0.5 ** (epoch // max(1, round(recipe.epochs * 4 / 30)))
            # Of the epoch, so that a resumed fit sees the same minibatches.
            generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
            shuffled = train[torch.randperm(len(train), generator=generator).to(train.device)]
            for batch in shuffled.split(recipe.batch_rows):
                self._backward(batch, alpha)
                self.optimizer.step()
        self.epoch = epoch + 1
        self._judge(chosen_on)

    def save(self, path: Path, key: str) -> None:
        state = {"key": key, "epoch": self.epoch, "losses": self.losses, "best": self.best}
        save_checkpoint(path, {**state, "module": self.module.state_dict(), "optimizer": self.optimizer.state_dict()})

    def _backward(self, ids: Tensor, alpha: float) -> float:
        self.optimizer.zero_grad()
        value = self._loss(ids, alpha)
        value.backward()
        return value.item()

    def _loss(self, ids: Tensor, alpha: float) -> Tensor:
        weights = None if self.weights is None else self.weights[ids]
        return self.loss(self.module.rows(ids), self.table[ids], weights, alpha)

    @torch.no_grad()
    def _judge(self, ids: Tensor) -> None:
        """Note the loss, and the parameters if it is the lowest."""
        alpha = self.recipe.alpha[1]
        value = sum(float(self._loss(part, alpha)) * len(part) for part in ids.split(EVALUATION_ROWS)) / len(ids)
        if not math.isfinite(value):
            raise SeeError(f"the loss after epoch {self.epoch} is {value}; lower --lr")
        if value < min(self.losses, default=math.inf):
            self.best = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        self.losses.append(value)


def _check(embedding: Embedding, table: Tensor, recipe: Recipe) -> Mix:
    shape = (embedding.num_embeddings, embedding.embedding_dim)
    if table.shape != shape or not table.isfinite().all():
        raise SeeError(f"the table to fit must have {shape[0]} x {shape[1]} finite numbers")
    if recipe.optimizer not in OPTIMIZERS:
        raise SeeError(f"unknown optimizer {recipe.optimizer!r}; there are: {', '.join(OPTIMIZERS)}")
    if recipe.epochs < 0 or recipe.batch_rows < 1 or min(recipe.alpha) <= 0 or not (recipe.lr is None or recipe.lr > 0):
        raise SeeError("--epochs must be at least 0, --batch-rows at least 1, --alpha and --lr above 0")
    return parse_loss(recipe.loss)


def _split(ids: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Rows to learn from, and rows by whose loss the epoch is chosen: all, unless there is an encoder."""
    if not recipe.encoder or len(ids) < 2:
        return ids, ids
    generator = torch.Generator().manual_seed(recipe.seed)
    shuffled = ids[torch.randperm(len(ids), generator=generator).to(ids.device)]
    held_out = max(1, len(ids) // HELD_OUT)
    return shuffled[held_out:], shuffled[:held_out]


def _rate(optimizer: str, closed_form: bool) -> float:
    """The learning rate where none is given: from other starts than those in closed form the way is long."""
    if optimizer == "lbfgs":
        return 1.0
    return 1e-3 if closed_form else 1e-2


def _optimizer(module: nn.Module, name: str, lr: float) -> torch.optim.Optimizer:
    if name == "lbfgs":
        return torch.optim.LBFGS(module.parameters(), lr=lr, line_search_fn="strong_wolfe")
    return torch.optim.Adam(module.parameters(), lr=lr)


def _key(embedding: Embedding, table: Tensor, recipe: Recipe, weights: Tensor | None) -> str:
    """A hash of all that a fit depends on."""
    text = json.dumps([embedding.method, embedding.settings(), recipe], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for tensor in (table, weights, *embedding.state_dict().values()):
        if tensor is not None:
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
