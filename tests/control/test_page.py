"""The live page, its JSON and the alarms."""

import json
import math
import urllib.error
import urllib.request

import numpy as np
import pytest

from bcrlsp.control.monitor import Bands, Board, alarms
from bcrlsp.control.page import Page
from bcrlsp.control.watch import Position
from bcrlsp.errors import UserError


def status(**changes) -> dict:
    return {
        "batch": 3, "period": "2025-03-03T00:00", "event": 1.7e9, "lag": math.nan, "alarms": [],
        "requests": 5, "duplicates": 0, "waiting": 0, "prices": {"t": 0.1}, "limits": {"t": 9.0},
        "redeemed": {"t": 1.0}, "out": {"t": 2.0}, "planned": {"t": 3.0}, "levels": {"0": 5},
    } | changes  # fmt: skip


def read(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_page_and_its_health() -> None:
    board = Board(title="cql-1")
    page = Page(board, 0)
    try:
        assert page.address.startswith("http://127.0.0.1:")
        assert read(f"{page.address}/health") == (503, '{"state": "starting", "alarms": []}')
        board.put(status())
        code, text = read(f"{page.address}/health")
        assert (code, json.loads(text)["state"]) == (200, "ok")
        assert json.loads(text)["lag"] is None
        board.put(status(alarms=["budget t: too much"]))
        code, text = read(f"{page.address}/health")
        assert (code, json.loads(text)["alarms"]) == (503, ["budget t: too much"])
        points = json.loads(read(f"{page.address}/points")[1])
        assert (points["title"], len(points["points"])) == ("cql-1", 2)
        code, text = read(page.address)
        assert code == 200
        assert "Cost control" in text
        # It loads nothing from elsewhere.
        assert "https://" not in text
        assert read(f"{page.address}/nope")[0] == 404
        with pytest.raises(UserError, match="cannot be used"):
            Page(board, int(page.address.rpartition(":")[2]))
    finally:
        page.close()


def test_alarms_by_hand() -> None:
    position = Position(np.array([100.0, 50, np.inf]), np.array([20.0, 40, 5]),
                        np.array([10.0, 20, 5]))  # fmt: skip
    planned = np.array([25.0, 58, 0])
    names = ["calm", "cut", "free"]
    found = alarms(names, position, planned, {}, 5.0, Bands(pace=0.1, lag=60))
    assert found == ["budget cut: 60.00 is used of 50.00; nothing is sent"]
    counts = {"late": 2, "late_units": 300, "conflicts": 1}
    found = alarms(names, position, np.array([50.0, 58, 0]), counts, 61.0, Bands(0.1, 60))
    assert found[0] == "budget calm: spend is 20% of the budget below its plan"
    assert "decisions come 61 s after their requests" in found
    assert "2 redemptions came after their money had gone back; raise grace" in found
    assert "1 redemptions came twice with different amounts" in found
