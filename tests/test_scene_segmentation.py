"""Scenes: made clips with known groups, thresholds on both sides, key frames known by construction."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from analyzers.base import Context, NotApplicable
from analyzers.cut_analysis import Cut, CutAnalysisResult, CutType, Shot, Transition
from analyzers.results.scene_segmentation import SceneResult, Thumbnail
from analyzers.scene_segmentation import SceneConfig, SceneSegmentation
from analyzers.signal import scene_links
from ops import scenery
from schema.document import VideoFacts
from tests.media_folder import media
from tests.run import run_on_file, run_on_frames

FPS = 10.0
SIZE = (160, 90)  # height, width


def cuts_of(
    lengths_s: Sequence[float],
    types: Sequence[CutType] = (),
    fades: Sequence[tuple[float, float]] = (),
    likeness: float = 0.5,
    fps: float = FPS,
) -> CutAnalysisResult:
    """A cut_analysis result with shots of these lengths, entered by these types, hard where left out."""
    edges = np.cumsum([0.0, *lengths_s])
    entered = [None, *types, *["hard"] * (len(lengths_s) - 1 - len(types))]
    return CutAnalysisResult(
        cuts=tuple(
            Cut(timestamp=t, frame=round(t * fps), type=kind or "hard", score=0.9, likeness=likeness)
            for t, kind in zip(edges[1:-1], entered[1:], strict=True)
        ),
        transitions=tuple(
            Transition(
                start_time=a,
                end_time=b,
                kind="fade_out",
                score=1.0,
                first_frame=round(a * fps),
                end_frame=round(b * fps),
            )
            for a, b in fades
        ),
        shots=tuple(
            Shot(
                index=i,
                start_time=a,
                end_time=b,
                first_frame=round(a * fps),
                end_frame=round(b * fps),
                entered_by=cast("CutType | None", entered[i]),
            )
            for i, (a, b) in enumerate(pairwise(edges))
        ),
        cuts_per_minute=1.0,
        cuts_by_type={},
        mean_shot_length_s=1.0,
        median_shot_length_s=1.0,
    )


def place(seed: int) -> np.ndarray:
    """A picture of its own colours and layout: textured bands."""
    rng = np.random.default_rng(100 + seed)
    picture = np.zeros((*SIZE, 3), np.float64)
    for band in np.array_split(np.arange(SIZE[0]), 4):
        picture[band] = rng.integers(30, 226, 3)
    picture += rng.normal(0.0, 12.0, (*SIZE, 1))
    return np.clip(picture, 0, 255).astype(np.uint8)


def shot(picture: np.ndarray, length_s: float, seed: int = 0) -> np.ndarray:
    """The picture with a little noise and a small thing that moves."""
    rng = np.random.default_rng(seed)
    frames = np.repeat(picture[None], round(length_s * FPS), axis=0).astype(np.int16)
    frames += rng.integers(-4, 5, frames.shape, dtype=np.int16)
    for k, frame in enumerate(frames):
        top = (20 + 3 * k) % (SIZE[0] - 16)
        frame[top : top + 16, 40:56] = 250
    return np.clip(frames, 0, 255).astype(np.uint8)


def story(letters: str, length_s: float = 1.6) -> np.ndarray:
    """One shot per letter; the same letter is the same place."""
    return np.concatenate([shot(place(ord(c)), length_s, i) for i, c in enumerate(letters)])


def run(frames: np.ndarray, cuts: CutAnalysisResult, chunk_s: float = 2.0, **config: Any) -> SceneResult:
    analyzer = SceneSegmentation(SceneConfig(**config))
    analyzer.load()
    result = run_on_frames(analyzer, frames, FPS, chunk_s, results={"cut_analysis": cuts})
    assert isinstance(result, SceneResult)
    return result


def run_story(letters: str, length_s: float = 1.6, **config: Any) -> list[tuple[int, ...]]:
    result = run(story(letters, length_s), cuts_of([length_s] * len(letters)), **config)
    return [scene.shots for scene in result.scenes]


@pytest.mark.parametrize(
    ("letters", "scenes"),
    [
        ("A", [(0,)]),
        ("ABAB", [(0, 1, 2, 3)]),  # a dialogue
        ("AAAA", [(0, 1, 2, 3)]),  # the same place again and again
        ("ABCD", [(0,), (1,), (2,), (3,)]),
        ("AABBB", [(0, 1), (2, 3, 4)]),
        ("ABABCDCD", [(0, 1, 2, 3), (4, 5, 6, 7)]),
        ("ABACDD", [(0, 1, 2), (3,), (4, 5)]),
    ],
)
def test_shots_are_grouped(letters: str, scenes: list[tuple[int, ...]]) -> None:
    assert run_story(letters) == scenes


def test_link_reach_in_shots_on_both_sides() -> None:
    assert run_story("ABCA", link_shots=3) == [(0, 1, 2, 3)]
    assert run_story("ABCA", link_shots=2) == [(0,), (1,), (2,), (3,)]


def test_link_reach_in_seconds_on_both_sides() -> None:
    # Between both A lie two shots of 1.6 s.
    assert run_story("ABCA", link_s=3.3) == [(0, 1, 2, 3)]
    assert run_story("ABCA", link_s=3.1) == [(0,), (1,), (2,), (3,)]


def half_alike(share: float) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures that are equal in the left ``share`` of each column pair and have nothing in common elsewhere."""
    first, second = np.zeros((80, 80, 3), np.uint8), np.zeros((80, 80, 3), np.uint8)
    first[:], second[:] = (200, 40, 40), (40, 60, 200)
    same = np.arange(80) % 20 < round(20 * share)  # in every quarter alike
    first[:, same] = second[:, same] = (40, 200, 40)
    return first, second


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_similarity_is_the_common_share(share: float) -> None:
    # Of histograms with p in common cells and the rest apart, the Bhattacharyya coefficient is p.
    (a, _), (b, _) = (scene_links.signature(p) for p in half_alike(share))
    assert scene_links.similarities(a[None], b[None])[0, 0] == pytest.approx(share, abs=0.01)


