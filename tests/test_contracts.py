"""What every analyzer of the catalogue promises. Grows with the catalogue by itself; nothing here names one."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import pickle
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import pytest
import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from analyzers.base import (
    AnalyzerConfig,
    AnalyzerResult,
    AnyAnalyzer,
    Context,
    NotApplicable,
    Unavailable,
)
from analyzers.catalogue import CATALOGUE, RETIRED, analyzer_class, names
from deployments.settings import GraphArgs
from media.needs import Needs
from media.types import AudioChunk, AudioClip, FrameChunk
from ops.strict_config import OTHER_DEPLOYMENTS, check_serve_config
from schema.base import Model, TimedSpan
from schema.document import AudioFacts, VideoFacts
from tests.made_speech import RATE_HZ, Syllable, speech
from tests.run import frame_chunks

ROOT = Path(__file__).resolve().parents[1]
SERVE_FILES = tuple(sorted(ROOT.glob("serve_config*.yaml")))

HEAVY: tuple[str, ...] = (
    "av",
    "cv2",
    "ctranslate2",
    "decord",
    "faster_whisper",
    "librosa",
    "numba",
    "onnxruntime",
    "rapidocr",
    "ray",
)
HEAVY += ("scipy", "skimage", "sklearn", "torch", "transformers", "ultralytics", "fastapi", "starlette")

SOURCE = re.compile(r"\b(18|19|20)\d\d\b|\b(ITU|EBU|ISO|IEC|RFC|SMPTE|arXiv)\b|\bSource\b")
"""How a docstring names where its method comes from: a publication's year, a standard's body, or the word."""

OBSERVATION_BYTES = 1_000_000
"""Observations are small: they travel to the ingress and wait there until the end. A picture of 1080 x 1920 has six
times as much."""

ROUNDING = 2e-4
"""Of observations in which shares are rounded to four decimals."""

every_analyzer = pytest.mark.parametrize("cls", CATALOGUE, ids=lambda cls: cls.name)

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


# ------------------------------------------------------------------------------------------------------ behaviour

FPS = 10.0
CHUNK_S = 1.0


@cache
def moving_picture() -> np.ndarray[Any, Any]:
    """3 s of uint8 RGB (30, 320, 180, 3): a texture that drifts to the left, a hard cut at 1.5 s, a caption."""
    import cv2

    noise = np.random.default_rng(7).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8)
    worlds = [cv2.resize(n, (480, 320), interpolation=cv2.INTER_CUBIC) for n in noise]
    frames = []
    for i in range(30):
        frame = worlds[i // 15][:, 4 * i : 4 * i + 180].copy()
        cv2.putText(frame, "HELLO", (20, 280), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 3)
        frames.append(frame)
    return np.stack(frames)


@cache
def talk_and_clicks() -> np.ndarray[Any, Any]:
    """3 s float32 at 16 kHz: two bursts of syllables with a pause, and a soft click every half second (120/min)."""
    starts = [0.2 + 0.21 * i for i in range(5)] + [1.75 + 0.21 * i for i in range(5)]
    talk = speech([Syllable(s, f0_hz=110.0 + 8.0 * (i % 4), vowel="aieo"[i % 4]) for i, s in enumerate(starts)], 3.0)
    t = np.arange(len(talk)) / RATE_HZ
    return (talk + 0.05 * np.exp(-200.0 * (t % 0.5)) * np.sin(2 * np.pi * 1500.0 * t)).astype(np.float32)


def chunks_for(
    analyzer: AnyAnalyzer, frames: np.ndarray[Any, Any], samples: np.ndarray[Any, Any], chunk_s: float = CHUNK_S
) -> list[FrameChunk] | list[AudioChunk]:
    """What the decoder would deliver for the analyzer's needs, with the observations that it reads."""
    needs = analyzer.needs()
    if needs.audio:
        clips = tuple(sound(samples, n.rate_hz, n.channels) for n in needs.audio)
        return [AudioChunk(clips, {k: v[0] for k, v in upstream_of(analyzer, frames, samples, chunk_s).items() if v})]
    if not needs.frames:
        return []
    chunks = [c for c in frame_chunks(frames, FPS, needs.frames, chunk_s) if sum(len(b) for b in c.batches)]
    read = upstream_of(analyzer, frames, samples, chunk_s)
    return [dataclasses.replace(c, upstream={k: v[c.index] for k, v in read.items() if c.index in v}) for c in chunks]


