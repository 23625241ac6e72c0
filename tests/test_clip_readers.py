"""What composition and quality take from CLIP: the shares of the same frame, and nothing where it was not run."""

from __future__ import annotations

import numpy as np
import pytest

from analyzers.base import Context
from analyzers.composition_analysis import clip_scores
from analyzers.results.clip_encoder import Answer, ClipEncoderResult, QuestionAnswer
from analyzers.vision.clip_questions import LAYOUT, QUESTIONS, SHOT_SIZE, Question
from schema.document import VideoFacts
from tests.run import make_analyzer, run_on_frames
from tests.upright_clip import patches

FPS = 2.0
VIDEO = VideoFacts(container="arrays", duration_s=2.0, width=180, height=320, frame_rate=FPS)


def answered(question: Question, frames: int) -> QuestionAnswer:
    """The first label gets 0.6 in frame 0, 0.7 in frame 1 and so on; the others share the rest."""
    rows = []
    for k in range(frames):
        first = 0.6 + 0.1 * k
        rest = (1.0 - first) / (len(question.labels) - 1)
        rows.append((first, *[rest] * (len(question.labels) - 1)))
    means = np.mean(rows, axis=0)
    return QuestionAnswer(
        question=question.name,
        answers=tuple(
            Answer(label=la, sentence=se, mean=m)
            for la, se, m in zip(question.labels, question.sentences, means.tolist(), strict=True)
        ),
        frames=tuple(rows),
        labels=question.labels,
    )


def clip(frames: int) -> ClipEncoderResult:
    return ClipEncoderResult(
        timestamps=tuple(k / FPS for k in range(frames)),
        embeddings=None,
        questions=tuple(answered(question, frames) for question in QUESTIONS),
        crops=(),
        temperature=100.0,
    )


def test_composition_has_the_shares_of_its_own_frames() -> None:
    frames = np.stack(patches(4, 180, 320))
    result = run_on_frames(make_analyzer("composition_analysis"), frames, FPS, results={"clip_encoder": clip(3)})
    assert [f.timestamp for f in result.frames] == [0.0, 0.5, 1.0, 1.5]
    found = [f.clip_scores for f in result.frames]
    assert [f and f["shot_size.extreme_close_up"] for f in found[:3]] == pytest.approx([0.6, 0.7, 0.8])
    assert found[3] is None
    assert result.clip_scores is not None
    assert result.clip_scores["shot_size.extreme_close_up"] == pytest.approx(0.7)
    first = found[0]
    assert first is not None
    for question in (SHOT_SIZE, LAYOUT):
        assert sum(first[f"{question.name}.{label}"] for label in question.labels) == pytest.approx(1.0)


def test_quality_has_the_mean_of_the_good_side() -> None:
    frames = np.stack(patches(4, 180, 320))
    result = run_on_frames(make_analyzer("content_quality"), frames, FPS, results={"clip_encoder": clip(3)})
    assert result.aesthetic_score == pytest.approx(0.7)
    assert result.perceived_score == pytest.approx(0.7)


@pytest.mark.parametrize("name", ["composition_analysis", "content_quality"])
def test_without_clip_the_fields_are_null(name: str) -> None:
    result = run_on_frames(make_analyzer(name), np.stack(patches(2, 180, 320)), FPS)
    if name == "content_quality":
        assert (result.aesthetic_score, result.perceived_score) == (None, None)
    else:
        assert [f.clip_scores for f in result.frames] == [None, None]
        assert result.clip_scores is None
    assert clip_scores(Context(VIDEO)) == {}