def test_similarity_regards_where_colours_are() -> None:
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[:40], picture[40:] = (200, 40, 40), (40, 60, 200)
    (a, _), (b, _) = scene_links.signature(picture), scene_links.signature(picture[::-1].copy())
    # The whole pictures agree fully, the quarters not at all.
    assert scene_links.similarities(a[None], b[None])[0, 0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("threshold", "scenes"), [(0.49, 1), (0.52, 2)])
def test_link_threshold_on_both_sides(threshold: float, scenes: int) -> None:
    first, second = half_alike(0.5)
    frames = np.concatenate([np.repeat(p[None], 10, axis=0) for p in (first, second)])
    result = run(frames, cuts_of([1.0, 1.0]), link_similarity=threshold)
    assert len(result.scenes) == scenes
    if scenes == 2:
        assert result.scenes[1].separation == pytest.approx(0.5, abs=0.01)
        assert result.scenes[0].separation is None
        assert result.scenes[0].cohesion is None
    else:
        assert result.scenes[0].cohesion == pytest.approx(0.5, abs=0.01)


def test_a_jump_cut_keeps_its_scene() -> None:
    frames = story("AB")
    assert len(run(frames, cuts_of([1.6, 1.6], ["jump"], likeness=0.9)).scenes) == 1
    assert len(run(frames, cuts_of([1.6, 1.6], ["jump"], likeness=0.6)).scenes) == 2
    assert len(run(frames, cuts_of([1.6, 1.6], ["hard"], likeness=0.9)).scenes) == 2


