"""All sections of a document agree with each other and with the video, over documents of clips of every kind.

The rules hold whatever was found: nothing here knows what is in a clip.
"""

from __future__ import annotations

import json
import math
import wave
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.catalogue import analyzer_class
from deployments.settings import GraphArgs
from ops import soundtrack
from ops.clips import write_clip
from ops.local import LocalRunner
from reducer.quality import TIME_TOLERANCE_S, disorder
from schema.document import AnalysisDocument
from tests.checklist_places import check_places
from tests.media_folder import media
from tests.sample_file import place_sample

HEIGHT, WIDTH, FPS = 320, 180, 25


def scenery(seed: int, frames: int, step_px: int) -> np.ndarray[Any, Any]:
    """Coloured blotches of many sizes, moving sideways: (frames, HEIGHT, WIDTH, 3)."""
    import cv2

    rng = np.random.default_rng(seed)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for cells in (4, 16, 64):
        picture += cv2.resize(rng.random((cells, cells, 3), np.float32), (WIDTH, HEIGHT)) * 255.0 / 3.0
    return np.stack([np.roll(picture, step_px * k, axis=1).astype(np.uint8) for k in range(frames)])


def silent_film(path: Path) -> None:
    """A hard cut, a dissolve, and no sound."""
    first, second, third = scenery(1, 30, 0), scenery(2, 45, 2), scenery(3, 40, 0)
    share = np.linspace(0.0, 1.0, 17)[1:-1, None, None, None]
    mixed = ((1.0 - share) * second[-15:] + share * third[:15]).astype(np.uint8)
    write_clip(path, np.concatenate([first, second[:-15], mixed, third[15:]]), FPS)


def one_frame(path: Path) -> None:
    write_clip(path, scenery(4, 1, 0), FPS)


def sound_only(path: Path) -> None:
    """Syllables over drums."""
    track = np.zeros(6 * soundtrack.RATE_HZ)
    for beat in range(12):
        soundtrack.add(track, soundtrack.kick(), 0.5 * beat, 0.3)
    soundtrack.add(track, soundtrack.voice(np.random.default_rng(5), 12, 2.5), 1.0, 0.5)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, soundtrack.RATE_HZ, 0, "NONE", ""))
        file.writeframes((np.clip(track, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())


MADE: dict[str, Callable[[Path], Any]] = {
    "sample.mp4": place_sample,
    "silent_film.mp4": silent_film,
    "one_frame.mp4": one_frame,
    "sound_only.wav": sound_only,
}
SHARED = (
    "lipnet/id2_vcd_swwp2s.mpg",
    "moviepy/fire2.mp4",
    "tc/var_fps_video.mp4",
    "tc/test_non_zero_start.mp4",
    "intel/head-pose-face-detection-female-and-male.gif",
)
"""Speech; turned by 180 degrees; variable frame rate; a start off zero; a GIF."""
SLOW = ("sample.mp4",)


@pytest.fixture(scope="module")
def runner() -> LocalRunner:
    """The whole catalogue, loaded once."""
    return LocalRunner(GraphArgs(decode_threads=1))


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in (*MADE, *SHARED)],
)
def document(request: pytest.FixtureRequest, runner: LocalRunner, tmp_path_factory: pytest.TempPathFactory) -> Any:
    name = request.param
    if name not in MADE:
        return runner.analyze(media(name))
    path = tmp_path_factory.mktemp("clips") / name
    MADE[name](path)
    return runner.analyze(path)


def results(document: AnalysisDocument) -> dict[str, Any]:
    """Typed results of the sections that have one."""
    return {
        name: analyzer_class(name).Result.model_validate(section.result)
        for name, section in document.sections.items()
        if section.result is not None
    }


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Path, key and value of everything in a JSON value that is no list and no object."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list):
                yield from leaves(item, f"{path}.{key}")
            else:
                yield f"{path}.{key}", key, item
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")


