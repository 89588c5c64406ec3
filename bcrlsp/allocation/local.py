"""One pass over the users at some prices, and the program of what lies around them."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import Query, Source, Users
from bcrlsp.allocation.core import Core, build_core
from bcrlsp.allocation.dominated import dominated
from bcrlsp.allocation.hulls import solve_hulls
from bcrlsp.allocation.objective import Objective
from bcrlsp.allocation.program import Program, ProgramSolution
from bcrlsp.allocation.rows import FloatArray, Rows
from bcrlsp.allocation.simplex import Box, solve_program
from bcrlsp.allocation.tiers import build_tiers

# Standard errors that a sampled budget is moved by to see how far its price may be off.
_DEVIATIONS = 3.0
# Part of the largest step of a row that may be left or taken at the centre's price.
_GIVE = 1e-7


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
    core: the near users that were brought along. exact: whether they are all of them.
    """

    def __init__(
        self, source: Source, rows: Rows, objective: Objective, plan: Plan, most: int
    ) -> None:
        """most: users that may be brought along."""
        self.source, self.rows, self.objective, self.plan = source, rows, objective, plan
        self.tables = objective.priced(rows.tables(plan.centre))
        everyone = bool(np.all(np.isinf(plan.box)))
        widths = np.zeros_like(plan.box) if everyone else plan.box
        query = Query(
            weight=objective.weight,
            tables=self.tables,
            units=source.units,
            box=widths,
            alpha=rows.alpha,
            beta=rows.beta,
            tries=plan.tries,
            split=splits(rows),
            salt=plan.salt,
            share=plan.share,
            most=most,
        )
        self.answer = source.scan(query)
        self.near = int(self.answer.ratios.sum())
        self.used = rows.usage(self.answer.sums, source.units)
        self.total = objective.total(self.answer, source)
        self.room = rows.room(self.used)
        users = source.sample(source.users) if everyone else self.answer.near
        self.core = self._core(users, None if everyone else widths)
        self.exact = plan.share == 1.0 and (everyone or len(users) == self.near)

    def _core(self, users: Users, widths: FloatArray | None) -> Core:
        base = users.choose(self.objective.weight, self.tables)
        score = self.objective.score(users, self.tables)
        near = np.isfinite(score)
        if widths is not None:
            near &= _near(self.rows, users, base, score, 2.0 * widths)
        merit = self.objective.merit(users)
        near &= ~dominated(self.rows, users, merit)
        return build_core(self.rows, users, base, merit, score, near, self.plan.share or 1.0)

    def dual(self) -> float:
        """The dual function at the centre: no choice within the rows is worth more."""
        dual = self.total + sum(
            Fraction(float(y)) * (b - u)
            for y, b, u in zip(self.plan.centre, self.rows.exact, self.used, strict=True)
        )
        return float(dual)

    def hopeless(self) -> bool:
        """Whether the dual function lies below every possible objective: no choice is feasible."""
        return self.dual() < -2.0 * self.source.users * self.objective.scale(self.source)

    def keeps(self, solution: ProgramSolution) -> bool:
        """Whether a solution of the core's program keeps every row."""
        program = self.core.program
        size = np.maximum(np.abs(self.room), program.sized(np.ones_like(solution.x), 1))
        return bool(np.all(program.used(solution.x) <= self.room + 1e-9 * size))

    def gap(self, solution: ProgramSolution) -> float:
        """How far a solution of the core's program is from the dual function, relative.

        Infinite if it breaks a row.
        """
        if not self.keeps(solution):
            return np.inf
        dual = self.dual()
        least = 1e-9 * self.source.users * self.objective.scale(self.source)
        gap = dual - float(self.total) - float(self.core.gain @ solution.x)
        return gap / (max(abs(dual), least) or 1.0)

    def tiers(self) -> Program:
        """The program of what the near users choose at the tries."""
        weight, own = self.objective.weight, self.objective.tables
        centre, units = self.plan.centre, self.source.units
        return build_tiers(self.rows, self.answer, centre, weight, own, units)

    def solve(self, program: Program, moved: FloatArray | float = 0.0) -> ProgramSolution:
        """A program with the room moved by `moved` (k,), prices inside the box."""
        box = Box(self.plan.centre, self.row_box(), 0.0 if self.exact else _GIVE)
        one = len(self.rows) and len(self.rows.alpha) == 1
        return (solve_hulls if one else solve_program)(program, self.room + moved, box)

    def row_box(self) -> FloatArray:
        """(k,) the widest box of a row's groups."""
        rows = self.rows
        return np.array(
            [
                self.plan.box[rows.member[k], rows.pattern[k]].max(initial=0.0)
                for k in range(len(rows))
            ]
        )

    def met(self, prices: FloatArray) -> FloatArray:
        """(g, p) how far row prices lie from the centre, as the users of a group meet them."""
        return self.rows.by_pattern(self.rows.sign * (prices - self.plan.centre))

    def uncertainty(self, solution: ProgramSolution) -> FloatArray:
        """(g, p) how far the prices may be off because only a share of the near users is known."""
        program, share = self.core.program, self.plan.share
        if not len(solution.x):
            return np.zeros_like(self.plan.box)
        moved = program.sized(np.minimum(solution.x * share, 1.0), 2)
        deviation = (_DEVIATIONS * np.sqrt((1.0 - share) * moved) + program.largest) / share
        off = [
            np.abs(
                self.met(self.solve(program, sign * deviation).prices) - self.met(solution.prices)
            )
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
