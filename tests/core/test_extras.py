"""What extras bring, and what is said of a package that is not there."""

import re
import tomllib
from pathlib import Path

import pytest

from sizewise.core import extras
from sizewise.core.errors import MissingExtra
from sizewise.core.extras import PACKAGES, missing, require
from sizewise.core.registry import ENCODERS, RUNTIMES, Registry

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {re.match(r"[\w-]+", one)[0] for one in requirements} - {"sizewise"}


def test_the_table_is_that_of_the_project_file():
    listed = {
        name: extra
        for extra in ("runtime", "serve", "study", "train")
        for name in names(PROJECT["optional-dependencies"][extra])
    }
    assert dict(PACKAGES.values()) == listed
    assert not names(PROJECT["dependencies"]) & set(listed)


def test_what_is_installed_is_not_asked_for():
    require("scipy", "this test")


def test_what_is_not_installed_is_named_before_it_is_needed(monkeypatch):
    monkeypatch.setitem(PACKAGES, "no_such_module_here", ("no-such", "study"))
    with pytest.raises(MissingExtra) as found:
        require("no_such_module_here", "this test")
    assert str(found.value) == "this test needs no-such; install it with: pip install 'sizewise[study]'"
    assert found.value.exit_code == 2


def test_a_class_whose_package_is_missing_is_not_even_looked_for(monkeypatch):
    monkeypatch.setitem(PACKAGES, "no_such_module_here", ("no-such", "runtime"))
    made = Registry("runtime", {"swift": "no.such.place:Swift"}, needs={"swift": "no_such_module_here"})
    with pytest.raises(MissingExtra, match=r"^runtime 'swift' needs no-such; .*'sizewise\[runtime\]'$"):
        made.get("swift")


@pytest.mark.parametrize("built_in", [ENCODERS, RUNTIMES])
def test_what_built_in_classes_run_on_is_in_the_table(built_in):
    assert built_in._needs
    assert set(built_in._needs) <= set(built_in._builtin)
    assert set(built_in._needs.values()) <= set(PACKAGES)


@pytest.mark.parametrize(
    ("name", "package"),
    [("sklearn.cluster", "scikit-learn"), ("scikit-learn", "scikit-learn"), ("torch", "torch"), ("onnx", "onnx")],
)
def test_imports_and_looks_at_versions_lead_to_the_package(name, package):
    found = missing(ModuleNotFoundError("gone", name=name), "this command")
    assert str(found) == f"this command needs {package}; install it with: pip install 'sizewise[study]'"


@pytest.mark.parametrize("name", [None, "sizewise.nothing", "torchish", "numpy"])
def test_other_modules_that_are_missing_are_no_extra(name):
    assert missing(ModuleNotFoundError("gone", name=name), "this command") is None


def test_a_version_that_is_asked_for_leads_there_too(monkeypatch):
    from importlib.metadata import version

    monkeypatch.setattr(extras, "PACKAGES", {"gone_here": ("gone-here", "runtime")})
    with pytest.raises(ModuleNotFoundError) as found:
        version("gone-here")
    assert "sizewise[runtime]" in str(missing(found.value, "it"))