def objects_with(value: Any, keys: set[str], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object with just these keys, at any depth."""
    if isinstance(value, dict):
        if value.keys() == keys:
            yield path, value
        for name, item in value.items():
            yield from objects_with(item, keys, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from objects_with(item, keys, f"{path}[{index}]")


def test_every_analyzer_has_a_section_and_none_failed(document: Any) -> None:
    assert tuple(document.sections) == GraphArgs().active_analyzers
    for name, section in document.sections.items():
        assert section.status in ("ok", "not_applicable", "unavailable"), (name, section.error)
        assert (section.result is not None) == (section.status == "ok"), name
        assert (section.error is None) == (section.status == "ok"), name
    assert document.status == "ok"


def test_results_survive_their_model_and_json(document: Any) -> None:
    for name, section in document.sections.items():
        if section.result is not None:
            text = json.dumps(section.result, allow_nan=False)
            again = analyzer_class(name).Result.model_validate_json(text)
            assert again.model_dump(mode="json") == section.result, name
    assert AnalysisDocument.model_validate_json(document.model_dump_json()) == document


def test_every_span_is_inside_the_video_and_every_list_is_sorted(document: Any) -> None:
    for name, section in document.sections.items():
        assert disorder(section.result, document.video.duration_s, name) is None
    assert document.quality.time_monotone


def test_moments_inside_the_hook_and_the_stretches(document: Any) -> None:
    """Moments with another name than ``timestamp``."""
    flow = results(document).get("temporal_flow")
    if flow is not None:
        hook = flow.hook
        faces = (hook.faces.first_face_s, hook.faces.first_look_s) if hook.faces else ()
        for moment in (hook.first_speech_s, hook.first_text_s, hook.first_cut_s, *faces):
            assert moment is None or hook.start_time <= moment < hook.end_time
    for stretch in (*(document.breakdown.scenes or ()), *document.breakdown.parts):
        assert stretch.key_frame_s is None or stretch.start_time <= stretch.key_frame_s < stretch.end_time


def test_numbers_are_finite_and_scores_are_shares(document: Any) -> None:
    for name, section in document.sections.items():
        for path, key, value in leaves(section.result, name):
            if isinstance(value, float):
                assert math.isfinite(value), path
            if isinstance(value, int | float) and (
                key in ("score", "confidence") or key.endswith(("_score", "_share"))
            ):
                assert 0.0 <= value <= 1.0, path


BOX = {"x", "y", "width", "height"}


def test_every_box_is_inside_the_picture_and_named_so(document: Any) -> None:
    for name, section in document.sections.items():
        for path, box in objects_with(section.result, BOX, name):
            assert path.endswith(("bounding_box", "_box")), path
            assert box["x"] + box["width"] <= document.video.width + 0.5, path
            assert box["y"] + box["height"] <= document.video.height + 0.5, path


def test_shots_tile_the_video(document: Any) -> None:
    cuts = results(document).get("cut_analysis")
    if cuts is None:
        assert not document.video.has_video or document.video.frames_decoded == 1
        return
    assert cuts.shots[0].start_time == 0.0
    assert cuts.shots[-1].end_time == document.video.duration_s
    assert (cuts.shots[0].first_frame, cuts.shots[-1].end_frame) == (0, document.video.frames_decoded)
    for before, after in pairwise(cuts.shots):
        assert (before.end_time, before.end_frame) == (after.start_time, after.first_frame)
    assert [shot.index for shot in cuts.shots] == list(range(len(cuts.shots)))


def test_cuts_are_the_borders_of_the_shots(document: Any) -> None:
    cuts = results(document).get("cut_analysis")
    if cuts is None:
        return
    borders = [(shot.start_time, shot.first_frame, shot.entered_by) for shot in cuts.shots[1:]]
    assert [(cut.timestamp, cut.frame, cut.type) for cut in cuts.cuts] == borders
    assert sum(cuts.cuts_by_type.values()) == len(cuts.cuts)


def test_scenes_tile_the_shots(document: Any) -> None:
    found = results(document)
    scenes, cuts = found.get("scene_segmentation"), found.get("cut_analysis")
    if scenes is None or cuts is None:
        assert scenes is cuts
        return
    assert [(s.start_time, s.end_time) for s in scenes.shots] == [(s.start_time, s.end_time) for s in cuts.shots]
    assert [number for scene in scenes.scenes for number in scene.shots] == list(range(len(cuts.shots)))
    for scene in scenes.scenes:
        own = [scenes.shots[number] for number in scene.shots]
        assert (scene.start_time, scene.end_time) == (own[0].start_time, own[-1].end_time)
        assert {shot.scene_id for shot in own} == {scene.scene_id}
        for part in (scene, *own):
            if part.key_frame is not None:
                assert part.start_time <= part.key_frame.timestamp < part.end_time


def test_the_time_line_tiles_the_video_and_its_items_lie_in_it(document: Any) -> None:
    entries, length_s = document.timeline, document.video.duration_s
    assert (entries[0].start_time, entries[-1].end_time) == (0.0, length_s)
    assert [entry.index for entry in entries] == list(range(len(entries)))
    for before, after in pairwise(entries):
        assert before.end_time == after.start_time
    cuts = results(document).get("cut_analysis")
    assert {entry.basis for entry in entries} == {"second" if cuts is None else "shot"}
    if cuts is not None:
        assert [entry.start_time for entry in entries] == [shot.start_time for shot in cuts.shots]
    for entry in entries:
        for channel in ("seen", "said", "written", "heard"):
            items = getattr(entry, channel)
            assert [item.start_time for item in items] == sorted(item.start_time for item in items)
            for item in items:
                assert item.channel == channel
                assert item.analyzer in document.sections
                assert item.label.strip()
                assert item.end_time <= length_s + TIME_TOLERANCE_S
                assert item.start_time < entry.end_time
                assert item.end_time > entry.start_time


def test_the_breakdown_follows_the_scenes_and_the_time_line(document: Any) -> None:
    made, scenes = document.breakdown, results(document).get("scene_segmentation")
    assert (made.parts[0].start_time, made.parts[-1].end_time) == (0.0, document.video.duration_s)
    if scenes is None:
        assert made.scenes is None
    else:
        spans = [(scene.start_time, scene.end_time) for scene in scenes.scenes]
        assert [(stretch.start_time, stretch.end_time) for stretch in made.scenes] == spans
    items = {(i.analyzer, i.label) for e in document.timeline for i in (*e.seen, *e.said, *e.written, *e.heard)}
    for stretch in (*(made.scenes or ()), *made.parts):
        found = {(f.analyzer, f.label) for _, findings in stretch if isinstance(findings, tuple) for f in findings}
        assert found <= items


def test_every_place_that_the_checklist_names_is_there(document: Any) -> None:
    checklist = check_places(json.loads(document.model_dump_json()))
    assert any(question.status == "answered" for question in checklist.questions)


def test_the_checklist_leaves_open_only_what_needs_a_model(document: Any) -> None:
    """On a machine without weights, every measure answers for its points."""
    for lack in document.checklist.lacks.values():
        assert lack.status != "ok" or lack.error.remedy.startswith("No analyzer here can"), lack


def test_summary_and_quality_count_what_is_there(document: Any) -> None:
    with_result = [name for name, section in document.sections.items() if section.result is not None]
    headlines = [section.headline for section in document.sections.values() if section.headline]
    assert list(document.summary.points) == headlines
    assert len(document.summary.missing) == len(document.sections) - len(with_result)
    assert document.quality.sections_with_result == len(with_result)
    assert document.performance.video_decodes == (1 if document.video.has_video else 0)


def test_what_one_section_takes_from_another_is_what_that_one_says(document: Any) -> None:
    found = results(document)
    cuts, flow, sound = (found.get(name) for name in ("cut_analysis", "speech_flow", "audio_analysis"))
    if sound is not None:
        spoken = [(s.start_time, s.end_time) for s in flow.spans] if flow else []
        assert [(s.start_time, s.end_time) for s in sound.speech] == spoken
    if "camera_analysis" in found and cuts is not None:
        camera = found["camera_analysis"]
        assert camera.shots_from == "cut_analysis"
        moves = [span for span in camera.spans if span.kind != "unknown"]
        for cut in cuts.cuts:
            assert not any(move.start_time + 1e-6 < cut.timestamp < move.end_time - 1e-6 for move in moves)
    if "speech_rate" in found and flow is not None:
        assert found["speech_rate"].syllables == len(flow.syllables)
        assert found["speech_rate"].pauses.count == len(flow.pauses)
    if "temporal_flow" in found and found["temporal_flow"].pacing is not None and cuts is not None:
        assert found["temporal_flow"].pacing.cuts == len(cuts.cuts)


def test_the_length_of_chunks_changes_no_result(tmp_path: Path, runner: LocalRunner) -> None:
    path = tmp_path / "silent_film.mp4"
    silent_film(path)
    documents = [LocalRunner(GraphArgs(decode_threads=1, chunk_s=chunk_s)).analyze(path) for chunk_s in (0.7, 30.0)]
    first, second = ({name: s.result for name, s in d.sections.items()} for d in documents)
    assert first.keys() == second.keys()
    for name, result in first.items():
        assert result == second[name], name


def test_every_kind_of_clip_gives_some_result(document: Any) -> None:
    """So that the rules above were tested on something: a picture alone has colours, a sound alone its loudness."""
    found = results(document)
    if document.video.has_video:
        assert "color_analysis" in found
    else:
        assert "audio_analysis" in found
        assert document.video.frames_decoded in (None, 0)
