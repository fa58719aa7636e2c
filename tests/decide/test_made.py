"""Made models are recommended only where they hold up against what they were made from."""

from dataclasses import replace

import pytest

from sizewise.decide.evidence import Origin
from sizewise.decide.recommend import choose, infeasible
from sizewise.decide.terms import Terms

LATENCY = Terms("p95_ms")


@pytest.mark.parametrize(
    ("means", "must_gain", "withheld"),
    [
        ((0.6, 0.6), False, False),
        ((0.6, 0.5), False, True),
        ((0.6, 0.6), True, True),
        ((0.6, 0.7), True, False),
        ((0.6, 0.5), True, True),
    ],
)
def test_a_made_model_must_hold_up_against_what_it_was_made_from(make, noisy, round_trip, means, must_gain, withheld):
    big, small = (({"p95_ms": cost}, [noisy(400, mean)]) for cost, mean in zip((9.0, 1.0), means, strict=True))
    found = make({"big": big, "small": small})
    found = round_trip(replace(found, origins={"small": Origin("big", must_gain, "big")}))
    reasons = infeasible(found, Terms("p95_ms"))
    assert ("small" in reasons) is withheld
    assert choose(found, Terms("p95_ms")).candidate == ("big" if withheld else "small")
    if withheld:
        what = "no gain" if must_gain else "no loss within the margin"
        assert reasons["small"] == f"made from big, it shows {what} against it on task0"
    if not must_gain and withheld:
        assert choose(found, Terms("p95_ms", margin=20)).candidate == "small", "under a margin that allows the loss"


def test_a_made_model_without_what_it_was_made_from_is_not_recommended(make, noisy):
    found = make({"big": ({"p95_ms": 9.0}, [noisy(400, 0.5)]), "small": ({"p95_ms": 1.0}, [noisy(400, 0.5)])})
    found = replace(found, origins={"small": Origin(None, must_gain=False, named="./gone")})
    assert infeasible(found, Terms("p95_ms")) == {
        "small": "it was made from ./gone, which is not here to be compared with"
    }
