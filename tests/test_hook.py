"""The hook, from results written down by hand: its elements, strength, faces, and what grabs."""

from __future__ import annotations

import numpy as np
import pytest

from analyzers import sound_effects, visual_effects
from tests.flow_runs import FPS, flow, full_hook
from tests.made_results import (
    audio_result,
    camera_result,
    cut_result,
    eye_result,
    only,
    speech_flow_result,
    text_result,
)
from tests.run import make_analyzer, run_on_frames


@pytest.fixture(scope="module")
def analyzer():
    return make_analyzer("temporal_flow")


def test_hook_with_everything(analyzer):
    hook = full_hook(analyzer).hook
    assert hook.strength == 1.0
    assert hook.elements == dict.fromkeys(("speech", "text", "motion", "cut", "loudness"), True)
    assert (hook.start_time, hook.end_time) == (0.0, 3.0)
    assert hook.first_speech_s == 0.5
    assert hook.speech_share == pytest.approx(2.5 / 3)
    assert hook.text_share == pytest.approx(1.9 / 3)
    assert hook.first_text_s == 0.1
    assert [t.text for t in hook.texts or ()] == ["Wait for it"]
    assert hook.first_frame.texts == ("Wait for it", "@me")
    assert (hook.cuts, hook.first_cut_s) == (1, 0.8)
    assert hook.motion == pytest.approx(0.4)
    assert hook.loudness_lufs == pytest.approx(-14.0)
    assert hook.loudness_over_clip_lu == pytest.approx(0.0)
    assert hook.spoken is None
    assert [(g.timestamp, g.kind) for g in hook.grabbers] == [
        (0.0, "camera"),
        (0.1, "text"),
        (0.5, "speech"),
        (0.8, "cut"),
        (1.1, "emphasis"),
    ]


@pytest.mark.parametrize(
    ("element", "changes"),
    [
        ("speech", {"speech_flow": speech_flow_result([(1.1, 4.0)], [1.2], 20.0)}),
        ("text", {"text_overlay": text_result([(1.1, 2.0, "Wait", "title")])}),
        ("text", {"text_overlay": text_result([(0.0, 20.0, "@me", "watermark")])}),
        ("motion", {"camera_analysis": camera_result([0.24] * 40)}),
        ("cut", {"cut_analysis": cut_result([3.0], 20.0)}),
        ("loudness", {"audio_analysis": audio_result([-18.0] * 6 + [-14.0] * 34)}),
        ("loudness", {"audio_analysis": audio_result([-45.0] * 40)}),
    ],
)
def test_each_element_can_be_absent(analyzer, element, changes):
    hook = full_hook(analyzer, **changes).hook
    assert hook.elements[element] is False
    assert hook.strength == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("element", "changes"),
    [
        ("speech", {"speech_flow": speech_flow_result([(1.0, 4.0)], [1.2], 20.0)}),
        ("text", {"text_overlay": text_result([(1.0, 2.0, "Wait", "title")])}),
        ("motion", {"camera_analysis": camera_result([0.26] * 40)}),
        ("cut", {"cut_analysis": cut_result([2.9], 20.0)}),
        ("loudness", {"audio_analysis": audio_result([-14.8] * 6 + [-14.0] * 34)}),
    ],
)
def test_each_element_just_there(analyzer, element, changes):
    assert full_hook(analyzer, **changes).hook.elements[element] is True


def test_strength_counts_only_what_is_known(analyzer):
    result = flow(
        analyzer, cut_analysis=cut_result([1.0], 20.0), speech_flow=speech_flow_result([(5.0, 6.0)], [5.5], 20.0)
    )
    assert result.hook.elements == {"speech": False, "cut": True}
    assert result.hook.strength == 0.5
    assert result.hook.text_share is None
    assert result.hook.motion is None


