"""The largest outputs of a teacher, kept in a folder so that it need not be run again.

    FOLDER/*.safetensors    some thousands of samples each:
        ids (n,), contents (n,)     int64: a sample, and a hash of its tokens
        lengths (n,)                int64: how many positions it has
        tokens (N, k)               int32: the tokens of the k largest logits at each position, sample after sample
        logits (N, k)               float16: these logits, less the largest

Files are written whole and never changed. Plain PyTorch.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from fairseq_see.errors import SeeError
from fairseq_see.io import replace_file, write_tensors

# Samples of a file. So many outputs may be lost when a run is interrupted.
FILE_SAMPLES = 4096


class _Kept(NamedTuple):
    """Outputs of one sample: its content's hash, tokens (length, k) and logits (length, k)."""

    content: int
    tokens: Tensor
    logits: Tensor


class _File(NamedTuple):
    """A file that has been read: as many contents as samples, and one bound of their positions more."""

    contents: Tensor
    bounds: Tensor
    tokens: Tensor
    logits: Tensor


class OutputCache:
    """The k largest outputs at every position, by sample.

    Args:
        folder: made if it is not there; what it holds already is used.
        key: what outputs depend on besides the sample, for example a hash of the model.
        k: outputs at each position.

    Raises:
        SeeError: the folder holds outputs with another key or k, damaged ones, or cannot be written.
    """

    def __init__(self, folder: str | Path, key: Mapping[str, str], k: int) -> None:
        self.folder, self.k = Path(folder), k
        self._key = {"key": json.dumps({**key, "k": k}, sort_keys=True)}
        self._new: dict[int, _Kept] = {}
        self._read: set[Path] = set()
        self._files: list[_File] = []
        # Where samples are: the number of a file, and of a sample in it. One int, as there may be millions.
        self._places: dict[int, int] = {}
        self._read_new_files()

    def fetch(
        self, ids: list[int], contents: list[int], lengths: list[int], compute: Callable[[], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Tokens (N, k) and their logits (N, k) at all N positions of some samples, on the CPU.

        ``contents`` are their :func:`hash_contents`, ``lengths`` their positions, N in all. ``compute`` is called for
        the logits (N, V) unless all samples are known. SeeError if a sample had other tokens when it was kept.
        """
        if not all(map(self._knows, ids)):
            self._keep(ids, contents, lengths, compute())
        found = [self._new[i] if i in self._new else self._read_sample(self._places[i]) for i in ids]
        if [kept.content for kept in found] != contents:
            raise SeeError(f"{self.folder} holds a teacher's outputs for other data; {_ANOTHER}")
        tokens, logits = (torch.cat(parts) for parts in zip(*(kept[1:] for kept in found), strict=True))
        return tokens.long(), logits.float()

    def flush(self) -> None:
        """Write what is not written yet, and read what other processes have written."""
        if not self._new:
            return
        new = self._new.values()
        tensors = {
            "ids": torch.tensor(list(self._new)),
            "contents": torch.tensor([kept.content for kept in new]),
            "lengths": torch.tensor([len(kept.tokens) for kept in new]),
            "tokens": torch.cat([kept.tokens for kept in new]),
            "logits": torch.cat([kept.logits for kept in new]),
        }
        name = hashlib.sha256(tensors["ids"].numpy().tobytes()).hexdigest()[:16]
        with replace_file(self.folder / f"{name}.safetensors") as temporary:
            write_tensors(temporary, tensors, self._key)
        self._new = {}
        self._read_new_files()

    def _keep(self, ids: list[int], contents: list[int], lengths: list[int], logits: Tensor) -> None:
        values, tokens = logits.topk(self.k, dim=-1)
        values = (values - values[:, :1]).to("cpu", torch.float16)
        parts = zip(ids, contents, tokens.to("cpu", torch.int32).split(lengths), values.split(lengths), strict=True)
        for i, *kept in parts:
            if not self._knows(i):
                self._new[i] = _Kept(*kept)
        if len(self._new) >= FILE_SAMPLES:
            self.flush()

    def _knows(self, sample: int) -> bool:
        return sample in self._places or sample in self._new

    def _read_new_files(self) -> None:
        for path in sorted(set(self.folder.glob("*.safetensors")) - self._read):
            try:
                with safe_open(path, "pt") as file:
                    known = file.metadata() == self._key
                # Mapped into memory, not read.
                tensors = load_file(path)
            except (OSError, SafetensorError) as error:
                raise SeeError(f"{path} is damaged or cannot be read ({error}); delete it") from error
            if not known:
                raise SeeError(f"{self.folder} holds outputs of another teacher or another number of them; {_ANOTHER}")
            bounds = F.pad(tensors["lengths"].cumsum(0), (1, 0))
            first = len(self._files) << 32
            self._places |= {i: first + nth for nth, i in enumerate(tensors["ids"].tolist())}
            self._files.append(_File(tensors["contents"], bounds, tensors["tokens"], tensors["logits"]))
            self._read.add(path)

    def _read_sample(self, place: int) -> _Kept:
        file, nth = self._files[place >> 32], place & 0xFFFFFFFF
        first, end = file.bounds[nth : nth + 2].tolist()
        return _Kept(int(file.contents[nth]), file.tokens[first:end], file.logits[first:end])


_ANOTHER = "give another folder, or empty this one"


def hash_contents(padding: int, *batches: Tensor) -> list[int]:
    """A 64-bit hash of each sample's tokens, padding left out, from batches (B, length) of its sides."""
    hashes = [hashlib.blake2b(digest_size=8) for _ in batches[0]]
    for batch in batches:
        for digest, row in zip(hashes, batch.cpu().numpy(), strict=True):
            real = row[row != padding]
            digest.update(len(real).to_bytes(4, "little") + real.astype("<i8").tobytes())
    return [int.from_bytes(digest.digest(), "little", signed=True) for digest in hashes]
