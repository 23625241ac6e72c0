"""Which analyzers run when some are asked for, and what is said about names that are not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers import catalogue
from analyzers.base import AnyAnalyzer
from analyzers.lookup import import_analyzer
from schema.errors import RetiredAnalyzer, UnknownAnalyzer
from tests.child_processes import run_python


class Stub:
    """Stands for an analyzer class: its name and what it comes after."""

    def __init__(self, name: str, after: Sequence[str] = ()) -> None:
        self.name = name
        self.after = tuple(after)


@pytest.fixture
def diamond(monkeypatch: pytest.MonkeyPatch) -> None:
    """``d`` comes after ``b`` and ``c``, both after ``a``; ``e`` stands alone."""
    set_catalogue(monkeypatch, [Stub("a"), Stub("b", "a"), Stub("c", "a"), Stub("d", "bc"), Stub("e")])


def set_catalogue(monkeypatch: pytest.MonkeyPatch, stubs: Sequence[Any]) -> None:
    monkeypatch.setattr(catalogue, "_BY_NAME", {stub.name: stub for stub in stubs})


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ([], ""),
        (["a"], "a"),
        (["b"], "ab"),
        (["d"], "abcd"),
        (["e", "b"], "abe"),
        (["d", "d"], "abcd"),
        (["e", "d", "c", "b", "a"], "abcde"),
    ],
)
def test_asking_for_one_brings_what_it_needs_in_document_order(
    diamond: None, requested: list[str], expected: str
) -> None:
    assert catalogue.closure(requested) == tuple(expected)


def test_only_available_ones_are_brought_in(diamond: None) -> None:
    assert catalogue.closure(["d"], available=["b", "d"]) == ("b", "d")
    assert catalogue.closure(["d"], available=[]) == ("d",)


def test_what_is_behind_an_unavailable_one_stays_out(diamond: None) -> None:
    assert catalogue.closure(["d"], available=["a", "d"]) == ("d",)


def test_an_unknown_name_is_refused_with_those_there_are(diamond: None) -> None:
    with pytest.raises(UnknownAnalyzer, match="'cut_analysys'; there are: a, b, c, d, e"):
        catalogue.closure(["a", "cut_analysys"])


@pytest.mark.parametrize("name", sorted(catalogue.RETIRED))
def test_a_retired_name_is_refused_with_its_replacement(name: str) -> None:
    replacement = catalogue.RETIRED[name]
    with pytest.raises(RetiredAnalyzer, match=f"'{name}' is retired; '{replacement}'") as caught:
        catalogue.closure([name])
    assert replacement in caught.value.action


def test_retired_names_are_not_in_use() -> None:
    assert not set(catalogue.RETIRED) & set(catalogue.names())
    assert not set(catalogue.RETIRED) & set(catalogue.RETIRED.values())


def test_names_are_in_document_order() -> None:
    assert catalogue.names() == tuple(cls.name for cls in catalogue.CATALOGUE)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Stub], list[str]]:
    """An acyclic catalogue (each stands behind all that it comes after) and a request."""
    size = draw(st.integers(1, 8))
    stubs = [Stub(f"n{i}", [f"n{j}" for j in draw(st.sets(st.integers(0, i - 1)))] if i else []) for i in range(size)]
    return stubs, draw(st.lists(st.sampled_from([s.name for s in stubs])))


@given(graphs())
def test_the_closure_is_the_smallest_closed_set_in_order(case: tuple[list[Stub], list[str]]) -> None:
    stubs, requested = case
    by_name = {stub.name: stub for stub in stubs}

    def reach(name: str) -> set[str]:
        return {name}.union(*(reach(a) for a in by_name[name].after))

    expected = set[str]().union(*(reach(name) for name in requested))
    with pytest.MonkeyPatch.context() as patch:
        set_catalogue(patch, stubs)
        got = catalogue.closure(requested)
        assert set(got) == expected
        assert list(got) == [stub.name for stub in stubs if stub.name in expected]
        assert catalogue.closure(got) == got


@pytest.mark.parametrize("cls", catalogue.CATALOGUE, ids=lambda cls: cls.name)
def test_each_is_found_in_the_module_of_its_name(cls: type[AnyAnalyzer]) -> None:
    assert import_analyzer(cls.name) is cls


def test_one_analyzer_comes_without_the_others() -> None:
    code = "import sys; from analyzers.lookup import import_analyzer; import_analyzer('cut_analysis'); "
    code += "print('analyzers.catalogue' in sys.modules, 'analyzers.temporal_flow' in sys.modules)"
    assert run_python("-c", code).split() == ["False", "False"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("auroracap", RetiredAnalyzer),
        ("nothing", UnknownAnalyzer),
        ("base", UnknownAnalyzer),  # a module, but of no analyzer
        ("vision.boxes", UnknownAnalyzer),
        ("", UnknownAnalyzer),
    ],
)
def test_what_no_module_holds_is_refused_as_the_catalogue_does(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        import_analyzer(name)
