"""Which study a server tells of, and who serves its candidates."""

from types import SimpleNamespace

from sizewise.serve.study import study_of


def served(name, candidate, study=None, chosen=None):
    certified = {"candidate": candidate, "study": study} | ({"chosen": chosen} if chosen else {})
    return SimpleNamespace(name=name, certified=certified)


def study(minimise="p95_ms", **scores):
    rows = [{"candidate": name, "quality": score, "cost": 1.0, "state": "frontier"} for name, score in scores.items()]
    return {"name": "a", "minimise": minimise, "rows": rows}


def test_names_by_candidate():
    own, again = study(small=50.0, large=60.0), study("memory_mb", small=50.0, large=60.0)
    other = study(small=51.0, large=60.0)
    found = study_of(
        [
            served("first", "large"),  # of no run
            served("second", "small", own),
            served("third", "small", again),  # of the same run, decided under other terms
            served("fourth", "large", other),  # of another run
            served("fifth", "large-settled", own, chosen="large"),
        ]
    )
    assert found["minimise"] == "p95_ms"
    assert {row["candidate"]: row["served_as"] for row in found["rows"]} == {
        "small": ["second", "third"],
        "large": ["fifth"],
    }
    assert "served_as" not in own["rows"][0], "certificates are left as they are"


def test_no_bundle_of_a_run():
    assert study_of([served("first", "large"), served("second", "small", {})]) is None