def test_black_links_nothing() -> None:
    """Two places that both fade to black, and a black stretch between them."""
    parts = []
    for seed in (1, 2):
        frames = shot(place(seed), 2.0, seed).astype(float)
        fade = np.clip(np.arange(len(frames))[::-1] / 8.0, 0.0, 1.0)
        parts += [frames * fade[:, None, None, None], np.zeros((6, *SIZE, 3))]
    frames = np.concatenate(parts).astype(np.uint8)
    result = run(frames, cuts_of([2.3, 2.9], ["fade"], fades=[(1.2, 2.0), (3.8, 4.6)]))
    assert [s.shots for s in result.scenes] == [(0,), (1,)]
    assert result.scenes[1].transition_in == "fade"


def test_bars_link_nothing() -> None:
    """Letterboxed: two thirds of all pictures are the same black."""
    frames = story("AB")
    frames[:, :53] = frames[:, 107:] = 0
    assert len(run(frames, cuts_of([1.6, 1.6])).scenes) == 2


def test_darker_or_lighter_is_the_same_place() -> None:
    first = place(3)
    second = np.clip(first.astype(float) * 1.04 + 2, 0, 255).astype(np.uint8)
    frames = np.concatenate([shot(first, 1.0), shot(second, 1.0, 1)])
    assert len(run(frames, cuts_of([1.0, 1.0])).scenes) == 1


def test_six_drawn_places_are_six_scenes() -> None:
    painters = [
        scenery.mountains(4, 12),
        scenery.city(),
        scenery.balloons(1.004, 12),
        scenery.sea(12),
        scenery.fields(),
        scenery.aurora(4, 0, 12),
    ]
    frames = np.stack([cv2.resize(paint(k), (90, 160)) for paint in painters for k in range(12)])
    result = run(frames, cuts_of([1.2] * 6))
    assert [s.shots for s in result.scenes] == [(i,) for i in range(6)]


def test_a_shot_between_two_samples_has_no_key_frame_and_parts_nothing() -> None:
    frames = story("ABA", 1.5)
    # At one sample per second the middle shot, 1.1 to 1.9 s, is never seen.
    result = run(frames, cuts_of([1.1, 0.8, 2.6]), fps=1.0)
    assert [s.key_frame is None for s in result.shots] == [False, True, False]
    assert len(result.scenes) == 1
    assert result.scenes[0].key_frame is not None
    assert len(result.thumbnails) == 2


def test_key_frame_is_the_sharp_one() -> None:
    sharp = shot(place(5), 3.0)
    frames = np.stack([cv2.GaussianBlur(f, (0, 0), 4.0) for f in sharp])
    frames[16] = sharp[16]
    result = run(frames, cuts_of([3.0]), fps=10.0)
    assert result.shots[0].key_frame is not None
    assert result.shots[0].key_frame.frame == 16
    assert result.shots[0].key_frame.sharpness_share == 1.0


def test_key_frame_is_like_the_shot() -> None:
    # Equally sharp all: 24 frames of one place and 6 of another, after a cut that was not found.
    frames = np.concatenate([np.repeat(place(6)[None], 6, axis=0), np.repeat(place(7)[None], 24, axis=0)])
    result = run(frames, cuts_of([3.0]), fps=10.0)
    key = result.shots[0].key_frame
    assert key is not None
    assert key.frame >= 6
    assert key.likeness > 0.9


def test_key_frame_lies_outside_transitions_and_inside_its_shot() -> None:
    sharp = shot(place(8), 3.0)
    frames = np.stack([cv2.GaussianBlur(f, (0, 0), 2.0) for f in sharp])
    frames[3] = sharp[3]  # the sharpest frame, in the fade
    result = run(frames, cuts_of([3.0], fades=[(0.0, 0.6)]), fps=10.0)
    key = result.shots[0].key_frame
    assert key is not None
    assert key.timestamp >= 0.6
    two = run(story("AB"), cuts_of([1.6, 1.6]))
    for part in two.shots:
        assert part.key_frame is not None
        assert part.start_time <= part.key_frame.timestamp < part.end_time


