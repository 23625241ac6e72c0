"""From hard cuts, fades and dissolves to the one list of borders between shots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from analyzers.signal.dissolves import Dissolve, DissolveSettings, dissolves
from analyzers.signal.fades import MAX_STEP, PLAIN_LEVELS, Fade, FadeSettings, Levels, contrast, fades
from analyzers.signal.frame_change import ChangeMeter
from analyzers.signal.frame_sketch import THUMB_PX, Sketches
from analyzers.signal.hard_cuts import RETURNED, HardCut, distance, hard_cuts
from analyzers.signal.pair_changes import PairChanges
from analyzers.signal.sudden_change import CutSettings, active_area
from media.types import Float32Array, Float64Array

CutKind = Literal["hard", "jump", "fade", "dissolve"]

ONSET_LEVELS = 12.0
"""A change of less than this beside a plain picture may be the first step of a fade and bars none."""

WHITE_LUMA = 180.0
"""Plain colours above this may be the white of a flash."""

SURE_SCORE = 0.5
"""Hard cuts with at least this score bar dissolves; weaker ones may be what a fast dissolve looks like."""

ONE_SHOT = 0.95
"""Likeness after re-framing from which on nothing was dissolved."""

ZOOMS = (1.0, 1.08, 1.16, 1.25, 1.35, 1.5)
"""Changes of size tried when two shots are compared: usual punch-ins lie between 1.1 and 1.4."""


@dataclass(frozen=True)
class EditSettings:
    """All thresholds; ``CutAnalysisConfig`` says where each comes from.

    Attributes:
        cuts: For hard cuts.
        fades: For fades.
        dissolves: For dissolves.
        jump_likeness: Correlation from which on both sides of a hard cut are one scene.
        jump_colours: Largest distance of their colours, in levels over three channels.
        join_s: A fade out and a fade in are one transition when the plain colour between them is no longer.
    """

    cuts: CutSettings
    fades: FadeSettings
    dissolves: DissolveSettings
    jump_likeness: float
    jump_colours: float
    join_s: float


@dataclass(frozen=True)
class Border:
    """Where one shot ends and the next begins; frames are positions in the clip.

    Attributes:
        frame: First frame of the new shot.
        kind: How.
        score: Of its kind, in [0, 1].
        likeness: Correlation of both shots, the later one moved and re-framed to fit, in [0, 1].
        start: First frame of a gradual transition, else None.
        end: First frame after a gradual transition, else None.
        colour: Plain colour of a fade, Y', Cb, Cr, else None.
    """

    frame: int
    kind: CutKind
    score: float
    likeness: float
    start: int | None = None
    end: int | None = None
    colour: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class EditPoints:
    """What was found in one uninterrupted run of frames."""

    borders: tuple[Border, ...]
    fades: tuple[Fade, ...]
    dissolves: tuple[Dissolve, ...]


def edit_points(sketches: Sketches, meter: ChangeMeter, settings: EditSettings) -> EditPoints:
    """All borders and gradual transitions of an uninterrupted run of at least two frames."""
    area = active_area(sketches.thumbs)
    thumbs = area.of_thumbs(sketches.thumbs)
    changes, pts_s = PairChanges(sketches, meter), sketches.pts_s
    period_s = float(np.median(np.diff(pts_s)))
    cuts = hard_cuts(changes, area, settings.cuts)
    levels = Levels.of(thumbs)
    level = levels.contrast()
    walls = [c.frame for c in cuts if not _is_onset(thumbs, level, c.frame)]
    faded = fades(thumbs, levels, pts_s, walls, settings.fades, period_s)
    faded = [fade for fade in faded if not _is_flash_tail(thumbs, pts_s, fade, settings.cuts.flash_s)]
    cuts = [cut for cut in cuts if not any(_belongs(thumbs, level, cut.frame, fade) for fade in faded)]
    barred = [(fade.start, fade.end) for fade in faded]
    barred += [(cut.frame, cut.frame + 1) for cut in cuts if cut.score >= SURE_SCORE]
    mixed = [d for d in dissolves(thumbs, barred, settings.dissolves, period_s) if not _is_one_shot(thumbs, d)]
    cuts = [cut for cut in cuts if not any(d.start - 1 <= cut.frame <= d.end + 1 for d in mixed)]
    has_bars = thumbs.shape[1:3] != (THUMB_PX, THUMB_PX)
    borders = [_hard(changes, thumbs[cut.frame - 1 : cut.frame + 1], has_bars, cut, settings) for cut in cuts]
    for d in mixed:
        likeness = _dissolve_likeness(thumbs, d)
        borders.append(Border(d.middle, "dissolve", 1.0 - min(d.residual, 1.0), likeness, d.start, d.end))
    borders += _fade_borders(thumbs, pts_s, faded, [cut.frame for cut in cuts], settings.join_s)
    return EditPoints(tuple(_one_per_frame(borders)), tuple(faded), tuple(mixed))


def _dissolve_likeness(thumbs: Float32Array, dissolve: Dissolve) -> float:
    return reframed_likeness(thumbs[dissolve.start - 1], thumbs[min(dissolve.end, len(thumbs) - 1)])


def _is_one_shot(thumbs: Float32Array, dissolve: Dissolve) -> bool:
    """Whether the later picture is the earlier one moved: a pan that is blurred for a moment, say."""
    return _dissolve_likeness(thumbs, dissolve) > ONE_SHOT


def _one_per_frame(borders: Sequence[Border]) -> list[Border]:
    best: dict[int, Border] = {}
    for border in sorted(borders, key=lambda b: b.score):
        best[border.frame] = border
    return [best[frame] for frame in sorted(best)]


def _is_onset(thumbs: Float32Array, level: npt.NDArray[np.float64], frame: int) -> bool:
    """Whether this cut may be no more than the first or last step of a fade."""
    plain = min(level[frame - 1], level[frame]) <= PLAIN_LEVELS
    return bool(plain and distance(thumbs[frame - 1], thumbs[frame]) < ONSET_LEVELS)


def _is_flash_tail(thumbs: Float32Array, pts_s: Float64Array, fade: Fade, flash_s: float) -> bool:
    """Whether a fade from or to white is the decay or rise of a flash: the picture is the same before and after it."""
    if fade.colour[0] <= WHITE_LUMA:
        return False
    n = len(pts_s)
    if fade.direction == "in":
        inner, outer = fade.plain, min(fade.end, n - 1)
        others = [k for k in range(inner - 1, -1, -1) if pts_s[outer] - pts_s[k] <= flash_s]
    else:
        inner, outer = fade.plain, max(fade.start - 1, 0)
        others = [k for k in range(inner + 1, n) if pts_s[k] - pts_s[outer] <= flash_s]
    return any(distance(thumbs[outer], thumbs[k]) < RETURNED * fade.range for k in others)


def _belongs(thumbs: Float32Array, level: npt.NDArray[np.float64], frame: int, fade: Fade) -> bool:
    """Whether a cut is a step of the fade: inside it, or at its plain end."""
    if not fade.start - 1 <= frame <= fade.end + 1:
        return False
    plain_side = frame - 1 if fade.direction == "in" else frame
    inside = fade.start < frame < fade.end - 1
    if not inside and level[plain_side] > PLAIN_LEVELS:
        return False
    return distance(thumbs[frame - 1], thumbs[frame]) < MAX_STEP * fade.range


def _hard(changes: PairChanges, pair: Float32Array, has_bars: bool, cut: HardCut, settings: EditSettings) -> Border:
    likeness = reframed_likeness(pair[0], pair[1])
    if not has_bars:
        # Measured over the whole picture: black bars, which all shots share, would pass for likeness.
        changes.measure(np.array([cut.frame]))
        likeness = max(likeness, float(changes.moved_likeness[cut.frame]))
    is_jump = (
        likeness >= settings.jump_likeness
        and colour_distance(pair[0], pair[1]) <= settings.jump_colours
        and float(contrast(pair).min()) > PLAIN_LEVELS
    )
    return Border(cut.frame, "jump" if is_jump else "hard", cut.score, float(np.clip(likeness, 0.0, 1.0)))


def reframed_likeness(before: Float32Array, after: Float32Array) -> float:
    """Best correlation of two thumbnails when one is shrunk and moved over the other, in [0, 1]; 0 for plain ones."""
    import cv2

    if min(float(contrast(picture[None])[0]) for picture in (before, after)) <= PLAIN_LEVELS:
        return 0.0
    square = (THUMB_PX, THUMB_PX)
    a, b = (cv2.resize(picture, square, interpolation=cv2.INTER_LINEAR) for picture in (before, after))
    best = 0.0
    for zoom in ZOOMS:
        size = round(THUMB_PX / zoom)
        for inner, outer in ((a, b), (b, a)):
            part = _middle(inner) if zoom == 1.0 else cv2.resize(inner, (size, size), interpolation=cv2.INTER_AREA)
            best = max(best, float(cv2.matchTemplate(outer, part, cv2.TM_CCOEFF_NORMED).max()))
    return min(best, 1.0)


def _middle(picture: Any) -> Any:
    """Without an eighth on each side, so that it can be moved over the other picture."""
    edge = THUMB_PX // 8
    return picture[edge:-edge, edge:-edge]


def colour_distance(a: Float32Array, b: Float32Array) -> float:
    """Distance of two pictures' colour distributions: per channel the mean difference of sorted values, summed."""
    return float(sum(np.abs(np.sort(a[..., c], None) - np.sort(b[..., c], None)).mean() for c in range(a.shape[-1])))


