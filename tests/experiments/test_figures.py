"""Figures of runs that have just begun, and of finished ones."""

import xml.etree.ElementTree as ET

import pytest

from bcrlsp.experiments.figures import curves, percent, shares
from bcrlsp.experiments.summary import Mean, mean_of


@pytest.mark.parametrize("places", [(0.5,), (0.5, 1.0, 2.0)])
@pytest.mark.parametrize("log", [False, True])
def test_a_line_has_a_point_for_each_value(places: tuple[float, ...], log: bool) -> None:
    line = {at: mean_of([0.3 + 0.1 * at, 0.32 + 0.1 * at]) for at in places}
    bound = {at: Mean(0.6, 0.0) for at in places}
    drawn = curves(
        "title",
        {"ours": line, "bound": bound},
        across="budget",
        up="retention",
        write=percent,
        log=log,
        faint=("bound",),
    )
    root = ET.fromstring(drawn)
    text = [each.text for each in root.iter() if each.text and each.text.strip()]
    for at in places:
        assert percent(at) in text
    assert "nan" not in drawn
    assert drawn == curves(
        "title", {"ours": line, "bound": bound}, across="budget", up="retention", write=percent,
        log=log, faint=("bound",),
    )  # fmt: skip
    assert {"ours", "bound"} <= set(text)


def test_a_dot_a_contender_and_none_without_a_score() -> None:
    drawn = shares("title", [("ours", Mean(0.9, 0.01)), ("myopic", Mean(float("nan"), 0.0))])
    text = [each.text for each in ET.fromstring(drawn).iter() if each.text]
    assert {"ours", "90 %"} <= set(text)
    assert "myopic" not in text
