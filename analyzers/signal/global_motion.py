"""How the whole picture moved between two frames: one similarity transform, or the reason why it can't be told.

Method, per pair of gray frames (black bars cut off):

1. Dense flow by DIS, "ultrafast" preset (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016),
   averaged over a grid of cells. Cells without two-dimensional structure (smaller eigenvalue of the structure tensor,
   Shi and Tomasi, "Good Features to Track", CVPR 1994) are left out: flow there is only spread from elsewhere.
2. A similarity transform (shift, zoom, roll about the picture's centre) by RANSAC (Fischler and Bolles, 1981), and a
   second one from the cells that do not follow it. Where few follow, again from the shift found by phase correlation
   (Kuglin and Hines, 1975), which reaches up to about a third of the picture.
3. Sub-pixel refinement (``analyzers/signal/motion_pixels.py``).
4. A vote between "moved as found" and "at rest": in each cell, which of the two predicts the pixels. So a background at
   rest with faint structure outvotes a strongly structured thing that moves in front of it. What moves without
   reaching the borders is not the camera.
5. The winner must explain the picture: across a cut neither does, and there is no match.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from analyzers.signal.motion_pixels import View, cell_means, error_under, plain_means, refined, view_of
from analyzers.signal.similarity import (
    MIN_SIDE_PX,
    REST,
    Floats,
    Mask,
    Similarity,
    borders,
    cell_centres,
    grid,
    hann,
    upper_median,
    without_bars,
)
from media.types import UInt8Array

Status = Literal["ok", "low_texture", "no_match", "ambiguous", "leaning"]
"""``low_texture``: too few cells with structure. ``no_match``: the frames do not show the same picture.
``ambiguous``: something moves, but too little of the picture shows whether it is the camera. ``leaning``: the same, but
something else is at rest, so most likely the camera is, too; the motion is that of what moves."""

_MIN_CELLS = 8
_RETRY_SHARE = 0.6
"""Below this share of agreeing cells the shift by phase correlation is tried."""
_SECOND_SHARE = 0.8
"""Below this share a second motion is looked for among the other cells."""
_SECOND_MIN_SHARE = 0.15
"""Fewer cells than that are no rival."""
_NOISE = 1.0
"""Squared grey levels by which two codings of the same smoothed pixel differ; measured 0.1-1 on coded clips."""
_SOME_REST = 0.1
"""Share of the votes for rest that decides where the borders do not show the motion: all of a picture moves with its
camera, but only the head of a speaker."""
_OVERLAY_SHARE = 0.03
_REST_PX = 0.25
"""A smaller motion is reported also where only part of the picture shows it: the camera's or none, it hardly counts."""


@dataclass(frozen=True)
class MotionSettings:
    """Thresholds of the estimate.

    Attributes:
        min_structure: Smaller eigenvalue of the structure tensor in squared grey levels per px, above which a cell
            takes part in the fit.
        min_texture_share: Share of such cells below which there is no estimate.
        inlier_px: Distance from the model up to which a cell's flow agrees with it.
        min_match_share: Share of the picture's cells that the model must explain.
        min_borders: Of the four borders, how many must show the motion before it is the camera's.
    """

    min_structure: float = 2.0
    min_texture_share: float = 0.02
    inlier_px: float = 0.8
    min_match_share: float = 0.4
    min_borders: int = 3


@dataclass(frozen=True)
class PairMotion:
    """Motion of the camera from one frame to the next.

    Attributes:
        status: Whether the motion could be told.
        pan: To the right, in frame widths.
        tilt: Upwards, in frame heights.
        zoom: Natural logarithm of the factor by which the picture grew.
        roll: Turn of the camera in degrees, clockwise positive.
        match: Share of the picture's cells whose pixels the motion explains, in [0, 1].
        texture: Share of cells with structure, in [0, 1].
        subject: Mean motion of structured cells against the camera's, in units of sqrt(width * height).
        streak: Natural logarithm of vertical over horizontal gradient energy of the second frame; rises when the
            picture is smeared sideways.
    """

    status: Status
    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    roll: float = 0.0
    match: float = 0.0
    texture: float = 0.0
    subject: float = 0.0
    streak: float = 0.0


@dataclass(frozen=True)
class _Fit:
    """A transform with the cells that follow it.

    Attributes:
        model: The transform.
        inliers: (rows, columns): cells whose flow agrees.
        flow: (rows, columns, 2) in px.
        share: Of the structured cells, those that agree.
    """

    model: Similarity
    inliers: Mask
    flow: Floats
    share: float


