"""Random draws that follow from a text, so that they do not depend on the order of events."""

import math

import xxhash


def uniform(*parts: object) -> float:
    """In [0, 1), the same for the same parts."""
    text = "|".join(map(str, parts))
    return xxhash.xxh3_64_intdigest(text.encode()) / 2.0**64


def exponential_ms(mean_seconds: float, *parts: object) -> int:
    """A delay of 1 ms or more with the given mean, the same for the same parts."""
    return 1 + int(-1000.0 * mean_seconds * math.log1p(-uniform(*parts)))
