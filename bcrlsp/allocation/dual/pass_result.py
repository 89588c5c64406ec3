"""One pass over the users at some prices, and the program of what lies around them."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.master.columns import build_columns
from bcrlsp.allocation.master.highs import Box, solve_program
from bcrlsp.allocation.master.hulls import solve_hulls
from bcrlsp.allocation.master.program import Program, ProgramSolution
from bcrlsp.allocation.master.restricted_master import RestrictedMaster, build_restricted_master
from bcrlsp.allocation.passes.blocks import Query, Source, Users
from bcrlsp.allocation.passes.dominated import dominated
from bcrlsp.allocation.passes.objective import Objective
from bcrlsp.allocation.problem.constraints import Constraints, FloatArray

# Standard errors that a sampled budget is moved by to see how far its price may be off.
_DEVIATIONS = 3.0
# Part of the largest step of a row that may be left or taken at the centre's price.
_GIVE = 1e-7


@dataclass(frozen=True)
class PassPlan:
    """What the next pass looks at.

    centre: (k,) row prices. box: (g, p) half-widths, infinite to take in every user. share: of the
    undecided users to bring along, 0 for none. trial_prices: (j, p), see blocks.Query. salt: of the
    sample.
    """

    centre: FloatArray
    box: FloatArray
    share: float
    trial_prices: FloatArray
    salt: int


class PassResult:
    """The answer to a plan.

    undecided: users that some price in the box moves. room: (k,) what the choices leave of each
    row.
    used, total: exact usage of the rows and objective of the choices.
    restricted: the undecided users that were brought along. exact: whether they are all of them.
    """

    def __init__(
        self,
        source: Source,
        constraints: Constraints,
        objective: Objective,
        plan: PassPlan,
        most: int,
    ) -> None:
        """most: users that may be brought along."""
        self.source, self.constraints = source, constraints
        self.objective, self.plan = objective, plan
        self.tables = objective.priced(constraints.tables(plan.centre))
        everyone = bool(np.all(np.isinf(plan.box)))
        widths = np.zeros_like(plan.box) if everyone else plan.box
        query = Query(
            weight=objective.weight,
            tables=self.tables,
            units=source.units,
            box=widths,
            alpha=constraints.alpha,
            beta=constraints.beta,
            trial_prices=plan.trial_prices,
            split=splits(constraints),
            salt=plan.salt,
            share=plan.share,
            most=most,
        )
        self.answer = source.scan(query)
        self.undecided = int(self.answer.ratios.sum())
        self.used = constraints.usage(self.answer.sums, source.units)
        self.total = objective.total(self.answer, source)
        self.room = constraints.room(self.used)
        users = source.sample(source.users) if everyone else self.answer.undecided
        self.restricted = self._restricted_master(users, None if everyone else widths)
        self.exact = plan.share == 1.0 and (everyone or len(users) == self.undecided)

    def _restricted_master(self, users: Users, widths: FloatArray | None) -> RestrictedMaster:
        base = users.choose(self.objective.weight, self.tables)
        score = self.objective.score(users, self.tables)
        undecided = np.isfinite(score)
        if widths is not None:
            undecided &= _undecided(self.constraints, users, base, score, 2.0 * widths)
        coefficient = self.objective.coefficient(users)
        undecided &= ~dominated(self.constraints, users, coefficient)
        return build_restricted_master(
            self.constraints, users, base, coefficient, score, undecided, self.plan.share or 1.0
        )

    def dual(self) -> float:
        """The dual function at the centre: no choice within the rows is worth more."""
        dual = self.total + sum(
            Fraction(float(y)) * (b - u)
            for y, b, u in zip(self.plan.centre, self.constraints.exact, self.used, strict=True)
        )
        return float(dual)

    def proves_infeasible(self) -> bool:
        """Whether the dual function lies below every possible objective: no choice is feasible."""
        return self.dual() < -2.0 * self.source.users * self.objective.scale(self.source)

    def keeps(self, solution: ProgramSolution) -> bool:
        """Whether a solution of the restricted master's program keeps every row."""
        program = self.restricted.program
        size = np.maximum(np.abs(self.room), program.sized(np.ones_like(solution.x), 1))
        return bool(np.all(program.used(solution.x) <= self.room + 1e-9 * size))

    def gap(self, solution: ProgramSolution) -> float:
        """How far a solution of the program is from the dual function, relative.

        Infinite if it breaks a row.
        """
        if not self.keeps(solution):
            return np.inf
        dual = self.dual()
        least = 1e-9 * self.source.users * self.objective.scale(self.source)
        gap = dual - float(self.total) - float(self.restricted.gain @ solution.x)
        return gap / (max(abs(dual), least) or 1.0)

    def column_program(self) -> Program:
        """The program of what the undecided users choose at the trial prices."""
        weight, own = self.objective.weight, self.objective.tables
        centre, units = self.plan.centre, self.source.units
        return build_columns(self.constraints, self.answer, centre, weight, own, units)

    def solve(self, program: Program, moved: FloatArray | float = 0.0) -> ProgramSolution:
        """A program with the room moved by `moved` (k,), prices inside the box."""
        box = Box(self.plan.centre, self.row_box(), 0.0 if self.exact else _GIVE)
        one = len(self.constraints) and len(self.constraints.alpha) == 1
        return (solve_hulls if one else solve_program)(program, self.room + moved, box)

    def row_box(self) -> FloatArray:
        """(k,) the widest box of a row's groups."""
        constraints = self.constraints
        return np.array(
            [
                self.plan.box[constraints.member[k], constraints.pattern[k]].max(initial=0.0)
                for k in range(len(constraints))
            ]
        )

    def met(self, prices: FloatArray) -> FloatArray:
        """(g, p) how far row prices lie from the centre, as the users of a group meet them."""
        return self.constraints.by_pattern(self.constraints.sign * (prices - self.plan.centre))

    def uncertainty(self, solution: ProgramSolution) -> FloatArray:
        """(g, p) how far prices may be off because only some undecided users are known."""
        program, share = self.restricted.program, self.plan.share
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


def splits(constraints: Constraints) -> bool:
    """Whether cells are told apart by level: users of a group differ in more than one price."""
    return len(constraints.alpha) > 1


def _undecided(
    constraints: Constraints,
    users: Users,
    base: NDArray[np.int16],
    score: FloatArray,
    widths: FloatArray,
) -> NDArray[np.bool_]:
    """(m, a) levels that some price in the box makes better than the base."""
    everyone = np.arange(len(users))
    weights = constraints.weights(users.cost)
    change = np.abs(weights - weights[everyone, :, base][:, :, None])
    reach = np.einsum("mp,mpa->ma", widths[users.group_index], change)
    return np.asarray(score[everyone, base][:, None] - score <= reach)