@dataclass(frozen=True)
class _Vote:
    """One candidate motion against rest.

    Attributes:
        fit: The candidate.
        moved, rest: Number of cells that say so.
        still: (rows, columns): the cells at rest.
        error: Mean squared error per cell under the candidate.
        shown: Cells that it shows.
        borders: Borders that show the motion.
    """

    fit: _Fit
    moved: int
    rest: int
    still: Mask
    error: Floats
    shown: Mask
    borders: int


class GlobalMotion:
    """Estimates the camera's motion from frame to frame. Keeps only the last frame, prepared, to save work."""

    def __init__(self, settings: MotionSettings) -> None:
        import cv2

        self._cv: Any = cv2
        self._settings = settings
        self._flows: dict[tuple[int, ...], Any] = {}
        self._last: tuple[UInt8Array, View] | None = None

    def between(self, before: UInt8Array, after: UInt8Array) -> PairMotion:
        """The camera's motion from ``before`` to ``after``: uint8 (H, W) of equal size."""
        picture = without_bars(np.maximum(before, after))
        first, second = self._view(before, picture), self._view(after, picture)
        structured = first.structure > self._settings.min_structure
        texture = float(structured.mean())
        if texture < self._settings.min_texture_share or min(first.grey.shape) < MIN_SIDE_PX:
            return PairMotion("low_texture", texture=texture, streak=second.streak)
        return self._judge(first, second, structured, list(self._candidates(first, second, structured)))

    def _view(self, frame: UInt8Array, picture: tuple[int, int, int, int]) -> View:
        if self._last is not None and self._last[0] is frame and self._last[1].picture == picture:
            return self._last[1]
        view = view_of(frame, picture)
        self._last = (frame, view)
        return view

    def _candidates(self, first: View, second: View, structured: Mask) -> Iterator[_Fit]:
        """The motions that most cells follow; at most two."""
        flow = self._flow(first, second, None)
        best = self._fit(first.grey.shape, flow, structured, structured)
        if best is None or best.share < _RETRY_SHARE:
            shift = self._shift(first, second)
            if shift is not None:
                flow = self._flow(first, second, shift)
                again = self._fit(first.grey.shape, flow, structured, structured)
                if again is not None and (best is None or again.share > best.share):
                    best = again
        if best is None:
            return
        yield replace(best, model=refined(first, second, best.model, best.inliers))
        if best.share < _SECOND_SHARE:
            other = self._fit(first.grey.shape, best.flow, structured & ~best.inliers, structured)
            if other is not None and other.share > _SECOND_MIN_SHARE:
                yield replace(other, model=refined(first, second, other.model, other.inliers))

    def _flow(self, first: View, second: View, shift: tuple[float, float] | None) -> Floats:
        shape = first.levels.shape
        # One object per shape and kind of call: fed with several shapes OpenCV 5.0 crashes the process, and after one
        # call with a start it starts from there again when given none.
        key = (*shape, shift is None)
        if key not in self._flows:
            self._flows[key] = self._cv.DISOpticalFlow_create(self._cv.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
            # The preset stops at a quarter of the size; these pictures are small already.
            self._flows[key].setFinestScale(1)
        start: Any = None
        if shift is not None:
            start = np.empty((*shape, 2), np.float32)
            start[:] = shift
        return plain_means(self._flows[key].calc(first.levels, second.levels, start), grid(*shape))

    def _fit(self, shape: tuple[int, ...], flow: Floats, among: Mask, structured: Mask) -> _Fit | None:
        height, width = shape
        x, y = cell_centres(height, width)
        inside = (np.abs(x + flow[..., 0]) < width / 2) & (np.abs(y + flow[..., 1]) < height / 2)
        used = among & inside
        if used.sum() < _MIN_CELLS:
            return None
        source = np.stack([x[used], y[used]], axis=1)
        typical = float(np.hypot(*np.median(flow[used], axis=0)))
        matrix, inlier = self._cv.estimateAffinePartial2D(
            source,
            source + flow[used],
            method=self._cv.RANSAC,
            ransacReprojThreshold=self._settings.inlier_px + 0.05 * typical,
            maxIters=200,
            confidence=0.99,
            refineIters=3,
        )
        if matrix is None:
            return None
        agrees = np.zeros_like(structured)
        agrees[used] = inlier.ravel() > 0
        model = Similarity(float(matrix[0, 0]), float(matrix[1, 0]), float(matrix[0, 2]), float(matrix[1, 2]))
        return _Fit(model, agrees, flow, float(agrees.sum() / structured.sum()))

    def _shift(self, first: View, second: View) -> tuple[float, float] | None:
        # Copies, because phaseCorrelate multiplies its inputs by the window in place.
        (x, y), _ = self._cv.phaseCorrelate(first.grey.copy(), second.grey.copy(), hann(*first.grey.shape))
        return (x, y) if np.hypot(x, y) > 2.0 else None

    def _vote(self, first: View, second: View, fit: _Fit, at_rest: Floats) -> _Vote:
        cells = grid(*first.grey.shape)
        as_moved, seen = error_under(first, second, fit.model)
        apart = np.where(seen, at_rest - as_moved, np.float32(0.0))
        moved = cell_means(as_moved * as_moved, cells)
        rest = cell_means(np.where(seen, at_rest, np.float32(0.0)) ** 2, cells)
        # Least-squares share of the motion that a cell has made: 0 at rest, 1 moved as the model says.
        predicted = cell_means(apart * apart, cells)
        part = 0.5 * (rest - moved + predicted) / np.maximum(predicted, 1e-6)
        shown = plain_means(seen.astype(np.float32), cells) > 0.75
        less = np.minimum(moved, rest)
        noise = min(max(upper_median(less[shown]), 0.01), _NOISE) if shown.any() else _NOISE
        # A cell has a say when the two predictions differ by more than noise, and one of them comes true.
        sure = shown & (predicted > 0.25 * noise) & (less < 0.5 * predicted + noise)
        says_moved = sure & (part > 0.7)
        says_rest = sure & (part < 0.3)
        sides = borders(says_moved, says_rest, shown)
        return _Vote(fit, int(says_moved.sum()), int(says_rest.sum()), says_rest, moved, shown, sides)

    def _without_overlays(self, first: View, second: View, vote: _Vote) -> Similarity:
        """The motion refined again without the cells at rest: captions lie on top of it and would slow it down."""
        if vote.rest < _OVERLAY_SHARE * (vote.rest + vote.moved):
            return vote.fit.model
        near = self._cv.dilate(vote.still.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        return refined(first, second, vote.fit.model, vote.fit.inliers & ~near)

    def _judge(self, first: View, second: View, structured: Mask, fits: list[_Fit]) -> PairMotion:
        """The vote between moved and rest, and the check that the winner explains the picture."""
        height, width = first.grey.shape
        cells = grid(height, width)
        at_rest, _ = error_under(first, second, REST)
        votes = [self._vote(first, second, fit, at_rest) for fit in fits]
        best = max(votes, key=lambda vote: (vote.borders >= self._settings.min_borders, vote.moved), default=None)
        everywhere = best is not None and best.borders >= self._settings.min_borders
        rests = best is None or best.rest > (1.0 if everywhere else _SOME_REST / (1.0 - _SOME_REST)) * best.moved
        leaning = best is not None and rests and best.rest <= best.moved
        model, error, shown = REST, cell_means(at_rest * at_rest, cells), np.ones_like(structured)
        if best is not None and not rests:
            model, error, shown = self._without_overlays(first, second, best), best.error, best.shown
        # Explained: the prediction leaves less than half of the cell's own variance, or no more than coding noise.
        variance = cell_means(first.smooth * first.smooth, cells) - cell_means(first.smooth, cells) ** 2
        explained = error < np.maximum(0.5 * variance, _NOISE)
        match = float(explained[shown].mean()) if shown.any() else 0.0
        x, y = cell_centres(height, width)
        dx, dy = model.displacement(x, y)
        status: Status = "ok"
        if match < self._settings.min_match_share:
            status = "no_match"
        elif leaning:
            status = "leaning"
        elif not rests and not everywhere and np.sqrt(np.mean(dx * dx + dy * dy)) > _REST_PX:
            status = "ambiguous"
        flow = fits[0].flow if fits else np.zeros((*structured.shape, 2), np.float32)
        against = np.hypot(flow[..., 0] - dx, flow[..., 1] - dy)[structured]
        if best is not None and status == "leaning":
            model = best.fit.model
        return PairMotion(
            status,
            pan=-model.tx / first.full[1],
            tilt=model.ty / first.full[0],
            zoom=float(np.log(np.hypot(model.a, model.b))),
            roll=-float(np.degrees(np.arctan2(model.b, model.a))),
            match=match,
            texture=float(structured.mean()),
            subject=float(against.mean() / np.sqrt(first.full[0] * first.full[1])),
            streak=second.streak,
        )
