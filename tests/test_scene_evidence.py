"""Scenes by sound, text and CLIP beside colour: by hand, and with thresholds on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from analyzers.results.audio_analysis import AudioAnalysisResult, MusicSpan, SpeechSpan
from analyzers.results.clip_encoder import ClipEncoderResult, Embeddings
from analyzers.results.scene_segmentation import SceneResult
from analyzers.results.speech_flow import Speech, SpeechFlowResult
from analyzers.scene_segmentation import SceneConfig, SceneSegmentation
from analyzers.signal import shot_evidence
from tests.made_results import only, text_result
from tests.run import run_on_frames
from tests.test_scene_segmentation import FPS, cuts_of, place, shot


def half_like(seed: int) -> np.ndarray:
    """A and B of ``place`` side by side: two shots that share half of their colours."""
    return np.concatenate([place(seed)[:, :45], place(seed + 1)[:, 45:]], axis=1)


def known_sound(speech: Sequence[tuple[float, float]], music: Sequence[tuple[float, float]] = ()) -> dict[str, Any]:
    """Results of the sound analyzers with these spans."""
    spans = tuple(only(MusicSpan, start_time=a, end_time=b) for a, b in music)
    said = tuple(only(SpeechSpan, start_time=a, end_time=b) for a, b in speech)
    return {
        "audio_analysis": only(AudioAnalysisResult, music=spans, speech=said, silence=()),
        "speech_flow": only(SpeechFlowResult, spans=tuple(only(Speech, start_time=a, end_time=b) for a, b in speech)),
    }


def judged(results: dict[str, Any], **config: Any) -> SceneResult:
    """Four shots of 2 s, neighbours half alike: colour joins them all or none."""
    frames = np.concatenate([shot(half_like(k), 2.0, k) for k in range(4)])
    analyzer = SceneSegmentation(SceneConfig(**config))
    cuts = cuts_of([2.0] * 4)
    result = run_on_frames(analyzer, frames, FPS, results={"cut_analysis": cuts, **results})
    assert isinstance(result, SceneResult)
    return result


def borders(result: SceneResult) -> list[int]:
    return [scene.shots[0] for scene in result.scenes[1:]]


def test_without_other_analyzers_colour_decides_and_the_result_says_so() -> None:
    result = judged({})
    counted = {m.name: m.counted for m in result.measures}
    assert counted == {"colour": True, "clip": False, "text": False, "sound": False}
    reasons = {m.name: m.reason for m in result.measures}
    assert reasons["text"] == "text_overlay: no result"
    assert set(SceneSegmentation.uses) == {"clip_encoder", "text_overlay", "audio_analysis", "speech_flow"}
    assert SceneSegmentation.after == ("cut_analysis",)


def test_sound_that_changes_parts_shots_and_its_weight_decides() -> None:
    """Music under the first two shots, speech over the cut between the last two: colour alone sees one scene."""
    results = known_sound([(4.2, 7.8)], [(0.0, 4.0)])
    alone = judged(results, sound_weight=0.0)
    likeness = 1.0 - max(s.separation or 0.0 for s in judged({}, link_similarity=1.0).scenes)
    bound = likeness - 0.01
    assert borders(judged({}, link_similarity=bound)) == []
    assert borders(judged(results, link_similarity=bound, sound_weight=0.0)) == []
    assert borders(judged(results, link_similarity=bound, sound_weight=0.3, link_shots=1)) == [2]
    assert next(m for m in alone.measures if m.name == "sound").reason == "its weight is 0"


def test_sound_that_is_the_same_everywhere_changes_nothing() -> None:
    plain = judged({}, link_similarity=1.0)
    with_music = judged(known_sound([], [(0.0, 8.0)]), link_similarity=1.0, sound_weight=1.0)
    assert [s.separation for s in with_music.scenes[1:]] == pytest.approx([s.separation for s in plain.scenes[1:]])


def test_a_text_that_stays_holds_its_shots_together() -> None:
    """A title over the first two shots, another over the last two; a watermark over all says nothing."""
    title = [(0.0, 4.0, "Part one", "title"), (4.0, 8.0, "Part two", "title")]
    mark = [(0.0, 8.0, "@me", "watermark")]
    likeness = 1.0 - max(s.separation or 0.0 for s in judged({}, link_similarity=1.0).scenes)
    settings = {"link_similarity": likeness - 0.01, "text_weight": 0.3, "link_shots": 1}
    assert borders(judged({"text_overlay": text_result(title)}, **settings)) == [2]
    only_mark = judged({"text_overlay": text_result(mark)}, **settings)
    assert borders(only_mark) == []
    assert next(m for m in only_mark.measures if m.name == "text").reason == "no two shots have any"


def test_vectors_of_clip_count_by_their_cosine() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    clip = only(ClipEncoderResult, timestamps=(1.0, 3.0, 5.0, 7.0), embeddings=Embeddings.of(vectors))
    likeness = 1.0 - max(s.separation or 0.0 for s in judged({}, link_similarity=1.0).scenes)
    result = judged({"clip_encoder": clip}, link_similarity=likeness - 0.01, clip_weight=0.3, link_shots=1)
    assert borders(result) == [2]
    assert next(m for m in result.measures if m.name == "clip").counted


def test_likeness_of_sound_and_text_by_hand() -> None:
    shots = [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)]
    shares = shot_evidence.kind_shares(shots, [[(0.0, 3.0)], [(5.0, 6.0)]])
    assert shares.tolist() == [[1.0, 0.0], [0.5, 0.0], [0.0, 0.5]]
    # Shares differ by 0.5 and 0 on average 0.25; speech goes on over the first cut and not over the second.
    like = shot_evidence.sound_likeness(shares, shots, [(1.0, 3.0)])
    assert like[0, 1] == pytest.approx((0.75 + 1.0) / 2)
    assert like[1, 2] == pytest.approx((0.5 + 0.0) / 2)
    assert like[0, 2] == pytest.approx((0.25 + 0.5) / 2)
    # The first two shots share one of two texts; the third has none.
    texts = shot_evidence.text_likeness(shots, [(0.0, 2.5), (1.0, 2.0)])
    assert texts[0, 1] == pytest.approx(0.5)
    assert np.isnan(texts[0, 2])
    over = shot_evidence.over_usual(texts, 1)
    assert over[0, 1] == 0.0
    assert over[0, 2] == 0.0


@pytest.mark.parametrize(("margin", "bridged"), [(0.11, 1.0), (0.09, 0.0)])
def test_a_word_must_go_on_past_the_cut_to_bridge_it(margin: float, bridged: float) -> None:
    shots = [(0.0, 2.0), (2.0, 4.0)]
    like = shot_evidence.sound_likeness(np.zeros((2, 1)), shots, [(1.0, 2.0 + margin)])
    assert like[0, 1] == pytest.approx((1.0 + bridged) / 2)
