"""What every analyzer of the catalogue declares. Grows with the catalogue by itself; nothing here names one."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from analyzers.base import AnalyzerConfig, AnalyzerResult, AnyAnalyzer, NotApplicable, Unavailable
from analyzers.catalogue import CATALOGUE, RETIRED, analyzer_class, names
from deployments.settings import GraphArgs
from media.needs import Needs
from ops.strict_config import OTHER_DEPLOYMENTS, check_serve_config
from schema.base import Model, TimedSpan
from tests.child_processes import run_python
from tests.contract_runs import every_analyzer

ROOT = Path(__file__).resolve().parents[1]
SERVE_FILES = tuple(sorted(ROOT.glob("serve_config*.yaml")))

HEAVY = (
    *("av", "ctranslate2", "cv2", "decord", "fastapi", "faster_whisper", "librosa", "numba", "onnxruntime", "rapidocr"),
    *("ray", "scipy", "skimage", "sklearn", "starlette", "torch", "transformers", "ultralytics"),
)

SOURCE = re.compile(r"\b(18|19|20)\d\d\b|\b(ITU|EBU|ISO|IEC|RFC|SMPTE|arXiv)\b|\bSource\b")
"""How a docstring names where its method comes from: a publication's year, a standard's body, or the word."""

# --------------------------------------------------------------------------------------------------- declarations


def test_the_catalogue_is_not_empty() -> None:
    assert CATALOGUE


def test_names_are_unique() -> None:
    assert len({cls.name for cls in CATALOGUE}) == len(CATALOGUE)
    assert not {cls.name for cls in CATALOGUE} & set(RETIRED)


@every_analyzer
def test_an_analyzer_declares_itself(cls: type[AnyAnalyzer]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", cls.name)
    assert re.fullmatch(r"\d+(\.\d+){0,2}", cls.version)
    assert cls.title.strip() == cls.title != ""
    assert "\n" not in cls.title
    assert isinstance(cls.models, tuple)
    assert cls.load_fields <= set(cls.Config.model_fields)
    assert issubclass(cls.Config, AnalyzerConfig)
    assert cls.Config is not AnalyzerConfig
    assert issubclass(cls.Result, AnalyzerResult)
    assert cls.Result is not AnalyzerResult


@every_analyzer
def test_an_analyzer_is_one_file_of_its_name(cls: type[AnyAnalyzer]) -> None:
    assert cls.__module__ == f"analyzers.{cls.name}"


@every_analyzer
def test_an_analyzer_has_its_own_test_file(cls: type[AnyAnalyzer]) -> None:
    assert (ROOT / "tests" / f"test_{cls.name}.py").is_file()


@every_analyzer
def test_what_an_analyzer_comes_after_stands_before_it(cls: type[AnyAnalyzer]) -> None:
    before = names()[: names().index(cls.name)]
    assert set(cls.after) | set(cls.uses) <= set(before)
    assert len({*cls.after, *cls.uses}) == len(cls.after) + len(cls.uses)


@every_analyzer
def test_an_analyzer_reads_observations_only_of_those_it_comes_after(cls: type[AnyAnalyzer]) -> None:
    assert set(cls.upstream) <= {*cls.after, *cls.uses}
    if cls.upstream:
        own, theirs = cls(cls.Config()).needs(), {name: analyzer_class(name) for name in cls.upstream}
        for other in theirs.values():
            needs = other(other.Config()).needs()
            assert (bool(needs.frames), bool(needs.audio)) == (bool(own.frames), bool(own.audio)), other.name
            # Spread frames have no chunk in common with others.
            assert not needs.is_spread, other.name
            assert not own.is_spread


@every_analyzer
def test_the_docstrings_say_what_and_where_from(cls: type[AnyAnalyzer]) -> None:
    text = inspect.getmodule(cls).__doc__ or ""
    assert len(text.split()) >= 20
    assert SOURCE.search(text), "the module's docstring names no publication, standard or source"
    assert cls.__doc__ != AnyAnalyzer.__doc__
    for part in (cls, cls.Config, cls.Result, *models_below(cls.Config), *models_below(cls.Result)):
        assert own_docstring(part), f"{part.__name__} has no docstring"


@every_analyzer
def test_needs_are_typed(cls: type[AnyAnalyzer]) -> None:
    needs = cls(cls.Config()).needs()
    assert isinstance(needs, Needs)
    assert hash(needs) == hash(cls(cls.Config()).needs())
    if not (needs.frames or needs.audio):
        assert cls.after, "needs neither pictures nor sound nor another's result"


def own_docstring(cls: type[Any]) -> str | None:
    return cls.__dict__.get("__doc__")


# --------------------------------------------------------------------------------------------------------- models


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def models_below(model: type[BaseModel]) -> list[type[BaseModel]]:
    """All models inside ``model``, at any depth, without itself."""
    found: dict[type[BaseModel], None] = {}
    todo = [model]
    while todo:
        for field in todo.pop().model_fields.values():
            for inner in models_in(field.annotation):
                if inner not in found:
                    found[inner] = None
                    todo.append(inner)
    return list(found)


@every_analyzer
def test_config_and_result_are_closed_and_frozen(cls: type[AnyAnalyzer]) -> None:
    for model in (cls.Config, cls.Result, *models_below(cls.Config), *models_below(cls.Result)):
        assert issubclass(model, Model), model.__name__
        assert model.model_config["extra"] == "forbid", model.__name__
        assert model.model_config["frozen"] is True, model.__name__
        assert model.model_config["allow_inf_nan"] is False, model.__name__


@every_analyzer
def test_an_unknown_setting_is_refused(cls: type[AnyAnalyzer]) -> None:
    with pytest.raises(ValidationError, match="no_such_setting"):
        cls.Config.model_validate({"no_such_setting": 1})


def unbounded(annotation: Any, metadata: Iterable[Any] = ()) -> Iterator[str]:
    """What of a setting has no bound: numbers below or above, text and lists in their length."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        flat = [m for entry in more for m in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]
        yield from unbounded(inner, [*metadata, *flat])
    elif get_origin(annotation) is Literal or annotation in (bool, type(None)):
        return
    elif annotation in (int, float):
        if not any(hasattr(m, "ge") or hasattr(m, "gt") for m in metadata):
            yield "no lower bound"
        if not any(hasattr(m, "le") or hasattr(m, "lt") for m in metadata):
            yield "no upper bound"
    elif annotation is str or get_origin(annotation) in (tuple, list, dict, frozenset, set):
        fixed = get_origin(annotation) is tuple and Ellipsis not in get_args(annotation)
        if not fixed and not any(hasattr(m, "max_length") or getattr(m, "pattern", None) for m in metadata):
            yield "no longest length"
        for argument in get_args(annotation):
            if argument is not Ellipsis:
                yield from unbounded(argument, () if argument is not str else [_Any()])
    else:
        # A model of its own is checked by itself; in a union the bounds stand beside each member or around all.
        for argument in get_args(annotation):
            yield from unbounded(argument, metadata)


