"""One pass over the users at some prices, and the program of what lies around them."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Query, Source, Users
from bcrlsp.allocation.core import Core, build_core
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.program import Program, ProgramSolution, solve_program
from bcrlsp.allocation.rows import FloatArray, Rows
from bcrlsp.allocation.tiers import build_tiers

# Standard errors that a sampled budget is moved by to see how far its price may be off.
_DEVIATIONS = 3.0


@dataclass(frozen=True)
class Plan:
    """What the next pass looks at.

    centre: (k,) row prices. box: (g, p) half-widths, infinite to take in every user. share: of the
    near users to bring along, 0 for none. tries: (j, p), see blocks.Query. salt: of the sample.
    """

    centre: FloatArray
    box: FloatArray
    share: float
    tries: FloatArray
    salt: int


class Local:
    """The answer to a plan.

    near: users that some price in the box moves. room: (k,) what the choices leave of each row.
    used, total: exact usage of the rows and objective of the choices.
    core: the near users that were brought along. program: theirs, or that of the tries.
    """

    def __init__(self, source: Source, rows: Rows, objective: Objective, plan: Plan) -> None:
        self.source, self.rows, self.objective, self.plan = source, rows, objective, plan
        self.tables = objective.priced(rows.tables(plan.centre))
        everyone = bool(np.all(np.isinf(plan.box)))
        widths = np.zeros_like(plan.box) if everyone else plan.box
        self.answer = source.scan(
            Query(
                objective.weight, self.tables, source.units, widths, rows.alpha, rows.beta,
                plan.tries, splits(rows), plan.salt, plan.share,
            )  # fmt: skip
        )
        self.near = int(self.answer.ratios.sum())
        self.used = rows.usage(self.answer.cost, self.answer.count, source.units.cost)
        self.total = objective.total(self.answer, source)
        self.room = np.array(
            [float(Fraction(float(b)) - u) for b, u in zip(rows.rhs, self.used, strict=True)]
        )
        users = source.sample(source.users) if everyone else self.answer.near
        self.core = self._core(users, None if everyone else widths)

    def _core(self, users: Users, widths: FloatArray | None) -> Core:
        base = users.choose(self.objective.weight, self.tables)
        score = self.objective.score(users, self.tables)
        near = np.isfinite(score)
        if widths is not None:
            near &= _near(self.rows, users, base, score, 2.0 * widths)
        merit = self.objective.merit(users)
        return build_core(self.rows, users, base, merit, score, near, self.plan.share or 1.0)

    @property
    def hopeless(self) -> bool:
        """Whether the dual function lies below every possible objective: no choice is feasible."""
        dual = self.total + sum(
            Fraction(float(y)) * (Fraction(float(b)) - u)
            for y, b, u in zip(self.plan.centre, self.rows.rhs, self.used, strict=True)
        )
        return float(dual) < -2.0 * self.source.users * self.objective.scale(self.source)

    def tiers(self) -> Program:
        """The program of what the near users choose at the tries."""
        return build_tiers(
            self.rows, self.answer, self.plan.centre, self.objective.weight, self.objective.tables,
            self.source.units,
        )  # fmt: skip

    def solve(self, program: Program, moved: FloatArray | float = 0.0) -> ProgramSolution:
        """A program with the room moved by `moved` (k,), prices inside the box."""
        return solve_program(program, self.room + moved, self.plan.centre, self.row_box())

    def row_box(self) -> FloatArray:
        """(k,) the widest box of a row's groups."""
        rows = self.rows
        return np.array(
            [self.plan.box[rows.member[k], rows.pattern[k]].max(initial=0.0) for k in range(len(rows))]
        )

    def met(self, prices: FloatArray) -> FloatArray:
        """(g, p) how far row prices lie from the centre, as the users of a group meet them."""
        return self.rows.by_pattern(self.rows.sign * (prices - self.plan.centre))

    def uncertainty(self, solution: ProgramSolution) -> FloatArray:
        """(g, p) how far the prices may be off because only a share of the near users is known."""
        program, share = self.core.program, self.plan.share
        if not len(solution.x):
            return np.zeros_like(self.plan.box)
        moved = np.minimum(solution.x * share, 1.0) @ program.use.multiply(program.use)
        step = abs(program.use).max(axis=0).toarray().ravel()
        deviation = (_DEVIATIONS * np.sqrt((1.0 - share) * np.asarray(moved)) + step) / share
        off = [
            np.abs(self.met(self.solve(program, sign * deviation).prices) - self.met(solution.prices))
            for sign in (-1.0, 1.0)
        ]
        return np.maximum(off[0], off[1])


def splits(rows: Rows) -> bool:
    """Whether cells are told apart by level: users of a group differ in more than one price."""
    return len(rows.alpha) > 1


def _near(
    rows: Rows, users: Users, base: NDArray[np.int16], score: FloatArray, widths: FloatArray
) -> NDArray[np.bool_]:
    """(m, a) levels that some price in the box makes better than the base."""
    everyone = np.arange(len(users))
    weights = rows.weights(users.cost)
    change = np.abs(weights - weights[everyone, :, base][:, :, None])
    reach = np.einsum("mp,mpa->ma", widths[users.code], change)
    return np.asarray(score[everyone, base][:, None] - score <= reach)
