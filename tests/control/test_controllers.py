"""Forecasts by hand, the dual against SciPy's LP, and days that no controller may overspend."""

import numpy as np
import pytest
from scipy.optimize import linprog

from bcrlsp.control import Limit
from bcrlsp.control.controllers import ForecastLp, MirrorDescent, Past, Pid
from bcrlsp.control.controllers.dual import NO_BOUND, Future, solve
from bcrlsp.control.forecast import HOUR, ArrivalCurve, ReturnCurve
from bcrlsp.control.overbooking import Overbooking
from bcrlsp.control.replay import Population, Scenario, World, play
from bcrlsp.control.replay.day import DAY
from bcrlsp.control.replay.hindsight import optimum
from bcrlsp.control.watch import Position, Sample, Watch
from bcrlsp.errors import DataError, UserError

MONDAY = 4 * DAY


def test_an_arrival_curve_by_hand() -> None:
    # Two Mondays with 10 requests at 9 h, and 2 at 10 h; nothing else.
    times = [
        MONDAY + week * 7 * DAY + hour * HOUR + minute
        for week in range(2)
        for hour, count in ((9, 10), (10, 2))
        for minute in range(count)
    ]
    curve = ArrivalCurve.learn(times, MONDAY, MONDAY + 14 * DAY, days=0.0)
    assert curve.rates[9] == pytest.approx(10)
    assert curve.rates[33] == 0
    assert curve.expected(MONDAY + 9.5 * HOUR, MONDAY + 10.5 * HOUR) == pytest.approx(6)
    assert curve.expected(MONDAY, MONDAY + 21 * DAY) == pytest.approx(36)
    # A log of one Monday: other days are expected as that one was.
    one = ArrivalCurve.learn(times, MONDAY, MONDAY + DAY)
    assert one.expected(MONDAY + DAY, MONDAY + 2 * DAY) == pytest.approx(12)
    with pytest.raises(DataError, match="0 requests"):
        ArrivalCurve.learn([], MONDAY, MONDAY + DAY)


def test_a_return_curve_by_hand() -> None:
    # 4 comes back at 100 s (redeemed at 6 of 10), 10 at 1000 s (expired).
    curve = ReturnCurve.learn([10, 10], [6, 0], [100, np.nan], release=1000)
    assert curve.hold([-1, 0, 99, 100, 999, 1000]).round(6).tolist() == [
        0, 1, 1, pytest.approx(10 / 14, abs=1e-6), pytest.approx(10 / 14, abs=1e-6), 0
    ]  # fmt: skip
    assert curve.seen([99, 100, 5000]).tolist() == [0, 1, 1]
    assert ReturnCurve.learn([5], [5], [1], 9).hold([1e9]).tolist() == [1]


def random_future(seed: int) -> tuple[Future, float]:
    """A future of two budgets and two horizons, and its optimum by SciPy."""
    rng = np.random.default_rng(seed)
    n, a, bins = 60, 4, 3
    amounts = np.array([0.0, 1, 2, 4])
    gain = rng.lognormal(0, 0.8, (n, 1)) * (1 - np.exp(-amounts / rng.uniform(1, 4, (n, 1))))
    counted = np.stack([np.ones(n), rng.random(n) < 0.4], axis=1)
    face = amounts[None, :, None] * counted[:, None, :]
    expected = face * rng.uniform(0.2, 0.8, (n, 1, 1))
    arrivals = np.array([50.0, 80, 40])
    held = np.array([[0.8, 0.1], [1.0, 0.5], [1.0, 0.9]])
    before = np.array([[True, True], [False, True], [False, True]])
    room = np.array([[40.0, 120.0], [12.0, 30.0]])
    future = Future(gain, face, expected, arrivals, held, before, room)
    rows, bound = [], []
    each = arrivals[:, None] / n
    cost = -(each[:, :, None] * gain[None]).ravel()
    for k in range(2):
        for h in range(2):
            share = (
                expected[None, :, :, k] + held[:, h, None, None] * (face - expected)[None, :, :, k]
            )
            rows.append((each[:, :, None] * share * before[:, h, None, None]).ravel())
            bound.append(room[k, h])
    users = np.kron(np.eye(bins * n), np.ones(a))
    found = linprog(cost, A_ub=np.array(rows), b_ub=bound, A_eq=users, b_eq=np.ones(bins * n))
    return future, -found.fun