def test_key_frame_of_a_scene_is_from_its_main_place() -> None:
    result = run(story("ABAA", 1.0), cuts_of([1.0] * 4))
    (scene,) = result.scenes
    assert scene.key_frame is not None
    assert not 1.0 <= scene.key_frame.timestamp < 2.0


@pytest.mark.parametrize("seed", range(4))
def test_scenes_tile_the_shots(seed: int) -> None:
    rng = np.random.default_rng(seed)
    letters = "".join(rng.choice(list("ABCD"), 12))
    lengths = rng.uniform(0.2, 1.4, 12).round(1).tolist()
    frames = np.concatenate([shot(place(ord(c)), s, i) for i, (c, s) in enumerate(zip(letters, lengths, strict=True))])
    result = run(frames, cuts_of(lengths))
    assert [i for scene in result.scenes for i in scene.shots] == list(range(12))
    assert [scene.scene_id for scene in result.scenes] == list(range(len(result.scenes)))
    for scene in result.scenes:
        members = [result.shots[i] for i in scene.shots]
        assert (scene.start_time, scene.end_time) == (members[0].start_time, members[-1].end_time)
        assert {m.scene_id for m in members} == {scene.scene_id}
    for before, after in pairwise(result.scenes):
        assert before.end_time == after.start_time
        assert after.separation is not None
        assert after.separation > 0.25


def test_transitions_are_passed_on() -> None:
    result = run(story("ABC"), cuts_of([1.6] * 3, ["dissolve", "fade"]))
    assert [s.transition_in for s in result.shots] == [None, "dissolve", "fade"]
    assert [s.transition_in for s in result.scenes] == [None, "dissolve", "fade"]


def jpeg(thumbnail: Thumbnail) -> bytes:
    kind, _, data = thumbnail.image.partition(",")
    assert kind == "data:image/jpeg;base64"
    return base64.b64decode(data, validate=True)


def test_thumbnails_show_their_frames() -> None:
    frames = story("ABC")
    result = run(frames, cuts_of([1.6] * 3))
    assert {t.frame for t in result.thumbnails} == {s.key_frame.frame for s in result.shots if s.key_frame}
    for thumbnail in result.thumbnails:
        data = jpeg(thumbnail)
        picture = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]
        assert picture.shape == (thumbnail.height, thumbnail.width, 3)
        expected = frames[thumbnail.frame]
        assert np.abs(picture.astype(float).mean(axis=1) - expected.mean(axis=1)).mean() < 4.0
        assert thumbnail.timestamp == pytest.approx(thumbnail.frame / FPS)


def test_thumbnails_are_bounded() -> None:
    noise = np.random.default_rng(9).integers(0, 256, (10, 320, 180, 3)).astype(np.uint8)
    plain = run(noise, cuts_of([1.0]), thumbnail_max_bytes=100_000)
    assert (plain.thumbnails[0].width, plain.thumbnails[0].height) == (144, 256)
    assert len(jpeg(plain.thumbnails[0])) > 16_000
    for limit in (16_000, 1_000):
        small = run(noise, cuts_of([1.0]), thumbnail_max_bytes=limit)
        assert len(jpeg(small.thumbnails[0])) <= limit

    story_cuts, frames = cuts_of([1.0, 2.0, 1.0]), np.concatenate([story("AA", 1.5), story("B", 1.0)])
    every = run(frames, story_cuts)
    assert len(every.scenes) == 2
    assert len(every.thumbnails) == 3
    first_two = run(frames, story_cuts, max_thumbnails=2)
    assert {t.frame for t in first_two.thumbnails} == {s.key_frame.frame for s in first_two.scenes if s.key_frame}
    assert run(frames, story_cuts, max_thumbnails=0).thumbnails == ()