def _fade_borders(
    thumbs: Float32Array, pts_s: Float64Array, faded: Sequence[Fade], cuts: Sequence[int], join_s: float
) -> list[Border]:
    """A border for each fade out with the fade in that follows, and one on each side of a long plain stretch.

    A fade beside a hard cut (a fade to black, then a picture at once) adds none: the cut is the border. Neither does
    a fade in at the clip's start or a fade out at its end.
    """
    borders: list[Border] = []
    for i, fade in enumerate(faded):
        if fade.direction == "out":
            following = faded[i + 1] if i + 1 < len(faded) else None
            limit = following.start if following else len(pts_s)
            cut = next((c for c in cuts if fade.end - 1 <= c <= limit), None)
            stop = min(cut if cut is not None else limit, len(pts_s) - 1)
            short = pts_s[stop] - pts_s[min(fade.end, stop)] <= join_s
            if following is not None and following.direction == "in" and cut is None and short:
                borders.append(_joined(thumbs, fade, following))
            elif not short and (following is not None or cut is not None):
                borders.append(_single(thumbs, fade, min(fade.end, len(pts_s) - 1)))
        else:
            before = faded[i - 1] if i else None
            limit = before.end if before else 0
            cut = next((c for c in reversed(cuts) if limit <= c <= fade.start + 1), None)
            start = cut if cut is not None else limit
            if (before is not None or cut is not None) and pts_s[fade.start] - pts_s[start] > join_s:
                borders.append(_single(thumbs, fade, fade.start))
    return borders


def _joined(thumbs: Float32Array, out: Fade, into: Fade) -> Border:
    likeness = reframed_likeness(thumbs[max(out.start - 1, 0)], thumbs[min(into.end, len(thumbs) - 1)])
    return Border(into.start, "fade", min(out.score, into.score), likeness, out.start, into.end, out.colour)


def _single(thumbs: Float32Array, fade: Fade, frame: int) -> Border:
    likeness = reframed_likeness(thumbs[max(fade.start - 1, 0)], thumbs[min(fade.end, len(thumbs) - 1)])
    return Border(frame, "fade", fade.score, likeness, fade.start, fade.end, fade.colour)