@pytest.mark.parametrize("seed", range(4))
def test_the_dual_of_the_plan_is_that_of_the_lp(seed: int) -> None:
    future, best = random_future(seed)
    prices = solve(future, np.zeros((2, 2)), 1e-3)
    # The exact dual at these prices bounds the LP from above, closely.
    value = float((prices * future.room).sum())
    for j, arrivals in enumerate(future.arrivals):
        score = future.gain.copy()
        for k in range(2):
            for h in np.flatnonzero(future.counted[j]):
                share = future.expected[:, :, k] + future.held[j, h] * (
                    future.face[:, :, k] - future.expected[:, :, k]
                )
                score -= prices[k, h] * share
        value += arrivals * score.max(axis=1).mean()
    assert best - 1e-6 <= value <= best * 1.01


def test_a_budget_without_a_limit_has_no_price() -> None:
    future, _ = random_future(0)
    free = Future(**{**future.__dict__, "room": np.full((2, 2), NO_BOUND)})
    assert solve(free, np.full((2, 2), 0.1), 1e-2).max() < 1e-9


def test_overbooking_by_hand() -> None:
    booking = Overbooking(quantile=0.975, rate=0.5, spread=0.1, bonus=2.0)
    position = Position(np.array([100.0]), np.array([20.0]), np.array([30.0]))
    booked, planned = booking.limits(np.array([100.0]), position)
    face = booked[0] - 20
    assert (planned.limit[0], planned.out[0]) == (20 + face / 2, 15)
    # Mean F/2, variance F * 2 * 0.25 + (0.05 F)^2, within the rest of 80 at 1.96 sd.
    assert face / 2 + 1.95996 * np.sqrt(face / 2 + (0.05 * face) ** 2) == pytest.approx(
        80, abs=0.01
    )
    with pytest.raises(UserError, match=r"quantile is 0\.4"):
        Overbooking(0.4, 0.5, 0.1, 1)


def small_world() -> tuple[World, Past, tuple[Limit, ...]]:
    population = Population.draw(20, 3)
    world = World(population)
    limits = (Limit("total", 900.0), Limit("new", 150.0, groups=("new",)))
    calm = Scenario("calm", limits, requests=2500.0)
    days = [world.day(calm, number, 7) for number in range(7)]
    times = np.concatenate([day.start + day.times for day in days])
    best = optimum(days[1], population)
    kinds = days[2].kinds[:300]
    counted = np.stack([np.ones(300, bool), population.groups[kinds] == "new"], axis=1)
    past = Past(
        ArrivalCurve.learn(times, MONDAY, MONDAY + 7 * DAY),
        ReturnCurve.learn([1, 1], [0.8, 0], [3300, 0], calm.life + calm.grace),
        Sample(population.gain[kinds], population.cost[kinds], counted),
        population.amounts,
        best.prices,
        ("cost", "cost"),
        best.spend,
    )
    return world, past, limits


@pytest.fixture(scope="module")
def world() -> tuple[World, Past, tuple[Limit, ...]]:
    return small_world()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"requests": 12000.0},
        {"surge": (12.0, 12.5, 20.0), "lag": 4 * HOUR},
        {"cut": (12.0, 0.5), "drift": (9.0, 1.5)},
    ],
)
def test_no_day_passes_a_budget(world, changes) -> None:
    where, past, limits = world
    day = where.day(Scenario("day", limits, **{"requests": 2500.0} | changes), 8, 5)
    lp = ForecastLp(past, users=100, bins=8)
    for controller in (Pid(past), MirrorDescent(past), lp):
        played = play(day, where.population, controller, step=1800.0)
        assert played.passed == {"total": 0.0, "new": 0.0}
        if "cut" not in changes:
            assert played.overspent == {"total": 0.0, "new": 0.0}
        assert played.value > 0


def test_the_forecast_lp_comes_near_the_optimum(world) -> None:
    where, past, limits = world
    day = where.day(Scenario("day", limits, requests=2500.0), 8, 5)
    best = optimum(day, where.population).value
    value = play(day, where.population, ForecastLp(past, users=200), step=300.0).value
    assert 0.93 * best <= value <= best * (1 + 1e-9)


def test_a_step_keeps_its_price_where_little_changes(world) -> None:
    _, past, _ = world
    watch = Watch(["total", "new"], MONDAY, MONDAY + DAY)
    position = Position(np.array([900.0, 150.0]), np.zeros(2), np.zeros(2))
    controller = ForecastLp(past, band=0.5)
    first = controller.step(MONDAY, position, watch)
    assert np.array_equal(controller.step(MONDAY + 60, position, watch).prices, first.prices)
    # Less money, a higher price; no end of the day, no more steps.
    less = Position(position.limit / 3, np.zeros(2), np.zeros(2))
    assert controller.step(MONDAY + 120, less, watch).prices.sum() > first.prices.sum()
    assert (controller.step(MONDAY + 2 * DAY, less, watch).prices >= 0).all()
