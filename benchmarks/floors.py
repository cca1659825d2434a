"""What no program can do without, by formula: bytes moved, operations, and the seconds both take at a device's rates.

python benchmarks/floors.py     milliseconds by the data sheets
"""

from dataclasses import dataclass

from layers import BEAM
from measure import print_table

from fairseq_see.embeddings import Embedding

# Bytes and half-precision operations a second, of the vendor's data sheets.
DATA_SHEETS = {"H200": (4.8e12, 989e12), "V100": (0.9e12, 125e12)}


@dataclass(frozen=True)
class Size:
    """How large everything is: the paper's setting."""

    words: int = 40_000
    dim: int = 512
    ffn: int = 1024
    layers: int = 6
    ratio: float = 20
    tokens: int = 4096
    positions: tuple[int, ...] = (4096, 16_384)
    batch: int = 16_384
    block: int = 2**30
    side: int = 8192
    rounds: int = 20
    updates: int = 100_000

    @property
    def matrix(self) -> int:
        return self.words * self.dim


TINY = Size(3000, 64, 64, 1, 2, 256, (32, 64), 64, 2**16, 64, 1, 20)


def count_work(size: Size, parameters: float) -> dict[str, tuple[float, float]]:
    """Bytes and operations that each figure cannot do without; ``parameters`` are those of one embedding."""
    matrix, decoder = size.matrix, size.layers * (8 * size.dim**2 + 2 * size.dim * size.ffn)
    encoder = size.layers * (4 * size.dim**2 + 2 * size.dim * size.ffn)
    model = encoder + decoder + 2 * parameters
    return {
        # Adam reads weight, gradient and two moments, and writes all but the gradient, which the lookup writes.
        "lookup": (32 * parameters + 8 * size.tokens * size.dim, 0),
        "matrix": (2 * matrix, 0),
        # Scores are written and read, their gradient is written and read twice.
        **{f"step {n}": (10 * n * size.words, 6 * n * matrix) for n in size.positions},
        "decoding": (2 * min(matrix, parameters), 2 * BEAM * matrix),
        "model decoding": (2 * (decoder + min(matrix, parameters)), 2 * BEAM * (decoder + matrix)),
        # Half precision, trained on float32 copies: 14 bytes are read and 14 written of each parameter.
        "update": (28 * model, 6 * size.batch * (encoder + decoder + matrix)),
    }


def count_parameters(embedding: Embedding) -> int:
    return sum(parameter.numel() for parameter in embedding.parameters())


def find_floor(work: tuple[float, float], rates: tuple[float, float]) -> float:
    """Seconds below which no program does the work."""
    return max(amount / rate for amount, rate in zip(work, rates, strict=True))


def main() -> None:
    """Print milliseconds by the data sheets, of a dense embedding and of one that is 20 times smaller."""
    works = {kind: count_work(Size(), Size().matrix // ratio) for kind, ratio in (("dense", 1), ("20x", 20))}
    rows = [{"floor in ms": figure} for figure in works["dense"]]
    for row in rows:
        for name, rates in DATA_SHEETS.items():
            row |= {
                f"{name}, {kind}": 1e3 * find_floor(work[row["floor in ms"]], rates) for kind, work in works.items()
            }
    print_table(rows, *5 * [".3f"])


if __name__ == "__main__":
    main()
