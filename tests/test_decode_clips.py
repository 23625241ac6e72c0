"""Every real clip of the media folder against its manifest: number of frames, first time stamp, gaps, sizes, sound."""

from __future__ import annotations

import itertools
import json
from typing import Any

import av
import numpy as np
import pytest

from media.decode import decode_audio
from media.limits import MediaLimits
from media.needs import AudioNeed, EveryFrame, FrameNeed, Needs, Spread
from media.plan import plan_decode
from schema.errors import AnalyzerSystemError
from tests.decoded import decode, facts_of
from tests.media_folder import MEDIA, media

MANIFEST = MEDIA / "MANIFEST.json"
ENTRIES: list[dict[str, Any]] = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else []
STILL = (".jpg", ".png")

SLOW_PIXELS = 150_000_000
"""Decoded pixels of a clip above which it is marked slow: half a second of processor time."""

OTHER_STREAM = {"tc/nasa_13013.mp4"}
"""The manifest describes its first streams; the default ones are decoded (see test_decode.py)."""

BROKEN = {"decord/corrupted.mp4": 28}
"""Frames before the damage, where the manifest's reader gave up."""


def _param(entry: dict[str, Any]) -> Any:
    pixels = (entry["width"] or 0) * (entry["height"] or 0) * (entry.get("frames_decoded") or 900)
    return pytest.param(entry, id=entry["file"], marks=[pytest.mark.slow] if pixels > SLOW_PIXELS else [])


VIDEOS = [_param(e) for e in ENTRIES if e["opens"] and e["vcodec"] and not e["file"].endswith(STILL) and e["fps"]]
SOUNDS = [_param(e) for e in ENTRIES if e["opens"] and e.get("audio_decoded_s") and e["file"] not in OTHER_STREAM]
REFUSED = [_param(e) for e in ENTRIES if not e["opens"] or e["file"].endswith(STILL)]


@pytest.mark.parametrize("entry", [p for p in VIDEOS if p.id not in OTHER_STREAM | set(BROKEN)])
def test_frames_times_and_sizes(entry: dict[str, Any]) -> None:
    out = decode(media(entry["file"]), FrameNeed(EveryFrame(), 16, "gray"), FrameNeed(Spread(4), 16, "gray"))
    frames = entry.get("frames_decoded") or entry["truth"]["by_construction"]["frames"]
    assert out.report.frames_decoded == frames
    assert out.index() == list(range(frames))
    upright = entry.get("truth", {}).get("published", {})
    turned = out.facts.rotation_deg in (90, 270)
    stored = (entry["height"], entry["width"]) if turned else (entry["width"], entry["height"])
    assert (out.facts.width, out.facts.height) == stored
    if "upright_width" in upright:
        assert (out.facts.width, out.facts.height) == (upright["upright_width"], upright["upright_height"])
    assert out.facts.pixel_format == entry.get("pix_fmt", "yuv420p")
    assert out.facts.interlaced is (entry.get("interlaced_frames", 0) > 0)
    assert out.times()[0] == pytest.approx(entry.get("first_pts_s", 0.0) - out.facts.start_offset_s, abs=0.0011)
    if "frame_gap_s_min_med_max" in entry and frames > 1:
        gaps = np.diff(out.times())
        low, middle, high = entry["frame_gap_s_min_med_max"]
        assert [gaps.min(), np.median(gaps), gaps.max()] == pytest.approx([low, middle, high], abs=0.0011)
        if entry["variable_frame_rate"] or high - low <= 0.002:  # between: the manifest's rule is looser than ours
            assert out.report.variable_frame_rate is entry["variable_frame_rate"]
    assert out.report.truncated is entry["deliberately_broken"]
    assert out.report.error == ""
    if not entry["deliberately_broken"] and entry["duration_s"]:
        # Matroska's length counts from its own zero, the others' from their start.
        before_s = out.facts.start_offset_s if out.facts.container.startswith("matroska") else 0.0
        assert out.report.end_s == pytest.approx(entry["duration_s"] - before_s, abs=0.11)
    assert len(out.spread[1][0]) == min(4, frames)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_damaged_clips_go_on_behind_the_damage(name: str) -> None:
    one = decode(media(name), FrameNeed(EveryFrame(), 64), threads=2)
    assert BROKEN[name] <= one.report.frames_decoded < (one.facts.frames_declared or 0)
    assert one.report.error
    assert one.report.corrupt_frames > 0
    two = decode(media(name), FrameNeed(EveryFrame(), 64), threads=2)
    assert np.array_equal(np.stack(one.pictures()), np.stack(two.pictures()))


@pytest.mark.parametrize("entry", SOUNDS)
def test_sound_has_the_decoded_length(entry: dict[str, Any]) -> None:
    path = media(entry["file"])
    facts = facts_of(path)
    plan = plan_decode({"a": Needs(audio=(AudioNeed(16_000),))}, facts, 2.0)
    (clip,) = decode_audio(path, plan, facts, MediaLimits())
    assert clip.start_s == 0.0
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.best("audio")))
    silent = not any(np.abs(frame.to_ndarray()).max() > 0.01 for frame in frames)
    holes_s = sum(
        max(0.0, float((b.pts - a.pts) * b.time_base) - a.samples / a.sample_rate - 0.05)
        for a, b in itertools.pairwise(frames)
    )
    late_s = max(0.0, float(frames[0].pts * frames[0].time_base) - facts.start_offset_s)
    assert clip.duration_s == pytest.approx(entry["audio_decoded_s"] + late_s, abs=0.002 + (holes_s and holes_s + 0.05))
    assert facts.audio is not None
    assert (facts.audio.sample_rate_hz, facts.audio.channels) == (entry["audio_rate"], entry["audio_channels"])
    assert bool(np.abs(clip.samples).max() < 0.01) is silent


@pytest.mark.parametrize("entry", REFUSED)
def test_what_is_no_video_is_refused(entry: dict[str, Any]) -> None:
    from media.probe import probe

    with pytest.raises(AnalyzerSystemError) as refused:
        probe(media(entry["file"]), MediaLimits(probe_timeout_s=10))
    assert refused.value.code == "not_a_video"
    assert refused.value.action


def test_published_times_of_the_variable_frame_rate_clip() -> None:
    truth = json.loads(media("truth/var_fps_video.all_frames_info.json").read_text())
    out = decode(media("tc/var_fps_video.mp4"), FrameNeed(EveryFrame(), 16, "gray"), chunk_s=1.0)
    assert out.times() == pytest.approx([float(t["pts_time"]) for t in truth], abs=1e-5)
    assert out.report.end_s == pytest.approx(float(truth[-1]["pts_time"]) + float(truth[-1]["duration_time"]), abs=1e-5)
    assert out.report.variable_frame_rate
    assert out.facts.variable_frame_rate is None


def test_a_file_without_a_length_is_measured() -> None:
    facts = facts_of(media("moviepy/no_duration.webm"))
    assert facts.declared_duration_s is None
    out = decode(media("moviepy/no_duration.webm"), FrameNeed(EveryFrame(), 16, "gray"))
    assert facts.duration_s == pytest.approx(out.report.end_s, abs=0.07)
    assert not out.report.truncated
