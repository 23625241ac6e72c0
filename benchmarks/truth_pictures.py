"""What is known about the pictures of the shared clips: cuts, gradual transitions, camera, text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from benchmarks.truth_media import first_truth, manifest, shared_path, truth_of

TransitionKind = Literal["fade_in", "fade_out", "dissolve", "any"]

CUT_CLIPS = (
    "derived/vertical_talk_cuts_subs_A.mp4",
    "cosmos/test_video_30s.mp4",
    "moviepy/big_buck_bunny_0_30.webm",
    "pysd/testvideo.mp4",
)
"""The four of the target."""

FADES_CLIP = "pysd/fades.mp4"
"""Grey ramps only; "must give NO hard cut"."""

CAMERA_CLIP = "derived/camera_pan_zoom_A.mp4"
CAPTION_CLIP = "derived/vertical_talk_cuts_subs_A.mp4"

STATIC_CLIPS = (
    "tfjs/pose_squats.mp4",
    "moviepy/chaplin.mp4",
    "intel/head-pose-face-detection-female-and-male.gif",
    "intel/bottle-detection.mp4",
    "intel/car-detection.mp4",
)
"""Camera static by eye."""

TRAP_CLIP, TRAP_FRAMES = "cosmos/test_video_30s.mp4", (664, 699)
"""Very strong motion and no cut, both frames included."""


@dataclass(frozen=True)
class Transition:
    """A gradual transition over the frames ``[first, end)``. ``any`` stands for one whose parts have several kinds."""

    kind: TransitionKind
    first: int
    end: int


@dataclass(frozen=True)
class EditTruth:
    """Cuts and transitions of one clip.

    Attributes:
        hard_cuts: First frames of new shots, jump cuts included.
        jump_cuts: Those between two pictures of one scene; None where not known.
        gradual: Transitions; None where the clip was not searched for them.
        unjudged: Frames ``[first, end)`` about which truth says nothing; what is found there is left out.
    """

    hard_cuts: tuple[int, ...]
    jump_cuts: tuple[int, ...] | None = None
    gradual: tuple[Transition, ...] | None = None
    unjudged: tuple[tuple[int, int], ...] = ()


_RAMPS: dict[str, tuple[Transition, ...]] = {
    # The list by eye has no entry before frame 70; mean luma climbs from 28 at frame 0 to 81 at frame 63.
    "cosmos/test_video_30s.mp4": (Transition("fade_in", 0, 63),),
    # "about the first second" by eye.
    "moviepy/big_buck_bunny_0_30.webm": (Transition("fade_in", 0, 24),),
    # Published are the moments at which a fixed level is crossed (in 217, out 364, in 400, out 697), and by eye that
    # "the later shot changes are fades"; the ends of the ramps are read off the mean luma of the decoded frames. The
    # dissolve from the stone to the feathers (one mixed picture after the other, seen frame by frame) is in no list.
    "pysd/testvideo.mp4": (
        Transition("fade_in", 211, 240),
        Transition("fade_out", 331, 360),
        Transition("fade_in", 394, 423),
        Transition("dissolve", 529, 559),
        Transition("fade_out", 664, 694),
    ),
    "derived/vertical_talk_cuts_subs_A.mp4": (),
}
"""Beside what the manifest lists. From the pictures, not from any detector."""

_EYE_KINDS: dict[str, TransitionKind] = {
    "fade in": "fade_in",
    "fade out": "fade_out",
    "whiteout then dissolve in": "any",
}
_TITLE_CARD = "title card on black"
"""Not a transition: text that comes and goes on black, between two that are listed."""


def cut_clips() -> list[str]:
    """All shared clips whose cuts are known and that are there."""
    known = [name for name in manifest() if edit_truth(name) is not None]
    return [name for name in known if shared_path(name)]


def one_shot_clips() -> tuple[str, ...]:
    """Those of them that were recorded in one go."""
    folders = ("intel", "lipnet", "tfjs", "moviepy")
    return tuple(
        name for name in cut_clips() if name.split("/")[0] in folders and not first_truth(name, "hard_cuts_frame")
    )


def edit_truth(name: str) -> EditTruth | None:
    """Cuts of a shared clip; None where they are not known.

    What was seen by eye counts, where published outputs of detectors disagree with it or with each other.
    """
    if name == FADES_CLIP:
        return EditTruth((), (), _ramps()) if name in manifest() else None
    if name == CAMERA_CLIP:
        return EditTruth((), (), ()) if name in manifest() else None  # a window moved over one still picture
    cuts = first_truth(name, "hard_cuts_frame") if name in manifest() else None
    if cuts is None:
        return None
    jump = first_truth(name, "jump_cut_frame")
    listed = first_truth(name, "gradual")
    gradual = _RAMPS.get(name)
    unjudged: list[tuple[int, int]] = []
    if isinstance(listed, list):
        for item in listed:
            first, end = item["frames"][0], item["frames"][1] + 1
            if item["kind"] == _TITLE_CARD:
                unjudged.append((first, end))
            else:
                gradual = (*(gradual or ()), Transition(_EYE_KINDS[item["kind"]], first, end))
    return EditTruth(
        tuple(cuts),
        (jump,) if jump is not None else None,
        tuple(sorted(gradual, key=lambda t: t.first)) if gradual is not None else None,
        tuple(unjudged),
    )


def _ramps() -> tuple[Transition, ...]:
    """The grey clip runs from black to white and back: published are the frames of its turning points."""
    published = truth_of(FADES_CLIP)["published_threshold"]
    turns = sorted({*published["default"], *published["ceiling_thr243_add_final"]})
    frames = int(manifest()[FADES_CLIP]["frames_decoded"])
    kinds: tuple[TransitionKind, ...] = ("fade_in", "fade_out")
    return tuple(Transition(kinds[k % 2], a, b) for k, (a, b) in enumerate(pairwise([*turns, frames])))


@dataclass(frozen=True)
class CameraTruth:
    """What the camera does in the frames ``[first, end)``; speeds on screen, zoom as a factor per second."""

    kind: str
    first: int
    end: int
    px_per_s: float
    zoom_per_s: float


def camera_truth() -> tuple[CameraTruth, ...]:
    """Of ``CAMERA_CLIP``, by construction. A zoomed picture moves faster on screen than the window over its source."""
    truth = truth_of(CAMERA_CLIP)["by_construction"]
    fps, zoom, parts = float(truth["fps"]), 1.0, []
    for part in truth["camera_motion"]:
        first, end, factor = part["first_frame"], part["last_frame"] + 1, float(part["zoom_factor_per_frame"])
        window_px = (part["window_dx_px_per_frame"] ** 2 + part["window_dy_px_per_frame"] ** 2) ** 0.5
        parts.append(CameraTruth(part["kind"], first, end, window_px * zoom * fps, factor**fps))
        zoom *= factor ** (end - first)
    return tuple(parts)


@dataclass(frozen=True)
class CaptionTruth:
    """A text and when it is seen, seconds."""

    text: str
    start_s: float
    end_s: float


def caption_truth() -> tuple[CaptionTruth, ...]:
    """Of ``CAPTION_CLIP``, by construction."""
    burned: list[dict[str, Any]] = truth_of(CAPTION_CLIP)["by_construction"]["burned_in_subtitles"]
    return tuple(CaptionTruth(c["text"], c["t0"], c["t1"]) for c in burned)


TEXT_CLIPS = ("moviepy/big_buck_bunny_0_30.webm", "cosmos/test_video_30s.mp4", "pysd/testvideo.mp4")
COUNTER_CLIP = "pysd/counter.mp4"


def seen_texts(name: str) -> tuple[CaptionTruth, ...]:
    """Of ``TEXT_CLIPS``: all texts that can be read by eye, with about when they are seen."""
    if name == "cosmos/test_video_30s.mp4":
        # The manifest has another reading ("The Durian Open Movie Project presents"); the card says this.
        return (CaptionTruth("THE BLENDER FOUNDATION presents", 176 / 24.0, 226 / 24.0),)
    if name == "pysd/testvideo.mp4":
        return tuple(CaptionTruth(text, 0.0, float(manifest()[name]["duration_s"])) for text in _listed_texts(name))
    fps = float(manifest()[name]["fps"])
    frames = [[int(n) for n in re.findall(r"\d+", item["frames"])] for item in _listed_texts(name)]
    texts = [item["text"] for item in _listed_texts(name)]
    return tuple(CaptionTruth(text, a / fps, b / fps) for text, (a, b) in zip(texts, frames, strict=True))


def _listed_texts(name: str) -> list[Any]:
    truth = truth_of(name)
    return list(truth.get("on_screen_text") or first_truth(name, "on_screen_text") or ())


def counter_texts() -> tuple[CaptionTruth, ...]:
    """Of ``COUNTER_CLIP``, as its published description says: another text on each of its 30 frames."""
    return tuple(CaptionTruth(f"Frame = {k} PTS = {(k - 1) / 10:.1f}s", (k - 1) / 10.0, k / 10.0) for k in range(1, 31))
