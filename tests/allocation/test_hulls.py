"""Hulls against the simplex method, and pairs against trying all of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from bcrlsp.allocation.master import hulls
from bcrlsp.allocation.master.highs import Box, solve_program
from bcrlsp.allocation.master.program import NoFeasiblePointError, Program
from bcrlsp.allocation.primal.pair_search import _best_pair, _best_sorted

MANY = settings(
    deadline=None, suppress_health_check=list(HealthCheck), max_examples=150, derandomize=True
)


def programs(rng: np.random.Generator) -> tuple[Program, Any, Box]:
    """A program whose rows count alike, caps and floors, with ties and empty cells; room; box."""
    cells, rows = int(rng.integers(1, 30)), int(rng.integers(1, 5))
    each = rng.integers(0, 5, cells)
    count, digits = int(each.sum()), int(rng.integers(0, 4))
    sign = rng.choice([-1.0, 1.0], rows, p=[0.3, 0.7])
    program = Program(
        cells=cells,
        cell=np.repeat(np.arange(cells), each),
        net=np.round(rng.normal(size=count), digits),
        weight=np.round(rng.normal(size=(count, 1)), digits),
        member=sparse.csr_matrix((rng.random((cells, rows)) < 0.7) * sign),
        pattern=np.zeros(rows, dtype=np.int64),
        most=float(rng.choice([1.0, 2.5])),
    )
    width = np.where(rng.random(rows) < 0.5, np.inf, np.round(rng.random(rows), 1))
    centre = np.round(rng.random(rows), 1) * (rng.random() < 0.7)
    room = np.round(rng.normal(size=rows), 1) * np.sqrt(cells)
    return program, room, Box(centre, width, 1e-7 * (rng.random() < 0.3))


def worth(program: Program, room: Any, box: Box, x: Any) -> float:
    """The objective with the best room left or taken that x makes needful."""
    over = program.used(x) - room
    steps = box.give * np.where(program.largest > 0.0, program.largest, 1.0)
    over = np.sign(over) * np.maximum(np.abs(over) - steps, 0.0)
    wide = np.isinf(box.width)
    assert np.all(over[wide] <= 1e-6)
    paid = np.where(over > 0.0, np.where(wide, 0.0, box.width) * over, -box.below * over)
    return float(program.net @ x - paid.sum())


@MANY
@given(st.integers(0, 2**31))
def test_hulls_reach_the_optimum_of_the_simplex_method(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        program, room, box = programs(rng)
        try:
            expected = solve_program(program, room, box)
        except NoFeasiblePointError:
            with pytest.raises(NoFeasiblePointError):
                hulls.solve_hulls(program, room, box)
            continue
        found = hulls.solve_hulls(program, room, box)
        assert found.x.min(initial=0.0) >= 0.0
        taken = np.bincount(program.cell, found.x, program.cells)
        assert np.all(taken <= program.most * (1 + 1e-9))
        assert worth(program, room, box, found.x) == pytest.approx(
            worth(program, room, box, expected.x), abs=1e-6
        )
        assert np.all(np.abs(found.prices - box.centre) <= box.width + 1e-9)


def test_steps_left_out_come_in_where_prices_ask_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        program, room, box = programs(rng)
        try:
            whole = hulls.solve_hulls(program, room, box)
            with monkeypatch.context() as few:
                few.setattr(hulls, "_SIFTED", 2)
                sifted = hulls.solve_hulls(program, room, box)
        except NoFeasiblePointError:
            continue
        assert worth(program, room, box, sifted.x) == pytest.approx(
            worth(program, room, box, whole.x), abs=1e-6
        )


@MANY
@given(st.integers(0, 2**31))
def test_the_best_pair_of_one_row_is_found_by_sorting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 12))
    gain = np.round(rng.normal(size=size), 1)
    use = np.sort(np.round(rng.normal(size=size), 1))
    user, room = rng.integers(0, 5, size), float(np.round(rng.normal(), 1))
    first, second = _best_sorted(gain, use, user, room)
    x, y = _best_pair(gain, use[:, None], user, np.array([room]))
    best = max([0.0, *gain[use <= room], gain[x] + gain[y] if x >= 0 else 0.0])
    found = 0.0 if first < 0 else gain[first] + (gain[second] if second != first else 0.0)
    assert found == pytest.approx(best)
    if first >= 0 and first != second:
        assert user[first] != user[second]
        assert use[first] + use[second] <= room
