"""Names to classes: built-in ones, third parties' by entry point, and what an unknown one says."""

from importlib.metadata import EntryPoint

import pytest

from sizewise.core import registry
from sizewise.core.errors import InputError, RunError
from sizewise.core.registry import ENCODERS, RUNTIMES, TASKS, TRANSFORMS, Registry


@pytest.fixture
def plugins(monkeypatch):
    """Makes entry points appear to be installed; returns the groups that were asked for."""
    asked = []

    def install(*points):
        def found(*, group):
            asked.append(group)
            return [EntryPoint(name, value, group) for name, value in points]

        monkeypatch.setattr(registry, "entry_points", found)
        return asked

    return install


@pytest.mark.parametrize("built_in", [ENCODERS, RUNTIMES, TRANSFORMS, TASKS])
def test_every_built_in_name_leads_to_a_class(built_in):
    for name in built_in._builtin:
        assert isinstance(built_in.get(name), type)
        assert name in built_in


def test_third_parties_add_classes(plugins):
    asked = plugins(("ordered", "collections:OrderedDict"), ("a", "os.path:join"))
    made = Registry("transform", {"int8": "sizewise.transform.quantize:Int8"})
    assert made.names() == ["int8", "a", "ordered"]
    assert "ordered" in made
    assert made.get("ordered").__name__ == "OrderedDict"
    assert asked == ["sizewise.transforms"]


def test_third_parties_cannot_replace_built_in_names(plugins):
    plugins(("int8", "collections:OrderedDict"))
    made = Registry("transform", {"int8": "sizewise.transform.quantize:Int8"})
    assert made.names() == ["int8"]
    assert made.get("int8").__name__ == "Int8"


def test_a_third_party_that_does_not_load_is_named(plugins):
    plugins(("gone", "no_such_module_here:Thing"), ("old", "collections:NoSuchThing"))
    made = Registry("encoder", {})
    with pytest.raises(RunError, match=r"encoder 'gone' \(no_such_module_here:Thing\) cannot be loaded: No module"):
        made.get("gone")
    with pytest.raises(RunError, match=r"encoder 'old' \(collections:NoSuchThing\) cannot be loaded"):
        made.get("old")


def test_unknown_names_are_answered_with_the_nearest_or_with_all(plugins):
    plugins()
    made = Registry("transform", {"truncate": "a:b", "binary": "a:c"})
    with pytest.raises(InputError, match=r"^unknown transform 'binray'; did you mean binary\?$"):
        made.get("binray")
    with pytest.raises(InputError, match=r"^unknown transform 'xyz'; there are: truncate, binary$"):
        made.get("xyz")
    assert "xyz" not in made


def test_a_third_partys_encoder_and_transform_are_found(plugins, monkeypatch):
    """Through the very registries that candidates are resolved with."""
    from sizewise.core.grammar import parse
    from sizewise.encode.resolve import resolve
    from sizewise.transform.chain import check_steps

    plugins(("hash", "collections:namedtuple"))
    monkeypatch.setattr("sizewise.encode.resolve.ENCODERS", Registry("encoder", {}))
    with pytest.raises(InputError, match="unknown kind of encoder 'other' in 'other:x'; there are: hash"):
        resolve(parse("other:x").model)
    monkeypatch.setattr("sizewise.transform.chain.TRANSFORMS", Registry("transform", {}))
    with pytest.raises(InputError, match="unknown transform 'hasch'; did you mean hash"):
        check_steps(parse("m+hasch").steps, 8)