def upstream_of(
    analyzer: AnyAnalyzer, frames: np.ndarray[Any, Any], samples: np.ndarray[Any, Any], chunk_s: float
) -> dict[str, dict[int, Any]]:
    """By name and chunk, what those observe that the analyzer reads; nothing of one that cannot run here."""
    read: dict[str, dict[int, Any]] = {}
    for name in type(analyzer).upstream:
        if (other := loaded(analyzer_class(name))) is not None:
            chunks = chunks_for(other, frames, samples, chunk_s)
            seen = zip(chunks, other.observe(chunks), strict=True)
            read[name] = {getattr(chunk, "index", 0): observation for chunk, observation in seen}
    return read


@cache
def loaded(cls: type[AnyAnalyzer]) -> AnyAnalyzer | None:
    """The analyzer, ready; None where its weights are missing."""
    analyzer = cls(cls.Config())
    try:
        analyzer.load()
    except Unavailable:
        return None
    return analyzer


def sound(samples: np.ndarray[Any, Any], rate_hz: int, channels: int) -> AudioClip:
    count = max(1, round(len(samples) * rate_hz / RATE_HZ))
    mono = np.interp(np.arange(count) / rate_hz, np.arange(len(samples)) / RATE_HZ, samples).astype(np.float32)
    return AudioClip(np.ascontiguousarray(np.stack([mono, mono], 1)) if channels == 2 else mono, rate_hz)


def facts(duration_s: float) -> VideoFacts:
    return VideoFacts(
        container="arrays",
        duration_s=duration_s,
        width=180,
        height=320,
        frame_rate=FPS,
        video_streams=1,
        audio_streams=1,
        audio=AudioFacts(codec="pcm", sample_rate_hz=RATE_HZ, channels=1),
    )


@dataclasses.dataclass(frozen=True)
class Run:
    """One analyzer on the made clip; ``result`` is None where it does not apply."""

    analyzer: AnyAnalyzer
    chunks: Sequence[Any]
    observations: list[Any]
    context: Context
    result: AnalyzerResult | None


@cache
def run_on_made_clip(cls: type[AnyAnalyzer]) -> Run:
    analyzer = cls(cls.Config())
    try:
        analyzer.load()
    except Unavailable as unavailable:
        pytest.skip(unavailable.reason)
    chunks = chunks_for(analyzer, moving_picture(), talk_and_clicks())
    observations = analyzer.observe(chunks) if chunks else []
    context = Context(facts(3.0), *results_of(cls.after))
    return Run(analyzer, chunks, observations, context, concluded(analyzer, observations, context))


def results_of(wanted: Iterable[str]) -> tuple[dict[str, AnalyzerResult], dict[str, str]]:
    by_name = {cls.name: cls for cls in CATALOGUE}
    runs = {name: run_on_made_clip(by_name[name]).result for name in wanted}
    return (
        {name: result for name, result in runs.items() if result is not None},
        {name: "not_applicable: the made clip has none" for name, result in runs.items() if result is None},
    )


def concluded(analyzer: AnyAnalyzer, observations: Sequence[Any], context: Context) -> AnalyzerResult | None:
    try:
        result = analyzer.conclude(observations, context)
    except (NotApplicable, Unavailable) as caught:
        refusal = caught
    else:
        assert type(result) is type(analyzer).Result
        return result
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", refusal.code)
    assert refusal.reason
    assert isinstance(refusal, NotApplicable) or (refusal.remedy and context.missing)
    return None


