"""Result of ``background_segmentation``, and what it observes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerResult
from media.types import Float32Array, Float64Array, UInt8Array
from schema.base import Model, Seconds, TimedSpan, UnitScore

SettingKind = Literal["indoor", "outdoor", "uncertain"]
Shares = dict[str, UnitScore]


@dataclass(frozen=True, eq=False)
class Segmented:
    """The label maps of one chunk, in short.

    Attributes:
        pts_s: float64 (F,) times of the own frames.
        shares: float32 (F, 150) share of each picture by class, in the order of ``ade20k.CLASSES``.
        certainty: float32 (F,) mean of the highest class probability.
        size: (height, width) of the label maps.
        packed: The maps themselves, uint8 (F, height, width), zlib; None where nobody asked for masks.
    """

    pts_s: Float64Array
    shares: Float32Array
    certainty: Float32Array
    size: tuple[int, int]
    packed: bytes | None = None

    def maps(self) -> UInt8Array | None:
        """uint8 (F, height, width), or None without masks."""
        if self.packed is None:
            return None
        return np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(len(self.pts_s), *self.size)


class ClassMask(Model):
    """Where one class is, as COCO's uncompressed run-length code."""

    class_name: str
    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    """(height, width) of the mask; the picture's shape at a smaller size."""
    counts: tuple[Annotated[int, Field(ge=0)], ...]
    """Lengths of runs outside and inside in turn, outside first, down the columns from left to right."""


class FrameSegments(Model):
    """What covers one sampled picture."""

    timestamp: Seconds
    classes: Shares
    """Share of the picture of each class that covers at least ``min_share``, largest first."""
    certainty: UnitScore
    """Mean over the picture of the network's highest class probability."""
    masks: tuple[ClassMask, ...] | None = None
    """Null unless the setting ``masks`` asks for them."""


class SettingSpan(TimedSpan):
    """A stretch before one background, and where that is."""

    kind: SettingKind
    """``uncertain`` where too little speaks for either, or both do."""
    indoor_score: UnitScore | None
    """Share of the evidence that speaks for indoors; null without evidence."""
    evidence: UnitScore
    """Share of the picture that speaks for either, weighted by how surely."""
    place: str | None
    """Named place; null where none reaches ``min_place``."""
    place_score: UnitScore | None
    rule: str
    """The classes that speak for the place, or what is missing."""
    classes: Shares
    """Mean share of the picture by class, as far as at least ``min_share``."""
    certainty: UnitScore


class BackgroundChange(Model):
    """A moment from which on the background is another."""

    timestamp: Seconds
    score: UnitScore
    """Half the sum of the differences of the shares of background classes before and after."""
    gone: tuple[str, ...]
    """Classes whose share falls by at least ``min_share``, most first."""
    come: tuple[str, ...]
    """Classes whose share grows by at least ``min_share``, most first."""
    on_a_cut: bool
    """Placed at a cut; otherwise at the first sample of the new background."""


class SegmentClass(Model):
    """One class over the clip."""

    class_name: str
    role: Literal["foreground", "background"]
    mean_share: UnitScore
    """Of the picture, over all samples."""
    max_share: UnitScore
    time_share: UnitScore
    """Length of its spans over the video's length."""
    spans: tuple[TimedSpan, ...]


class MainSetting(Model):
    """The setting with the longest time in all."""

    kind: SettingKind
    place: str | None
    time_share: UnitScore
    """Of the samples' time."""


class BackgroundSegmentationResult(AnalyzerResult):
    """What surrounds the subject, over time."""

    frames: tuple[FrameSegments, ...]
    settings: tuple[SettingSpan, ...]
    """In the order of time; neighbours before the same background are one."""
    main_setting: MainSetting
    changes: tuple[BackgroundChange, ...]
    classes: tuple[SegmentClass, ...]
    """From the largest mean share to the smallest."""