@pytest.mark.parametrize("chunk_s", [1.0, 5.0, 60.0])
def test_chunk_length_changes_nothing(chunk_s: float) -> None:
    frames, cuts = story("ABAC", 1.3), cuts_of([1.3] * 4)
    assert run(frames, cuts, chunk_s) == run(frames, cuts, 2.0)


def test_without_shots_it_is_not_applicable() -> None:
    analyzer = SceneSegmentation(SceneConfig())
    facts = VideoFacts(container="arrays", duration_s=3.0)
    with pytest.raises(NotApplicable, match="single_frame") as error:
        analyzer.conclude([], Context(facts, missing={"cut_analysis": "single_frame: one picture only"}))
    assert error.value.code == "no_shots"


def test_timeline_and_headline() -> None:
    analyzer = SceneSegmentation(SceneConfig())
    result = run(story("ABAC"), cuts_of([1.6] * 4))
    assert [i.label for i in analyzer.timeline(result)] == ["scene 1: 3 shots", "scene 2: 1 shot"]
    assert analyzer.headline(result) == "2 scenes of 4 shots; the longest is scene 1 with 4.8 s."
    assert analyzer.headline(run(story("A"), cuts_of([1.6]))) == "One scene of 1 shot."


def truth(name: str) -> Any:
    manifest = json.loads(media("MANIFEST.json").read_text("utf-8"))
    return next(entry["truth"] for entry in manifest if entry["file"] == name)


def run_real(
    path: Path, edges_s: Sequence[float], fps: float, fades: Sequence[tuple[float, float]] = ()
) -> SceneResult:
    analyzer = SceneSegmentation(SceneConfig())
    analyzer.load()
    cuts = cuts_of(np.diff(edges_s).tolist(), fades=fades, fps=fps)
    result = run_on_file(analyzer, path, results={"cut_analysis": cuts})
    assert isinstance(result, SceneResult)
    return result


def test_real_talkers_in_one_set_are_one_scene() -> None:
    # By construction: four clips of people before one blue screen, hard cuts between them.
    name = "derived/vertical_talk_cuts_subs_A.mp4"
    cuts_s = truth(name)["by_construction"]["hard_cuts_s"]
    result = run_real(media(name), [0.0, *cuts_s, 12.0], 25.0)
    assert [s.shots for s in result.scenes] == [(0, 1, 2, 3)]
    assert len(result.thumbnails) == 4


def test_real_colour_cards_are_three_scenes() -> None:
    # By eye: the background changes at frames 10 and 20, of 10 per second.
    frames = truth("pysd/counter.mp4")["by_eye"]["hard_cuts_frame"]
    result = run_real(media("pysd/counter.mp4"), [0.0, *(f / 10.0 for f in frames), 3.0], 10.0)
    assert [s.shots for s in result.scenes] == [(0,), (1,), (2,)]


def test_real_trailer_keeps_its_dialogue_and_parts_its_places() -> None:
    """Grouped by eye: snow, title, hut, snow again; an alley; ruins at dusk, the sky over them."""
    name = "cosmos/test_video_30s.mp4"
    fades = [(g["frames"][0] / 24.0, (g["frames"][1] + 1) / 24.0) for g in truth(name)["by_eye"]["gradual"]]
    starts = [0, 77, 175, 237, 286, 348, 356, 372, 478, 523, 573, 610, 624, 720]
    result = run_real(media(name), [f / 24.0 for f in starts], 24.0, fades)
    scene_of = [s.scene_id for s in result.shots]
    assert scene_of[3] == scene_of[4]  # two talk in the hut
    assert scene_of[0] == scene_of[1] == scene_of[5] == scene_of[6]  # snow, left and come back to
    assert scene_of[8] == scene_of[9]  # ruins
    assert scene_of[10] == scene_of[11] == scene_of[12]  # the sky
    assert len({scene_of[6], scene_of[7], scene_of[8], scene_of[10]}) == 4  # snow, alley, ruins, sky
