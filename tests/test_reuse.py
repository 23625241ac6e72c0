"""Sections of earlier analyses in new documents: what is computed again, and what is not, when something changes."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.catalogue import analyzer_class, names
from analyzers.color_analysis import ColorAnalysis
from analyzers.host import AnalyzerHost, Concluded, Fault
from analyzers.scene_segmentation import SceneSegmentation
from deployments.settings import GraphArgs
from jobs.cache import CacheSettings, SectionCache
from media.decode import video_decodes
from media.probe import probe
from ops.local import LocalRunner
from reducer.reuse import Decoders, section_keys, storable
from reducer.sections import Outcome
from schema.document import AnalysisDocument, Provenance, Section, VideoFacts
from tests.made_media import Sound, clicks, make_video

FPS, LENGTH_S, RATE_HZ = 25, 2.0, 16_000
PICTURES = ("cut_analysis", "scene_segmentation", "color_analysis")
RUN = (*PICTURES, "audio_analysis")
PYAV = Decoders("pyav 1", "pyav 1")
PROBE = functools.cache(probe)


def scenery(seed: int) -> np.ndarray[Any, Any]:
    """Coloured blotches, (64, 96, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return coarse.repeat(16, axis=0).repeat(16, axis=1)


def make_clip(path: Path, seed: int = 0, sound_s: float = LENGTH_S, faststart: bool = False) -> Path:
    """Two shots of a second each, under clicks."""
    pictures = [scenery(seed + 2 * (i >= FPS)) for i in range(round(LENGTH_S * FPS))]
    samples = clicks(np.arange(0.1, sound_s, 0.5), sound_s, RATE_HZ)
    return make_video(
        path,
        np.arange(len(pictures)) / FPS,
        pictures=pictures,
        sound=Sound(samples, RATE_HZ),
        container_options={"movflags": "faststart"} if faststart else None,
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(autouse=True)
def probed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is probed once by this module: the probe is a process of its own, and no part of what is tested."""
    monkeypatch.setattr("ops.local.probe", PROBE)


@pytest.fixture
def cache(tmp_path: Path) -> SectionCache:
    return SectionCache(tmp_path, CacheSettings())


@pytest.fixture
def concluded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of analyzers in the order in which they concluded."""
    ran: list[str] = []
    conclude = AnalyzerHost.conclude

    def noted(self: AnalyzerHost, *args: Any) -> Any:
        ran.append(self.describe().name)
        return conclude(self, *args)

    monkeypatch.setattr(AnalyzerHost, "conclude", noted)
    return ran


LOADED: dict[str, LocalRunner] = {}


def runner(cache: SectionCache | None, **configs: Mapping[str, Any]) -> LocalRunner:
    """Loaded once for each of its settings."""
    if repr(configs) not in LOADED:
        LOADED[repr(configs)] = LocalRunner(GraphArgs(analyzers=RUN, decode_threads=1), configs)
    found = LOADED[repr(configs)]
    found._cache = cache
    return found


def using(name: str) -> set[str]:
    """Analyzers that read ``name`` where it is run."""
    return {other for other in names() if name in analyzer_class(other).uses}


def readers_of(name: str, run: Iterable[str]) -> set[str]:
    """``name``, those of a run that read it, and those that read them."""
    found = {name}
    for other in names():
        if other in run and found & {*analyzer_class(other).after, *analyzer_class(other).uses}:
            found.add(other)
    return found


def content(document: AnalysisDocument) -> dict[str, Any]:
    """All that a reader learns about the video, without how and when it was made."""
    sections = {n: s.model_dump(exclude={"provenance", "requested"}) for n, s in document.sections.items()}
    return {"sections": sections, **document.model_dump(include={"timeline", "video", "summary", "quality", "status"})}


def test_the_same_bytes_again_cost_no_decode_and_no_analyzer(
    clip: Path, cache: SectionCache, tmp_path: Path, concluded: list[str]
) -> None:
    first = runner(cache).analyze(clip)
    assert first.performance.video_decodes == 1
    assert first.performance.sections_from_cache == 0
    assert sorted(concluded) == sorted(RUN)
    other_name = tmp_path / "another name.mp4"
    other_name.write_bytes(clip.read_bytes())
    decodes = video_decodes()
    again = runner(cache).analyze(other_name)
    assert video_decodes() == decodes
    assert again.performance.video_decodes == 0
    assert again.performance.sections_from_cache == len(RUN)
    assert again.performance.analyzers_ms == dict.fromkeys(RUN, 0.0)
    assert len(concluded) == len(RUN)
    assert content(again) == content(first)
    assert again.source.name == "another name.mp4"
    assert again.id != first.id


def test_a_section_from_the_cache_says_so_and_when_it_was_made(clip: Path, cache: SectionCache) -> None:
    before = datetime.now(timezone.utc)
    first = runner(cache).analyze(clip, ["color_analysis"]).section("color_analysis").provenance
    after = datetime.now(timezone.utc)
    second = runner(cache).analyze(clip, ["color_analysis"]).section("color_analysis").provenance
    assert not first.from_cache
    assert first.computed_at is None
    assert second.from_cache
    assert second.computed_at is not None
    assert before <= second.computed_at <= after
    assert second.model_copy(update={"from_cache": False, "computed_at": None}) == first


def test_other_bytes_are_another_video(clip: Path, cache: SectionCache, tmp_path: Path, concluded: list[str]) -> None:
    runner(cache).analyze(clip, ["color_analysis"])
    other = make_clip(tmp_path / "other.mp4", seed=5)
    assert runner(cache).analyze(other, ["color_analysis"]).performance.video_decodes == 1
    assert concluded == ["color_analysis"] * 2


def test_one_more_analyzer_runs_only_that_one(clip: Path, cache: SectionCache, concluded: list[str]) -> None:
    runner(cache).analyze(clip, ["color_analysis", "cut_analysis"])
    concluded.clear()
    document = runner(cache).analyze(clip, ["color_analysis", "cut_analysis", "scene_segmentation"])
    assert concluded == ["scene_segmentation"]
    assert document.performance.video_decodes == 1
    assert content(document) == content(
        runner(None).analyze(clip, ["color_analysis", "cut_analysis", "scene_segmentation"])
    )


def test_one_more_analyzer_of_the_sound_decodes_no_pictures(
    clip: Path, cache: SectionCache, concluded: list[str]
) -> None:
    runner(cache).analyze(clip, ["color_analysis"])
    concluded.clear()
    document = runner(cache).analyze(clip, ["color_analysis", "audio_analysis"])
    assert concluded == ["audio_analysis"]
    assert document.performance.video_decodes == 0
    assert document.video.frames_decoded == LENGTH_S * FPS
    assert content(document) == content(runner(None).analyze(clip, ["color_analysis", "audio_analysis"]))


def test_fewer_analyzers_run_none(clip: Path, cache: SectionCache, concluded: list[str]) -> None:
    whole = runner(cache).analyze(clip, PICTURES)
    concluded.clear()
    document = runner(cache).analyze(clip, ["scene_segmentation"])
    assert set(concluded) <= using("color_analysis")
    assert document.sections["cut_analysis"].result == whole.sections["cut_analysis"].result
    assert not document.sections["cut_analysis"].requested
    assert document.sections["scene_segmentation"].requested
    concluded.clear()
    assert runner(cache).analyze(clip, ["color_analysis"]).performance.video_decodes == 0
    assert concluded == []


def test_one_that_reads_another_only_where_it_is_run_has_a_section_with_it_and_one_without(
    clip: Path, cache: SectionCache, monkeypatch: pytest.MonkeyPatch, concluded: list[str]
) -> None:
    """Its result may be another one; so a document is the same with the cache and without."""
    monkeypatch.setattr(ColorAnalysis, "uses", ("cut_analysis",))
    for wanted, expected in (
        (["color_analysis"], ["color_analysis"]),
        (["color_analysis", "cut_analysis"], ["cut_analysis", "color_analysis"]),
        (["color_analysis"], []),
        (["color_analysis", "cut_analysis"], []),
    ):
        concluded.clear()
        runner(cache).analyze(clip, wanted)
        assert concluded == expected


def test_a_changed_threshold_runs_its_analyzer_and_what_reads_it(
    clip: Path, cache: SectionCache, concluded: list[str]
) -> None:
    runner(cache).analyze(clip)
    concluded.clear()
    changed = {"cut_analysis": {"threshold": 0.4}}
    document = runner(cache, **changed).analyze(clip)
    assert set(concluded) == readers_of("cut_analysis", RUN) >= {"cut_analysis", "scene_segmentation"}
    assert content(document) == content(runner(None, **changed).analyze(clip))
    concluded.clear()
    assert runner(cache, **changed).analyze(clip).performance.video_decodes == 0
    assert runner(cache).analyze(clip).performance.video_decodes == 0
    assert concluded == []


def test_settings_that_change_no_result_change_no_key(clip: Path, cache: SectionCache, concluded: list[str]) -> None:
    runner(cache).analyze(clip, ["color_analysis"])
    concluded.clear()
    harmless = {"deadline_s": 77.0, "chunks_per_batch": 3, "stuck_after_s": 900.0}
    runner(cache, color_analysis=harmless).analyze(clip, ["color_analysis"])
    assert concluded == []


def test_fresh_computes_and_replaces(clip: Path, cache: SectionCache, concluded: list[str]) -> None:
    first = runner(cache).analyze(clip, ["color_analysis"])
    fresh = runner(cache).analyze(clip, ["color_analysis"], fresh=True)
    assert fresh.performance.video_decodes == 1
    assert fresh.performance.sections_from_cache == 0
    assert concluded == ["color_analysis"] * 2
    cached = runner(cache).analyze(clip, ["color_analysis"]).section("color_analysis").provenance
    assert cached.run_ms == fresh.section("color_analysis").provenance.run_ms
    assert content(first) == content(fresh)


def test_a_damaged_entry_is_computed_again(
    clip: Path, cache: SectionCache, tmp_path: Path, concluded: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = runner(cache).analyze(clip, ["color_analysis"])
    database = sqlite3.connect(tmp_path / "cache" / "sections.sqlite")
    database.execute("UPDATE sections SET payload = substr(payload, 1, 100)")
    database.commit()
    database.close()
    again = runner(cache).analyze(clip, ["color_analysis"])
    assert again.performance.video_decodes == 1
    assert "damaged entry" in caplog.text
    assert content(again) == content(first)
    assert runner(cache).analyze(clip, ["color_analysis"]).performance.video_decodes == 0
    assert concluded == ["color_analysis"] * 2


def test_a_result_that_its_model_no_longer_takes_is_computed_again(
    clip: Path, cache: SectionCache, monkeypatch: pytest.MonkeyPatch, concluded: list[str]
) -> None:
    with monkeypatch.context() as patch:
        conclude = AnalyzerHost.conclude

        def with_an_old_field(self: AnalyzerHost, *args: Any) -> Any:
            answer = conclude(self, *args)
            assert isinstance(answer, Concluded)
            return replace(answer, result={**answer.result, "of_an_old_version": 1})

        patch.setattr(AnalyzerHost, "conclude", with_an_old_field)
        patch.setattr(ColorAnalysis.Result, "model_validate", classmethod(lambda cls, value: cls.model_construct()))
        runner(cache).analyze(clip, ["color_analysis"])
    concluded.clear()
    document = runner(cache).analyze(clip, ["color_analysis"])
    assert concluded == ["color_analysis"]
    assert "of_an_old_version" not in (document.section("color_analysis").result or {})


@pytest.mark.error_logs
def test_what_failed_is_not_kept_and_neither_is_what_read_it(
    clip: Path, cache: SectionCache, monkeypatch: pytest.MonkeyPatch, concluded: list[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(analyzer_class("cut_analysis"), "conclude", lambda *args: 1 / 0)
        broken = runner(cache).analyze(clip, PICTURES)
    assert broken.section("cut_analysis").status == "failed"
    assert broken.section("scene_segmentation").status != "failed"
    concluded.clear()
    mended = runner(cache).analyze(clip, PICTURES)
    assert set(concluded) == readers_of("cut_analysis", PICTURES) >= {"cut_analysis", "scene_segmentation"}
    assert content(mended) == content(runner(None).analyze(clip, PICTURES))


@pytest.mark.error_logs
def test_what_is_partial_is_not_kept(
    clip: Path, cache: SectionCache, monkeypatch: pytest.MonkeyPatch, concluded: list[str]
) -> None:
    with monkeypatch.context() as patch:
        observe = AnalyzerHost.observe

        def first_only(self: AnalyzerHost, chunks: Any) -> Any:
            answer = observe(self, chunks)
            return answer if isinstance(answer, Fault) or chunks[0].index == 0 else Fault("x", "y", answer.cost)

        patch.setattr(AnalyzerHost, "observe", first_only)
        short = LocalRunner(GraphArgs(analyzers=RUN, decode_threads=1, chunk_s=0.5), None, cache)
        assert short.analyze(clip, ["color_analysis"]).section("color_analysis").status == "partial"
    assert runner(cache).analyze(clip, ["color_analysis"]).section("color_analysis").status == "ok"


def test_an_analyzer_whose_observations_are_read_observes_again(
    clip: Path, cache: SectionCache, monkeypatch: pytest.MonkeyPatch, concluded: list[str]
) -> None:
    runner(cache).analyze(clip, ["cut_analysis", "color_analysis"])
    concluded.clear()
    monkeypatch.setattr(SceneSegmentation, "upstream", ("cut_analysis",))
    seen: list[bool] = []
    observe = SceneSegmentation.observe

    def noted(self: Any, chunks: Any) -> Any:
        seen.extend("cut_analysis" in chunk.upstream for chunk in chunks)
        return observe(self, chunks)

    monkeypatch.setattr(SceneSegmentation, "observe", noted)
    document = runner(cache).analyze(clip, PICTURES)
    assert sorted(concluded) == ["cut_analysis", "scene_segmentation"]
    assert seen
    assert all(seen)
    assert document.performance.sections_from_cache == 1
    concluded.clear()
    assert runner(cache).analyze(clip, PICTURES).performance.video_decodes == 0
    assert concluded == []


def test_the_sound_alone_first_then_the_pictures(clip: Path, cache: SectionCache, concluded: list[str]) -> None:
    alone = runner(cache).analyze(clip, ["audio_analysis"])
    assert alone.video.frames_decoded is None
    concluded.clear()
    document = runner(cache).analyze(clip, ["audio_analysis", "color_analysis"])
    assert concluded == ["color_analysis"]
    assert content(document) == content(runner(None).analyze(clip, ["audio_analysis", "color_analysis"]))


def test_the_sound_of_a_clip_that_is_shorter_than_it_says_is_concluded_again(
    cache: SectionCache, tmp_path: Path, concluded: list[str]
) -> None:
    """The declared length counts while nobody has looked at the pictures; then their end does."""
    whole = make_clip(tmp_path / "whole.mp4", faststart=True)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: round(0.6 * whole.stat().st_size)])
    alone = runner(cache).analyze(cut, ["audio_analysis"])
    concluded.clear()
    wanted = ["audio_analysis", "color_analysis"]
    document = runner(cache).analyze(cut, wanted)
    assert document.video.truncated
    assert document.video.duration_s < alone.video.duration_s
    assert concluded == ["color_analysis", "audio_analysis"]
    assert content(document) == content(runner(None).analyze(cut, wanted))


def test_without_a_cache_everything_is_computed(clip: Path, concluded: list[str]) -> None:
    for _ in range(2):
        assert runner(None).analyze(clip, ["color_analysis"]).performance.video_decodes == 1
    assert concluded == ["color_analysis"] * 2


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return {name: AnalyzerHost(name).describe() for name in names()}


def test_each_key_is_different_and_the_same_every_time(described: dict[str, Any]) -> None:
    keys = section_keys("0" * 64, PYAV, names(), described)
    assert set(keys) == set(names())
    assert len(set(keys.values())) == len(keys)
    assert keys == section_keys("0" * 64, PYAV, names(), described)


def test_the_video_changes_all_keys(described: dict[str, Any]) -> None:
    one, other = (section_keys(digit * 64, PYAV, names(), described) for digit in "01")
    assert not set(one.values()) & set(other.values())


@pytest.mark.parametrize("field", ["version", "models", "config", "device", "state"])
def test_what_an_analyzer_is_changes_it_and_its_readers(described: dict[str, Any], field: str) -> None:
    values = {
        "version": "999",
        "models": ("clip@1",),
        "config": {**described["cut_analysis"].config, "threshold": 0.123},
        "device": "cuda:0",
        "state": "unavailable",
    }
    changed = {**described, "cut_analysis": replace(described["cut_analysis"], **{field: values[field]})}
    one, other = (section_keys("0" * 64, PYAV, names(), d) for d in (described, changed))
    touched = {name for name in names() if one[name] != other[name]}
    assert touched == readers_of("cut_analysis", names())
    assert touched < set(names())


def test_a_decoder_changes_those_that_get_something_from_it(described: dict[str, Any]) -> None:
    usual = section_keys("0" * 64, PYAV, names(), described)
    pictures = section_keys("0" * 64, Decoders("pyav 2", "pyav 1"), names(), described)
    sound = section_keys("0" * 64, Decoders("pyav 1", "pyav 2"), names(), described)
    for name in names():
        needs, reads = described[name].needs, (*analyzer_class(name).after, *analyzer_class(name).uses)
        if needs.frames or not reads:
            assert (pictures[name] != usual[name]) == bool(needs.frames), name
        if needs.audio or not reads:
            assert (sound[name] != usual[name]) == bool(needs.audio), name


def test_one_that_does_not_answer_has_no_key_and_neither_has_its_reader(described: dict[str, Any]) -> None:
    answered = {name: d for name, d in described.items() if name != "cut_analysis"}
    keys = section_keys("0" * 64, PYAV, names(), answered)
    assert "cut_analysis" not in keys
    assert "scene_segmentation" not in keys
    assert "color_analysis" in keys


def test_one_that_is_not_deployed_is_part_of_its_readers_key(described: dict[str, Any]) -> None:
    without = tuple(name for name in names() if name != "cut_analysis")
    keys = section_keys("0" * 64, PYAV, without, {name: described[name] for name in without})
    assert keys["scene_segmentation"] != section_keys("0" * 64, PYAV, names(), described)["scene_segmentation"]
    assert keys["color_analysis"] == section_keys("0" * 64, PYAV, names(), described)["color_analysis"]


def outcome_of(name: str, status: str = "ok") -> Outcome:
    return Outcome(Section(analyzer=name, status=status, provenance=Provenance(analyzer_version="1")))


DECODED = VideoFacts(container="mp4", duration_s=2.0, width=96, height=64, frames_decoded=50)


def stored_of(
    described: dict[str, Any], outcomes: dict[str, Outcome], video: VideoFacts = DECODED, **kept: Any
) -> set[str]:
    """Names of what may be stored of a run of these analyzers."""
    descriptions = {name: replace(described[name], **kept.get(name, {})) for name in outcomes}
    keys = section_keys("0" * 64, PYAV, outcomes, descriptions)
    found = storable(outcomes, descriptions, keys, video, datetime.now(timezone.utc))
    return {name for name in outcomes if keys.get(name) in found}


def chain() -> dict[str, Outcome]:
    """Three analyzers, each of which reads the one before."""
    return {name: outcome_of(name) for name in ("cut_analysis", "camera_analysis", "content_quality")}


def test_what_came_out_whole_is_stored(described: dict[str, Any]) -> None:
    outcomes = chain()
    assert stored_of(described, outcomes) == set(outcomes)
    not_applicable = {**outcomes, "cut_analysis": outcome_of("cut_analysis", "not_applicable")}
    assert stored_of(described, not_applicable) == set(outcomes)


@pytest.mark.parametrize("status", ["partial", "failed", "cancelled", "unavailable"])
def test_what_did_not_is_not_and_neither_are_its_readers_and_theirs(described: dict[str, Any], status: str) -> None:
    outcomes = {**chain(), "cut_analysis": outcome_of("cut_analysis", status)}
    assert stored_of(described, outcomes) == set()
    outcomes["color_analysis"] = outcome_of("color_analysis")  # reads none of them
    assert stored_of(described, outcomes) == {"color_analysis"}


def test_readers_of_a_missing_model_are_stored_for_it_is_in_their_key(described: dict[str, Any]) -> None:
    outcomes = {**chain(), "cut_analysis": outcome_of("cut_analysis", "unavailable")}
    lost = {"state": "unavailable", "code": "weights_missing"}
    assert stored_of(described, outcomes, cut_analysis=lost) == set(outcomes) - {"cut_analysis"}


def test_a_decode_that_was_broken_off_makes_no_section_of_pictures_whole(described: dict[str, Any]) -> None:
    undecoded = DECODED.model_copy(update={"frames_decoded": None})
    outcomes = {name: outcome_of(name) for name in ("cut_analysis", "scene_segmentation", "audio_analysis")}
    assert stored_of(described, outcomes, undecoded) == {"audio_analysis"}


def test_a_video_with_a_decode_error_is_not_stored(described: dict[str, Any]) -> None:
    damaged = DECODED.model_copy(update={"decode_error": "decoding took more than 900 s of processor time"})
    assert stored_of(described, chain(), damaged) == set()
