"""Integer roots, exactly: ``ceil(n ** (1 / k))`` is wrong where the root is an integer (3125 ** 0.2 is above 5)."""


def ceil_root(number: int, degree: int) -> int:
    """The smallest integer whose ``degree``-th power is at least ``number`` (>= 1)."""
    root = max(1, round(number ** (1 / degree)))
    while root**degree < number:
        root += 1
    while root > 1 and (root - 1) ** degree >= number:
        root -= 1
    return root
