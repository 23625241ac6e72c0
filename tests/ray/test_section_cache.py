"""The section cache over HTTP: what the second request for a video costs, and that it says the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ray.conftest import Running
from tests.test_reuse import LENGTH_S, RUN, make_clip


def content(document: dict[str, Any]) -> dict[str, Any]:
    """All that a reader learns about the video, without how and when it was made."""
    without = ("provenance", "requested")
    sections = {n: {k: v for k, v in s.items() if k not in without} for n, s in document["sections"].items()}
    return {"sections": sections, **{key: document[key] for key in ("timeline", "video", "summary", "quality")}}


@pytest.fixture(scope="module")
def clip(running: Running) -> Path:
    return make_clip(running.videos / "asked_again.mp4", seed=11)


def test_the_same_video_again_is_not_decoded(running: Running, clip: Path) -> None:
    first = running.document(running.analyze(clip, *RUN, fresh=False))
    assert first["performance"]["video_decodes"] == 1
    assert first["performance"]["sections_from_cache"] == 0
    again = running.document(running.analyze(clip, *RUN, fresh=False))
    assert again["performance"]["video_decodes"] == 0
    assert again["performance"]["object_store_bytes"] == 0
    assert again["performance"]["sections_from_cache"] == len(again["sections"]) >= len(RUN)
    assert content(again) == content(first)
    for name, section in again["sections"].items():
        assert section["provenance"]["from_cache"], name
        assert section["provenance"]["computed_at"] > first["created_at"], name
    with clip.open("rb") as file:
        answer = running.http.post("/analyze", files={"file": ("sent.mp4", file)}, data={"analyzers": ",".join(RUN)})
    uploaded = running.document(answer)
    assert uploaded["performance"]["video_decodes"] == 0
    assert uploaded["source"]["name"] == "sent.mp4"
    assert content(uploaded) == content(first)


def test_fresh_computes_all_of_it_again(running: Running) -> None:
    clip = make_clip(running.videos / "fresh.mp4", seed=15)
    first = running.document(running.analyze(clip, "color_analysis", fresh=False))
    body = {"video_path": str(clip), "analyzers": ["color_analysis"], "options": {"fresh": True}}
    fresh = running.document(running.http.post("/analyze", json=body))
    assert fresh["performance"]["video_decodes"] == 1
    assert fresh["performance"]["sections_from_cache"] == 0
    assert content(fresh) == content(first)
    third = running.document(running.analyze(clip, "color_analysis", fresh=False))
    made = third["sections"]["color_analysis"]["provenance"]["run_ms"]
    assert made == fresh["sections"]["color_analysis"]["provenance"]["run_ms"]


def test_one_more_analyzer_runs_only_that_one(running: Running) -> None:
    clip = make_clip(running.videos / "one_more.mp4", seed=12)
    running.document(running.analyze(clip, "cut_analysis", "color_analysis", fresh=False))
    document = running.document(
        running.analyze(clip, "cut_analysis", "color_analysis", "scene_segmentation", fresh=False)
    )
    made = {n for n, s in document["sections"].items() if not s["provenance"]["from_cache"]}
    assert made == {"scene_segmentation"}
    assert document["performance"]["video_decodes"] == 1
    assert document["performance"]["analyzers_ms"]["color_analysis"] == 0.0


def test_the_sound_first_then_the_pictures(running: Running) -> None:
    clip = make_clip(running.videos / "sound_first.mp4", seed=13)
    running.document(running.analyze(clip, "audio_analysis", fresh=False))
    document = running.document(running.analyze(clip, "audio_analysis", "color_analysis", fresh=False))
    assert document["sections"]["audio_analysis"]["provenance"]["from_cache"]
    assert not document["sections"]["color_analysis"]["provenance"]["from_cache"]
    assert document["video"]["duration_s"] == pytest.approx(LENGTH_S, abs=0.1)


def test_the_sound_of_a_clip_that_is_shorter_than_it_says_is_concluded_again(running: Running) -> None:
    whole = make_clip(running.videos / "whole.mp4", seed=14, faststart=True)
    cut = running.videos / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: round(0.6 * whole.stat().st_size)])
    alone = running.document(running.analyze(cut, "audio_analysis", fresh=False))
    document = running.document(running.analyze(cut, "audio_analysis", "color_analysis", fresh=False))
    assert document["video"]["truncated"]
    assert document["video"]["duration_s"] < alone["video"]["duration_s"]
    assert not document["sections"]["audio_analysis"]["provenance"]["from_cache"]
    assert document["quality"]["time_monotone"]
