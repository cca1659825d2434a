"""Words -> basic units: senses, morphology, the unit index. Imports neither torch nor fairseq."""

from fairseq_see.units.build import build_index
from fairseq_see.units.coverage import Coverage
from fairseq_see.units.index import UnitIndex
from fairseq_see.units.senses import Senses
from fairseq_see.units.vocabulary import Vocabulary

__all__ = ["Coverage", "Senses", "UnitIndex", "Vocabulary", "build_index"]