def test_first_frame_is_measured(analyzer):
    half = np.zeros((40, 96, 54, 3), np.uint8)
    half[:, :, 27:] = 255
    result = run_on_frames(analyzer, half, FPS)
    assert result.hook.first_frame.brightness == pytest.approx(0.5, abs=0.01)
    assert result.hook.first_frame.contrast == pytest.approx(1.0, abs=0.02)
    plain = run_on_frames(analyzer, np.full((40, 96, 54, 3), 51, np.uint8), FPS)
    assert plain.hook.first_frame.brightness == pytest.approx(0.2)
    assert plain.hook.first_frame.contrast == 0.0


def test_faces_of_the_hook(analyzer):
    """Pictures of 54 x 96 px: a face of 27 x 48 px covers a quarter."""
    quarter, small = (27.0, 48.0), (5.4, 9.6)
    eyes = eye_result(
        [
            (0.0, [(*small, None)]),
            (1.0, [(*small, False), (*quarter, None)]),
            (2.0, [(*quarter, False), (*small, True)]),
            (2.5, []),
            (3.0, [(*quarter, True)]),
        ]
    )
    hook = flow(analyzer, eye_tracking=eyes).hook
    assert hook.first_frame.face_area_share == pytest.approx(0.01)
    assert hook.faces is not None
    assert (hook.faces.face_share, hook.faces.first_face_s, hook.faces.first_look_s) == (0.75, 0.0, 2.0)
    assert hook.faces.area_share == pytest.approx(0.25)
    assert hook.faces.camera_share == 0.5
    assert hook.elements == {"face": True}
    assert [(g.timestamp, g.kind, g.label) for g in hook.grabbers] == [
        (0.0, "face", "face"),
        (2.0, "face", "look into the camera"),
    ]


@pytest.mark.parametrize(("first_s", "there"), [(1.0, True), (1.1, False), (3.0, False)])
def test_a_face_is_an_element_of_the_hook_when_it_comes_soon(analyzer, first_s, there):
    hook = flow(analyzer, eye_tracking=eye_result([(0.0, []), (first_s, [(20.0, 20.0, None)])])).hook
    assert hook.elements == {"face": there}
    assert hook.first_frame.face_area_share == 0.0
    assert hook.faces is not None
    assert (hook.faces.camera_share, hook.faces.first_look_s) == (None, None)


def test_faces_that_nobody_looked_for_are_no_absent_faces(analyzer):
    result = flow(analyzer, missing={"eye_tracking": "unavailable: no weights"})
    assert (result.hook.faces, result.hook.first_frame.face_area_share) == (None, None)
    assert "face" not in result.hook.elements
    assert "faces: which faces the hook shows is not known (unavailable: no weights)" in result.missing
    # The frames of the hook were lost.
    assert flow(analyzer, eye_tracking=eye_result([(5.0, [(20.0, 20.0, None)])])).hook.faces is None


def test_sudden_effects_draw_attention_and_bars_do_not(analyzer):
    shown = [(0.0, "letterbox"), (0.4, "flash"), (3.0, "strobe")]
    seen = only(
        visual_effects.VisualEffectsResult,
        effects=tuple(only(visual_effects.Effect, start_time=t, end_time=t + 0.2, kind=kind) for t, kind in shown),
    )
    heard = only(
        sound_effects.SoundEffectsResult,
        effects=(
            only(sound_effects.Effect, timestamp=1.5, kind="impact", name=None),
            only(sound_effects.Effect, timestamp=2.0, kind="other", name="Cash register"),
        ),
    )
    hook = flow(analyzer, visual_effects=seen, sound_effects=heard).hook
    assert [(g.timestamp, g.kind, g.label) for g in hook.grabbers] == [
        (0.4, "visual_effect", "flash"),
        (1.5, "sound_effect", "impact"),
        (2.0, "sound_effect", "Cash register"),
    ]
    assert hook.strength is None


def test_hook_of_a_clip_shorter_than_it(analyzer):
    result = flow(analyzer, 2.0, cut_analysis=cut_result([1.0], 2.0))
    assert result.hook.end_time == 2.0
