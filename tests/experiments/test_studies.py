"""The cases that the settings ask for."""

from bcrlsp.experiments.settings import Settings
from bcrlsp.experiments.studies import COMPARISON, NO_SEND, NOISE, cases
from bcrlsp.market.settings import Settings as MarketSettings

MARKET = MarketSettings()


def test_each_varied_setting_is_a_case_and_the_usual_one_is_the_comparisons_scenario() -> None:
    found = list(cases(Settings(noises=(0.0, 1.0), no_send_probabilities=(0.02, 0.5)), MARKET))
    (usual,) = (case for case in found if case.study == COMPARISON)
    noises = {case.at: case.market.behaviour for case in found if case.study == NOISE}
    assert {at: behaviour.noise for at, behaviour in noises.items()} == {0.0: 0.0, 1.0: 1.0}
    no_send_probabilities = {case.at: case for case in found if case.study == NO_SEND}
    rare = no_send_probabilities[0.02].market.behaviour
    assert (rare.no_send_probability, rare.noise) == (0.02, MARKET.behaviour.noise)
    # Some histories would have a chance below 0 otherwise.
    assert rare.no_send_variation < rare.no_send_probability
    # Played once for both studies: results are kept by what they follow from.
    assert no_send_probabilities[0.5].market == usual.market
    assert "exact_filter" in no_send_probabilities[0.02].contenders
