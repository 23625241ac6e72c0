"""Cuts, fades and dissolves against the published truth of real clips, and beside PySceneDetect."""

from __future__ import annotations

import json
import warnings
from functools import cache

import numpy as np
import pytest

from media.types import FrameBatch
from tests.media_folder import MEDIA, media
from tests.run import make_analyzer, run_on_file

OWN_TRUTH = {
    # Looked at frame by frame; the default stream of 29.97 frames per second.
    "tc/nasa_13013.mp4": [240],
    # Five scenes of 180 frames (the last 150), cut hard; one holds each picture for three frames.
    "perf/vertical_29s_1080x1920.mp4": [180, 360, 540, 720],
}

TARGET = (
    "derived/vertical_talk_cuts_subs_A.mp4",
    "cosmos/test_video_30s.mp4",
    "moviepy/big_buck_bunny_0_30.webm",
    "pysd/testvideo.mp4",
)

GRADUAL = {
    # By eye, frames; the manifest's list, the fade in from the first frame, and the published fades of testvideo at
    # intensity 8 (in 217, out 364, in 400, out 697) with the dissolve between two of its pictures.
    "cosmos/test_video_30s.mp4": [
        ("fade", 0, 62),
        ("fade", 70, 95),
        ("fade", 155, 177),
        ("fade", 238, 250),
        ("fade", 312, 345),
        ("fade", 387, 405),
        ("fade", 450, 468),
        ("fade", 476, 495),
        ("fade", 630, 645),
        ("fade", 708, 719),
    ],
    "moviepy/big_buck_bunny_0_30.webm": [("fade", 0, 24)],
    "pysd/testvideo.mp4": [
        ("fade", 212, 240),
        ("fade", 331, 364),
        ("fade", 394, 424),
        ("dissolve", 529, 557),
        ("fade", 663, 697),
    ],
    "pysd/fades.mp4": [
        ("fade", 0, 42),
        ("fade", 42, 84),
        ("fade", 84, 126),
        ("fade", 126, 167),
        ("fade", 167, 209),
        ("fade", 209, 245),
    ],
    "tc/nasa_13013.mp4": [("dissolve", 150, 179)],
    "derived/vertical_talk_cuts_subs_A.mp4": [],
    "derived/camera_pan_zoom_A.mp4": [],
    "moviepy/chaplin.mp4": [],
    "intel/car-detection.mp4": [],
    "intel/bottle-detection.mp4": [],
    "tfjs/asl_hand.25fps.mp4": [],
}


@cache
def analysed(name):
    return run_on_file(make_analyzer("cut_analysis"), media(name))


@cache
def hard_truth():
    """Clip to hard cuts, from the manifest's by-eye and by-construction truth, and our own."""
    manifest = MEDIA / "MANIFEST.json"
    if not manifest.exists():
        pytest.skip(f"no {manifest}")
    truth = dict(OWN_TRUTH)
    for entry in json.loads(manifest.read_text()):
        for origin in ("by_eye", "by_construction"):
            frames = (entry.get("truth") or {}).get(origin, {}).get("hard_cuts_frame")
            if frames is not None:
                truth[entry["file"]] = frames
    return truth


def hits(predicted, truth, tolerance=1):
    """(true positives, false positives, false negatives); each cut is used once."""
    left = list(predicted)
    true = 0
    for frame in truth:
        near = [p for p in left if abs(p - frame) <= tolerance]
        if near:
            left.remove(min(near, key=lambda p: abs(p - frame)))
            true += 1
    return np.array([true, len(left), len(truth) - true])


def f1(counts):
    return 2 * counts[0] / (2 * counts[0] + counts[1] + counts[2])


def sudden(name):
    return [cut.frame for cut in analysed(name).cuts if cut.type in ("hard", "jump")]


def test_hard_cuts_of_the_target_clips():
    counts = sum(hits(sudden(name), hard_truth()[name]) for name in TARGET)
    assert f1(counts) >= 0.97, counts


def test_no_cut_in_the_motion_trap():
    assert not [cut for cut in analysed("cosmos/test_video_30s.mp4").cuts if 660 <= cut.frame <= 702]


