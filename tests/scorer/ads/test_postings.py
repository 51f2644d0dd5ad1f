"""Postings of a column that is written while it is sorted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.ads.postings import Postings


class Written:
    """A column that is another one each time it is read."""

    def __init__(self, *columns: list[int]) -> None:
        self._columns = iter(columns)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[np.int32]:
        return np.array(next(self._columns), np.int32)


def filled(column: Any, rows: int, codes: int) -> Postings:
    layout = Postings.layout(rows, codes)
    postings = Postings({name: np.zeros(shape, dtype) for name, (dtype, shape) in layout.items()})
    postings.fill(column)
    return postings


def test_slots_that_do_not_change_are_found_while_another_one_does() -> None:
    postings = filled(Written([1, 2, 3, 1], [1, 2, 3, 3]), 4, 4)
    assert postings.of(2).tolist() == [1]
    assert 2 in postings.of(3)


def test_a_code_that_is_new_does_not_matter_to_others() -> None:
    postings = filled(np.array([0, 1, 9, 1], np.int32), 4, 3)
    assert [postings.of(code).tolist() for code in range(3)] == [[0], [1, 3], [2]]