class _Any:
    """Stands for the bound of text inside a list that has one."""

    max_length = 0


@every_analyzer
def test_every_setting_is_bounded(cls: type[AnyAnalyzer]) -> None:
    loose = [
        f"{model.__name__}.{name}: {problem}"
        for model in (cls.Config, *models_below(cls.Config))
        for name, field in model.model_fields.items()
        for problem in unbounded(field.annotation, field.metadata)
    ]
    assert not loose


@every_analyzer
def test_the_defaults_keep_their_own_bounds(cls: type[AnyAnalyzer]) -> None:
    assert cls.Config.model_validate(cls.Config().model_dump()) == cls.Config()


def documented_fields(model: type[BaseModel]) -> set[str]:
    """Fields of the model's own class body that have a docstring under them."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        statement.target.id
        for statement, below in zip(body.body, body.body[1:], strict=False)
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
        and len(below.value.value.split()) >= 4
    }


@every_analyzer
def test_every_setting_has_its_reason_under_it(cls: type[AnyAnalyzer]) -> None:
    for model in (cls.Config, *models_below(cls.Config)):
        own = set(model.model_fields) & set(inspect.get_annotations(model))
        assert own - documented_fields(model) == set(), model.__name__


@every_analyzer
def test_spans_in_results_are_spans(cls: type[AnyAnalyzer]) -> None:
    for model in (cls.Result, *models_below(cls.Result)):
        # A moment may have a span as well: a cut that is a dissolve. Its span is optional then.
        if {"start_time", "end_time"} <= {name for name, field in model.model_fields.items() if field.is_required()}:
            assert issubclass(model, TimedSpan), model.__name__


@every_analyzer
def test_settings_survive_json_and_pickle(cls: type[AnyAnalyzer]) -> None:
    config = cls.Config()
    assert cls.Config.model_validate_json(config.model_dump_json()) == config
    assert pickle.loads(pickle.dumps(config)) == config


# --------------------------------------------------------------------------------------------- around the catalogue


def test_importing_the_catalogue_is_light() -> None:
    code = f"import sys, analyzers.catalogue, analyzers.host; print([m for m in {HEAVY!r} if m in sys.modules])"
    said = run_python("-c", code)
    assert said.strip() == "[]"


@pytest.mark.parametrize("path", SERVE_FILES, ids=lambda path: path.name)
def test_a_serve_file_passes_the_strict_check(path: Path) -> None:
    assert check_serve_config(path, environment={}) == []


@pytest.mark.parametrize("path", SERVE_FILES, ids=lambda path: path.name)
def test_a_serve_file_has_a_block_for_each_of_its_analyzers(path: Path) -> None:
    (application,) = yaml.safe_load(path.read_text())["applications"]
    blocks = [deployment["name"] for deployment in application["deployments"]]
    active = GraphArgs.model_validate(application["args"]).active_analyzers
    assert sorted(blocks) == sorted([*OTHER_DEPLOYMENTS, *active])


@pytest.mark.parametrize(
    "refusal", [NotApplicable("no_speech", "nobody speaks"), Unavailable("weights_missing", "none here", "make models")]
)
def test_what_an_analyzer_raises_survives_pickle(refusal: NotApplicable | Unavailable) -> None:
    again = pickle.loads(pickle.dumps(refusal))
    assert type(again) is type(refusal)
    assert vars(again) == vars(refusal)


# --------------------------------------------------------------------------------------- the checks check something


class _Loose(Model):
    bounded: Annotated[float, "note"] = 0.0
    """Four words are here."""
    silent: int = 0
    text: str = ""
    kind: Literal["a", "b"] = "a"


def test_the_checks_find_what_is_loose() -> None:
    fields = {name: list(unbounded(f.annotation, f.metadata)) for name, f in _Loose.model_fields.items()}
    assert fields == {
        "bounded": ["no lower bound", "no upper bound"],
        "silent": ["no lower bound", "no upper bound"],
        "text": ["no longest length"],
        "kind": [],
    }
    assert documented_fields(_Loose) == {"bounded"}
