"""Tensors as they are shipped: codes in log2 K bits each, parameters rounded to integers with a scale for each row."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fairseq_see.errors import SeeError

# Of packed codes: rows, columns, states, and what was subtracted from each code.
HEADER = np.dtype("<i4"), 4


def count_packed_bytes(codes: int, states: int) -> int:
    """Bytes of so many codes of ``states`` different values, without the header."""
    per_byte = _count_per_byte(states)
    return -(-codes // per_byte) if per_byte else -(-codes * _count_bits(states) // 8)


def pack_codes(codes: Tensor, states: int) -> Tensor:
    """Codes (V, M) as uint8 (n,): a header, then ceil(log2 K) bits each; few states share a byte (3: five of them)."""
    offset = int(codes.min()) if codes.numel() and codes.dtype == torch.int8 else 0
    values = (codes.cpu().numpy().astype(np.int16).ravel() - offset).astype(np.uint8)
    if per_byte := _count_per_byte(states):
        digits = np.pad(values, (0, -len(values) % per_byte)).reshape(-1, per_byte)
        data = (digits * states ** np.arange(per_byte)).sum(1).astype(np.uint8)
    else:
        data = np.packbits(np.unpackbits(values[:, None], axis=1, count=_count_bits(states), bitorder="little"))
    header = np.array([*codes.shape, states, offset], HEADER[0]).tobytes()
    return torch.frombuffer(bytearray(header + data.tobytes()), dtype=torch.uint8)


def unpack_codes(packed: Tensor) -> Tensor:
    """The codes (V, M) that were packed; SeeError if they are truncated."""
    data = packed.cpu().numpy().tobytes()
    size = HEADER[0].itemsize * HEADER[1]
    rows, columns, states, offset = (int(each) for each in np.frombuffer(data[:size], HEADER[0], HEADER[1]))
    count = rows * columns
    if min(rows, columns) < 0 or states < 1 or len(data) != size + count_packed_bytes(count, states):
        raise SeeError("packed codes are damaged; export the model again")
    stored = np.frombuffer(data[size:], np.uint8)
    if per_byte := _count_per_byte(states):
        values = (stored[:, None].astype(np.int16) // states ** np.arange(per_byte) % states).ravel()[:count]
    else:
        width = _count_bits(states)
        bits = np.unpackbits(stored, count=count * width).reshape(-1, width)
        values = np.packbits(bits, axis=1, bitorder="little").astype(np.int16)
    return torch.from_numpy((values + offset).reshape(rows, columns).astype(np.int8 if offset else np.uint8))


def round_rows(matrix: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Symmetric rounding (Krishnamoorthi 2018, arXiv 1806.08342, 2.1.2).

    Args:
        matrix: (..., n).
        bits: of an integer, at most 8.

    Returns:
        integers c (..., n), int8, and scales s (...), rounded to half precision. ``s c`` is within s / 2 of the matrix,
        but for the largest of a row, whose error is that of s.
    """
    # The most negative integer is left out, so that a row and its negative are rounded alike.
    largest = 2 ** (bits - 1) - 1
    matrix = matrix.to(torch.promote_types(matrix.dtype, torch.float32))
    scales = (matrix.abs().amax(-1, keepdim=True) / largest).half().to(matrix.dtype)
    codes = (matrix / scales.masked_fill(scales == 0, torch.inf)).round().clamp(-largest, largest)
    return codes.to(torch.int8), scales.squeeze(-1)


def count_rounded_bytes(shape: Sequence[int], bits: int) -> int:
    """Bytes of a parameter as it is shipped: rounded, with a scale of 2 bytes for each row, where that is smaller.

    It stays in half precision, 2 bytes an element, where it is not, and where it is a vector (biases, LayerNorms).
    """
    size = math.prod(shape)
    if bits == 16 or len(shape) < 2:
        return 2 * size
    return min(2 * size, count_packed_bytes(size, 2**bits - 1) + 2 * (size // shape[-1]))


def _count_bits(states: int) -> int:
    return max(1, (states - 1).bit_length())


def _count_per_byte(states: int) -> int:
    """Codes that share a byte as digits, where that takes less than whole bits; else 0."""
    digits = next(n for n in range(8, -1, -1) if states**n <= 256)
    return digits if digits * _count_bits(states) > 8 else 0
