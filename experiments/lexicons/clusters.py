"""Units of a trained matrix itself: residual k-means of its embeddings, in place of annotated sememes.

Level 1 clusters the embeddings, every further level what the levels before left over (residual vector quantisation,
Chen, Guan and Wang 2010). A word has one sense, its cluster at each level: near words share their first units.
"""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairseq_see.errors import SeeError
from fairseq_see.units.languages import find_languages, parse_languages
from fairseq_see.units.senses import Sense, Senses
from fairseq_see.units.vocabulary import Vocabulary


def read_matrix(path: Path) -> NDArray[np.float32]:
    """The matrix (V, d) of a ``.npy`` file, or of a ``.safetensors`` file that holds no other.

    Raises:
        SeeError: not such a file.
    """
    from safetensors.numpy import load_file

    try:
        arrays = {"": np.load(path, allow_pickle=False)} if path.suffix == ".npy" else load_file(path)
    except OSError as error:
        raise SeeError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:
        # Each library has errors of its own for what is one case to the user.
        raise SeeError(f"{path} is not a whole {path.suffix} file of a type that numpy has: {error}") from error
    matrices = [array for array in arrays.values() if array.ndim == 2]
    if len(matrices) != 1 or matrices[0].dtype.kind != "f":
        raise SeeError(f"{path} does not hold one matrix of real numbers, words by dimensions")
    return matrices[0].astype(np.float32)


def cluster_words(
    vocabulary: Vocabulary, matrix: NDArray[np.float32], language: str, *, clusters: int, order: int = 3, seed: int = 1
) -> Senses:
    """One sense of ``order`` units for each symbol that reads as a word: special symbols and marked subwords have none.

    Args:
        vocabulary: V symbols.
        matrix: (V, d), in the order of the symbols.
        language: its code, or several with commas between them, distinguished by the script of each word.
        clusters: of each level; the units are ``order`` times as many.
        order: levels, and units in a sense.
        seed: of k-means.

    Raises:
        SeeError: the matrix is of another dictionary, not finite, or has fewer words than clusters.
    """
    if len(matrix) != len(vocabulary):
        raise SeeError(f"the matrix has {len(matrix)} embeddings, the dictionary {len(vocabulary)} symbols")
    if not np.isfinite(matrix).all():
        raise SeeError("the matrix has values that are not finite; its training went wrong")
    languages = parse_languages(language)
    words: dict[str, int] = {}
    for number, symbol in enumerate(vocabulary.symbols):
        surface, mark = vocabulary.split(symbol)
        if not vocabulary.is_special(symbol) and not mark and surface.strip() and "\t" not in surface:
            words.setdefault(surface, number)
    if not 2 <= clusters <= len(words):
        raise SeeError(f"{clusters} clusters of {len(words)} words; choose 2 or more, and no more than words")
    ids = cluster_residuals(matrix[list(words.values())], clusters, order, seed)
    entries: dict[str, dict[str, list[Sense]]] = {}
    for word, levels in zip(words, ids.tolist(), strict=True):
        sense = tuple(f"k{level}:{cluster}" for level, cluster in enumerate(levels, 1))
        entries.setdefault(find_languages(word, languages)[0].code, {})[word] = [sense]
    return Senses(entries, "k-means")


def cluster_residuals(vectors: NDArray[np.float32], clusters: int, levels: int, seed: int) -> NDArray[np.int64]:
    """Cluster ids (n, levels) of vectors (n, d), scaled to length 1: their length follows frequency, not meaning.

    The same vectors and seed give the same clusters on the same machine.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    rest = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    ids = []
    for level in range(levels):
        model = KMeans(clusters, n_init=1, max_iter=100, random_state=seed + level)
        with warnings.catch_warnings():
            # Fewer distinct vectors than clusters: some clusters are not used, which is no fault.
            warnings.simplefilter("ignore", ConvergenceWarning)
            ids.append(model.fit_predict(rest))
        rest = rest - model.cluster_centers_[ids[-1]]
    return np.stack(ids, 1)
