"""The sending order of a case's samples."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pytest_agentbench.draws import Draws

SMALL = st.integers(1, 12)


@given(SMALL, SMALL, SMALL, st.integers(0, 5))
def test_a_full_round_has_each_variant_equally_often(
    variants: int, rows: int, repeats: int, start: int
) -> None:
    draws = Draws(n_variants=variants, n_rows=rows, repeats=repeats, seed=3)
    size = draws.round_size
    counted = Counter(draws.at(index)[0] for index in range(start * size, (start + 1) * size))
    assert len(counted) == variants
    assert len(set(counted.values())) == 1


@given(SMALL, SMALL, SMALL)
def test_rows_that_fit_come_once_a_round_with_each_variant(variants: int, rows: int, repeats: int) -> None:
    draws = Draws(n_variants=variants, n_rows=rows, repeats=max(repeats, rows), seed=3)
    drawn = [draws.at(index) for index in range(draws.round_size)]
    assert sorted(drawn) == [(v, r) for v in range(variants) for r in range(rows)]


def test_rows_that_outnumber_the_repeats_are_shuffled_once_through() -> None:
    draws = Draws(n_variants=2, n_rows=100, repeats=10, seed=1)
    assert draws.round_size == 2
    first = [draws.at(index) for index in range(200)]
    assert sorted({row for _variant, row in first}) == list(range(100))
    assert first[0][1] == first[1][1], "both variants meet the same row"
    assert [row for _variant, row in first[:20:2]] != list(range(10))
    assert first == [Draws(n_variants=2, n_rows=100, repeats=10, seed=1).at(index) for index in range(200)]
    assert first != [Draws(n_variants=2, n_rows=100, repeats=10, seed=2).at(index) for index in range(200)]


def test_the_plan_is_repeats_for_each_variant() -> None:
    draws = Draws(n_variants=3, n_rows=4, repeats=50)
    assert (draws.planned, draws.round_size, draws.n_distinct) == (150, 12, 12)
    assert draws.full_rounds(150) == 156
