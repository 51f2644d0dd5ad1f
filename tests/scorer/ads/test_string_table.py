"""Strings that come and go: nothing is used up, nothing is lost."""

import random

import numpy as np
import pytest

from scorer.ads.string_table import StringTable, TableFullError

CAPACITY = 32


@pytest.fixture
def table() -> StringTable:
    layout = StringTable.layout(CAPACITY)
    arrays = {name: np.zeros(shape, dtype) for name, (dtype, shape) in layout.items()}
    return StringTable(arrays, "names of cats")


def test_a_full_table_outlives_any_number_of_strings(table: StringTable) -> None:
    """Each other string has another length."""
    draw = random.Random(1)
    known = {f"{number}": table.add(f"{number}") for number in range(CAPACITY)}
    for step in range(3_000):
        old = draw.choice(sorted(known))
        number = known.pop(old)
        table.remove(old)
        assert table.number(old) is None
        new = f"{step}-{'x' * draw.randrange(80)}"
        known[new] = table.add(new, number)
        assert known[new] == number
        if step % 100 == 0:
            assert {text: table.number(text) for text in known} == known
    with pytest.raises(TableFullError, match=f"more than {CAPACITY} names of cats"):
        table.add("one more")