@every_analyzer
def test_as_many_observations_as_chunks(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    assert len(run.observations) == len(run.chunks)
    if run.chunks:
        assert run.analyzer.observe([]) == []


@every_analyzer
def test_observing_is_pure_in_each_chunk(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if not run.chunks:
        pytest.skip("observes nothing itself")
    other = cls(cls.Config())
    other.load()
    backwards = [other.observe([chunk])[0] for chunk in reversed(run.chunks)]
    # Networks sum in another order in batches of another size.
    assert same(list(reversed(backwards)), run.observations, ROUNDING if run.analyzer.wanted_models() else 0.0)


@every_analyzer
def test_observations_pickle_and_are_small(cls: type[AnyAnalyzer]) -> None:
    for observation in run_on_made_clip(cls).observations:
        packed = pickle.dumps(observation)
        assert same(pickle.loads(packed), observation)
        assert len(packed) < OBSERVATION_BYTES


@every_analyzer
def test_concluding_again_gives_the_same(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    travelled = pickle.loads(pickle.dumps(run.observations))
    assert concluded(run.analyzer, travelled, run.context) == run.result


@every_analyzer
def test_the_result_does_not_depend_on_where_chunks_end(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if not run.analyzer.needs().frames:
        pytest.skip("has one chunk only")
    for chunk_s in (0.5, 3.0):
        chunks = chunks_for(run.analyzer, moving_picture(), talk_and_clicks(), chunk_s)
        result = concluded(run.analyzer, run.analyzer.observe(chunks), run.context)
        assert (result is None) == (run.result is None)
        if result is not None and run.result is not None:
            assert differences(result.model_dump(), run.result.model_dump()) == []


@every_analyzer
def test_the_result_survives_json_and_pickle(cls: type[AnyAnalyzer]) -> None:
    result = run_on_made_clip(cls).result
    if result is None:
        pytest.skip("does not apply to the made clip; its own tests cover its results")
    assert cls.Result.model_validate_json(result.model_dump_json()) == result
    assert pickle.loads(pickle.dumps(result)) == result


@every_analyzer
def test_times_are_sorted_and_inside_the_video(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if run.result is None:
        pytest.skip("does not apply to the made clip; its own tests cover its results")
    assert not time_problems(run.result.model_dump(), run.context.video.duration_s)


@every_analyzer
def test_the_timeline_is_readable_and_inside_the_video(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if run.result is None:
        pytest.skip("does not apply to the made clip; its own tests cover its results")
    for item in run.analyzer.timeline(run.result):
        assert item.analyzer == cls.name
        assert item.label.strip()
        assert 0.0 <= item.start_time < item.end_time <= run.context.video.duration_s + 1e-6
    headline = run.analyzer.headline(run.result)
    assert headline is None or (headline.strip() == headline != "" and "\n" not in headline)


@every_analyzer
def test_a_lost_chunk_does_not_stop_the_conclusion(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    if len(run.observations) < 3:
        pytest.skip("has one chunk only")
    context = dataclasses.replace(run.context, gaps=((1.0, 2.0),))
    result = concluded(run.analyzer, [run.observations[0], *run.observations[2:]], context)
    assert result is None or not time_problems(result.model_dump(), 3.0)


@every_analyzer
def test_nothing_observed_does_not_raise(cls: type[AnyAnalyzer]) -> None:
    run = run_on_made_clip(cls)
    context = Context(facts(3.0), missing=dict.fromkeys(cls.after, "failed: made to fail"), gaps=((0.0, 3.0),))
    result = concluded(run.analyzer, [], context)
    assert result is None or not time_problems(result.model_dump(), 3.0)


@every_analyzer
def test_one_black_frame_and_a_moment_of_silence_do_not_raise(cls: type[AnyAnalyzer]) -> None:
    analyzer = run_on_made_clip(cls).analyzer
    black, silence = np.zeros((1, 320, 180, 3), np.uint8), np.zeros(round(RATE_HZ / FPS), np.float32)
    chunks = chunks_for(analyzer, black, silence)
    observations = analyzer.observe(chunks) if chunks else []
    context = Context(facts(1 / FPS), missing=dict.fromkeys(cls.after, "not_applicable: too short"))
    result = concluded(analyzer, observations, context)
    assert result is None or not time_problems(result.model_dump(), 1 / FPS)


def time_problems(value: Any, duration_s: float, where: str = "result") -> list[str]:
    """Spans and moments outside the video, and lists of them that are not in order."""
    found: list[str] = []
    if isinstance(value, Mapping):
        for key in ("start_time", "end_time", "timestamp"):
            time_s = value.get(key)
            if isinstance(time_s, float) and not 0.0 <= time_s <= duration_s + 1e-6:
                found.append(f"{where}.{key} = {time_s} is outside [0, {duration_s}]")
        for key, inner in value.items():
            found += time_problems(inner, duration_s, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for key in ("start_time", "timestamp"):
            times = [v[key] for v in value if isinstance(v, Mapping) and isinstance(v.get(key), float)]
            if times != sorted(times):
                found.append(f"{where} is not sorted by {key}")
        for i, inner in enumerate(value):
            found += time_problems(inner, duration_s, f"{where}[{i}]")
    return found


def differences(a: Any, b: Any, where: str = "result") -> list[str]:
    """Where two dumped results differ by more than the rounding of sums taken in another order."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [found for key in a for found in differences(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{where}[{i}]")]
    if isinstance(a, float) and isinstance(b, float):
        return [] if math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) else [f"{where}: {a} and {b}"]
    return [] if a == b else [f"{where}: {a!r} and {b!r}"]


def same(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Equality that looks into dataclasses and arrays, and holds NaN equal to NaN; floats within ``tolerance``."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype.kind != "f":
            return a.dtype == b.dtype and np.array_equal(a, b)
        near = a.shape == b.shape and np.allclose(a, b, rtol=0.0, atol=tolerance, equal_nan=True)
        return a.dtype == b.dtype and bool(near)
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name), tolerance) for f in dataclasses.fields(a))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k], tolerance) for k in a)
    if isinstance(a, float):
        return abs(a - b) <= tolerance or (a != a and b != b)
    return bool(a == b)


# --------------------------------------------------------------------------------------------- around the catalogue


def test_importing_the_catalogue_is_light() -> None:
    code = f"import sys, analyzers.catalogue, analyzers.host; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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


def test_the_checks_find_wrong_times() -> None:
    span = {"start_time": 0.0, "end_time": 1.0}
    later = {"start_time": 0.5, "end_time": 1.0}
    assert time_problems({"a": [span, later]}, 1.0) == []
    assert time_problems({"a": [later, span]}, 1.0) == ["result.a is not sorted by start_time"]
    assert time_problems({"a": [span]}, 0.9) == ["result.a[0].end_time = 1.0 is outside [0, 0.9]"]
    assert time_problems({"timestamp": -0.1}, 1.0) == ["result.timestamp = -0.1 is outside [0, 1.0]"]


def test_the_comparison_of_results_tells_them_apart() -> None:
    assert differences({"a": [1.0, "x"]}, {"a": [1.0 + 1e-9, "x"]}) == []
    assert differences({"a": [1.0]}, {"a": [1.0001]}) == ["result.a[0]: 1.0 and 1.0001"]
    assert differences({"a": [1.0]}, {"a": []}) == ["result.a: [1.0] and []"]


def test_the_comparison_tells_arrays_apart() -> None:
    a = (np.array([1.0, np.nan]), {"k": [1, float("nan")]})
    assert same(a, pickle.loads(pickle.dumps(a)))
    assert not same(a, (np.array([1.0, 2.0]), {"k": [1, float("nan")]}))
    assert not same(np.zeros(2, np.float32), np.zeros(2, np.float64))
