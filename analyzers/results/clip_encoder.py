"""Result of ``clip_encoder``, and how others read it."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerResult, Context
from media.types import Float32Array, Float64Array
from schema.base import BoundingBox, Model, Seconds, UnitScore

SAME_FRAME_S = 1e-3
"""Two times in seconds closer than this are of one frame."""


class Embeddings(Model):
    """A vector for each sampled frame, each of length 1: their products are cosine similarities."""

    dimension: Annotated[int, Field(ge=1)]
    encoding: Literal["float16-le-base64"] = "float16-le-base64"
    data: str
    """The frames' vectors one after the other, ``dimension`` little-endian float16 each, in base64."""

    @classmethod
    def of(cls, vectors: Float32Array) -> Embeddings:
        """From float32 (N, D)."""
        return cls(dimension=vectors.shape[1], data=base64.b64encode(vectors.astype("<f2").tobytes()).decode())

    def vectors(self) -> Float32Array:
        """float32 (N, dimension)."""
        flat = np.frombuffer(base64.b64decode(self.data), "<f2").astype(np.float32)
        return flat.reshape(-1, self.dimension)


class Answer(Model):
    """One sentence of a question."""

    label: str
    sentence: str
    """As the model was asked."""
    mean: UnitScore
    """Mean of its share over the sampled frames; the shares of a question sum to 1 in each frame."""


class QuestionAnswer(Model):
    """Which of its sentences the pictures fit."""

    question: str
    answers: tuple[Answer, ...]
    """From the highest mean to the lowest."""
    frames: tuple[tuple[UnitScore, ...], ...]
    """For each sampled frame the shares of the sentences, in the order of ``labels``."""
    labels: tuple[str, ...]

    def mean_of(self, label: str) -> float:
        """Mean share of a label."""
        return next(answer.mean for answer in self.answers if answer.label == label)


class LabelShare(Model):
    """A product label and its share."""

    label: str
    share: UnitScore


class ProductCrop(Model):
    """A box of ``object_detection`` in which the picture was compared with the product labels."""

    timestamp: Seconds
    object_class: str
    bounding_box: BoundingBox
    labels: tuple[LabelShare, ...]
    """The best few, from high to low."""


class ClipEncoderResult(AnalyzerResult):
    """Pictures as vectors, and what they are nearest to."""

    timestamps: tuple[Seconds, ...]
    """Of the sampled frames, sorted."""
    embeddings: Embeddings | None
    """Null where the setting ``keep_embeddings`` is off."""
    questions: tuple[QuestionAnswer, ...]
    crops: tuple[ProductCrop, ...]
    """Sorted by time; empty where ``object_detection`` was not run or saw no product."""
    temperature: Annotated[float, Field(gt=0.0)]
    """Trained with the model; similarities are multiplied by it before the softmax."""

    def question(self, name: str) -> QuestionAnswer:
        """The answers to a question.

        Raises:
            KeyError: It was not asked.
        """
        for found in self.questions:
            if found.question == name:
                return found
        raise KeyError(name)


def clip_of(context: Context) -> ClipEncoderResult | None:
    """What CLIP says, where it was run."""
    found = context.results.get("clip_encoder")
    return found if isinstance(found, ClipEncoderResult) else None


def clip_vectors(context: Context) -> tuple[Float64Array, Float32Array] | None:
    """Times (N,) in seconds and vectors (N, D) of the sampled frames; None where there are none."""
    found = clip_of(context)
    if found is None or found.embeddings is None:
        return None
    return np.array(found.timestamps, np.float64), found.embeddings.vectors()
