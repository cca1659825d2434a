"""Sizes of dictionaries, unit indexes and the dense model: Table 3 of the paper.

python -m experiments.table3 DATA CONFIG
"""

import logging
import sys
from pathlib import Path

from experiments.report.tables import format_table
from fairseq_see.errors import ends_in_one_line


def count_sizes(data: Path, config: str) -> dict[str, float]:
    """The columns of Table 3, in its terms; what it leaves open is counted apart.

    Args:
        data: a folder with ``dict.{zh,en}.txt`` and ``dict.{zh,en}.see``.
        config: a configuration whose model is ``see_transformer``.

    Returns:
        ``|V|`` (symbols) and ``|M|`` (sememes in use; the paper's letter for them), and morphemes in use, for each
        side; S and E, the parameters of the dense model and of its matrices, a tied output counted once; P = E / S.

    Raises:
        SeeError: an index is missing, or not of this dictionary.
    """
    from fairseq.tasks import setup_task
    from omegaconf import OmegaConf

    import fairseq_see.plugin  # noqa: F401
    from experiments.training import compose
    from fairseq_see.units import UnitIndex, Vocabulary

    found: dict[str, float] = {}
    for side in ("zh", "en"):
        vocabulary, index = Vocabulary.load(data / f"dict.{side}.txt"), UnitIndex.load(data / f"dict.{side}.see")
        index.check_dictionary(vocabulary)
        found |= {
            f"|V| {side}": len(vocabulary),
            f"|M| {side}": len(index.sememes) - index.order,  # without padding
            f"morphemes {side}": len(index.morphemes) - index.order,
        }
    cfg = OmegaConf.create(compose(config, ("task.source_lang=zh", "task.target_lang=en", "model.see_method=dense")))
    cfg.task.data = str(data)
    model = setup_task(cfg.task).build_model(cfg.model)
    total = sum(parameter.numel() for parameter in model.parameters())
    tables = {id(half.embed_tokens): half.embed_tokens for half in (model.encoder, model.decoder)}
    embeddings = sum(parameter.numel() for table in tables.values() for parameter in table.parameters())
    return found | {"S": total, "E": embeddings, "P": embeddings / total}


@ends_in_one_line()
def main(data: str, config: str) -> None:
    """Print a table."""
    logging.disable(logging.INFO)
    found = count_sizes(Path(data), config)
    cells = [f"{value:.1%}" if name == "P" else f"{value:,}" for name, value in found.items()]
    print(format_table([name.replace("|", r"\|") for name in found], [cells], words=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