def test_the_jump_cut_is_named_one():
    cuts = analysed("derived/vertical_talk_cuts_subs_A.mp4").cuts
    assert [(cut.frame, cut.type) for cut in cuts] == [(75, "hard"), (150, "hard"), (225, "jump")]


def test_fades_clip_has_fades_only():
    result = analysed("pysd/fades.mp4")
    assert {cut.type for cut in result.cuts} == {"fade"}
    # Published: PySceneDetect's ThresholdDetector starts scenes at 84 and 167, the darkest frames.
    assert [cut.frame for cut in result.cuts] == pytest.approx([84, 167], abs=6)


def test_cuts_to_and_from_black_are_hard():
    cuts = {cut.frame: cut.type for cut in analysed("cosmos/test_video_30s.mp4").cuts}
    assert [cuts[frame] for frame in (348, 372, 624)] == ["hard"] * 3


@pytest.mark.slow
def test_hard_cuts_of_all_clips():
    counts = sum(hits(sudden(name), truth) for name, truth in hard_truth().items())
    assert f1(counts) >= 0.97, counts


def gradual_hits(name):
    """One hit per true transition of the same kind that overlaps; two halves of one (to white and back) are one."""
    predicted = [(t.kind.split("_")[0], t.first_frame, t.end_frame) for t in analysed(name).transitions]
    true = {i for i, g in enumerate(GRADUAL[name]) if any(_meets(p, g) for p in predicted)}
    false = [p for p in predicted if not any(_meets(p, g) for g in GRADUAL[name])]
    return np.array([len(true), len(false), len(GRADUAL[name]) - len(true)])


def _meets(a, b):
    return a[0] == b[0] and min(a[2], b[2]) - max(a[1], b[1]) >= 0.5 * min(a[2] - a[1], b[2] - b[1])


@pytest.mark.slow
def test_gradual_transitions_of_all_clips():
    counts = sum(gradual_hits(name) for name in GRADUAL)
    assert f1(counts) >= 0.9, counts


@pytest.mark.slow
def test_at_least_as_good_as_pyscenedetect():
    """The same frames, the same tolerance; theirs with their default and with a short minimum scene length."""
    pytest.importorskip("scenedetect")
    ours = sum(hits(sudden(name), truth) for name, truth in hard_truth().items())
    theirs: dict[str, np.ndarray] = {}
    for name, truth in hard_truth().items():
        for detector, cuts in pyscenedetect_cuts(name).items():
            theirs[detector] = theirs.get(detector, 0) + hits(cuts, truth)
    best = max(theirs, key=lambda key: f1(theirs[key]))
    assert f1(ours) >= f1(theirs[best]), (ours, best, theirs[best])


def pyscenedetect_cuts(name):
    from media.decode import decode_video
    from media.limits import MediaLimits
    from media.needs import EveryFrame, FrameNeed, Needs
    from media.plan import plan_decode
    from media.probe import probe

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector, ContentDetector, HashDetector, HistogramDetector

        kinds = {"content": ContentDetector, "adaptive": AdaptiveDetector, "hash": HashDetector}
        kinds["histogram"] = HistogramDetector
        detectors = {f"{k}, {n}": kind(min_scene_len=n) for k, kind in kinds.items() for n in (3, 15)}
        cuts: dict[str, list[int]] = {key: [] for key in detectors}
        path, limits = media(name), MediaLimits()
        facts = probe(path, limits)
        plan = plan_decode({"all": Needs((FrameNeed(EveryFrame(), 96),))}, facts, 2.0)
        last = 0
        for item in decode_video(path, plan, facts, limits):
            if isinstance(item, FrameBatch):
                for frame, index in zip(item.own, item.own_index, strict=True):
                    last = int(index)
                    time = FrameTimecode(last, 25.0)
                    for key, detector in detectors.items():
                        found_now = detector.process_frame(time, np.ascontiguousarray(frame[..., ::-1]))
                        cuts[key] += [cut.frame_num for cut in found_now]
        for key, detector in detectors.items():
            cuts[key] += [cut.frame_num for cut in detector.post_process(FrameTimecode(last, 25.0))]
    return cuts
