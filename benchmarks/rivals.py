"""Hard cuts by PySceneDetect's detectors on the same clips in the same run: how right, and in how much time.

* same frames: every detector gets the very frames of the shared decode that ``cut_analysis`` gets (short side 96 px);
  only the detector's own time counts. Theirs: ``process_frame`` for each frame and ``post_process``, with frames turned
  to BGR and time stamps made beforehand. Ours: ``observe`` for each chunk and ``conclude``, which also finds fades,
  dissolves, jump cuts and shots and makes the JSON of the result;
* own size: the same with frames of 160 px, about what PySceneDetect scales to by itself (a width of 256 px and more);
* own reader: two detectors with PySceneDetect's reader and scaling, against ``cut_analysis`` with our decoder, one
  thread each; decoding counts.

Times are processor seconds of one thread. Each clip's frames are decoded once and gone through ``REPEATS`` times by all
methods in turn; a clip counts with its median.

PySceneDetect's detectors report cuts without a type, and ``ThresholdDetector`` looks for fades only. So F1 is given
twice: with every report counted, and with those inside a known gradual transition left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from analyzers.base import Context
from analyzers.host import AnalyzerHost, Concluded, Observed
from benchmarks.accuracy_cuts import HARD, judge_cuts
from benchmarks.figures import Figure, at_least, at_most, rounded, short
from benchmarks.scoring import Score
from benchmarks.truth_clips import Clips
from benchmarks.truth_pictures import CUT_CLIPS, EditTruth, cut_clips
from deployments.settings import GraphArgs
from media.decode import decode_video
from media.limits import MediaLimits
from media.needs import EveryFrame, FrameNeed, Needs
from media.plan import plan_decode
from media.probe import probe
from media.types import DecodeReport, FrameChunk, UInt8Array
from ops.local import LocalRunner, grouped
from reducer.facts import facts_after_decode

OURS = "cut_analysis"


REPEATS = 5
"""Other work on the machine slows single runs by a third."""

OWN_SIZE_PX = 160
WITH_OWN_READER = ("Content", "Adaptive")
SAME, OWN = "same frames", "own size"


def detectors() -> dict[str, Callable[[], Any]]:
    """PySceneDetect's, with their defaults; two also without their shortest scene of 15 frames."""
    import scenedetect as sd

    return {
        "Content": sd.ContentDetector,
        "Adaptive": sd.AdaptiveDetector,
        "Hash": sd.HashDetector,
        "Histogram": sd.HistogramDetector,
        "Threshold": sd.ThresholdDetector,
        "Content, any length": lambda: sd.ContentDetector(min_scene_len=1),
        "Adaptive, any length": lambda: sd.AdaptiveDetector(min_scene_len=1),
    }


@dataclass
class Method:
    """What one method reached.

    Attributes:
        scores: By frames (same, own size, own reader), then by set of clips (four, all).
        cpu_s: By frames: processor time over all clips; with the own reader over the four.
        misses: On the same frames.
    """

    scores: dict[str, Score] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)

    def add(self, key: str, score: Score) -> None:
        """Adds a clip's counts."""
        self.scores[key] = self.scores.get(key, Score()) + score

    def spend(self, key: str, cpu_s: float) -> None:
        """Adds a clip's time."""
        self.cpu_s[key] = self.cpu_s.get(key, 0.0) + cpu_s

    def f1(self, key: str) -> float | None:
        """Of that set."""
        return self.scores[key].f1 if key in self.scores else None


@dataclass
class Comparison:
    """All methods over the same clips."""

    methods: dict[str, Method]
    video_s: float
    clips: int

    def best_rival(self, key: str) -> tuple[str, float]:
        """Name and F1 of PySceneDetect's best."""
        rivals = {name: m.f1(key) or 0.0 for name, m in self.methods.items() if name != OURS}
        best = max(rivals, key=lambda name: rivals[name])
        return best, rivals[best]

    def figures(self) -> list[Figure]:
        """Ours over the best of theirs, each with its own time: the most accurate is the one to be as fast as."""
        ours, figures = self.methods[OURS], []
        pairs = {key: self.best_rival(key) for key in ("same frames, all", "same frames, all, gradual left out")}
        for key, (best, f1) in pairs.items():
            value = (ours.f1(key) or 0.0) / f1 if f1 else None
            measure = f"F1 over theirs ({best}), {key}"
            figures.append(Figure(OURS, measure, value, "ratio", self.clips, target=at_least(1.0)))
        for best in dict.fromkeys(best for best, _ in pairs.values()):
            for key in (SAME, OWN):
                value = ours.cpu_s[SAME] / self.methods[best].cpu_s[key]
                measure = f"CPU over theirs ({best}), {key}"
                figures.append(Figure(OURS, measure, value, "ratio", self.clips, target=at_most(1.0)))
        value = ours.cpu_s["own reader"] / min(self.methods[r].cpu_s["own reader"] for r in WITH_OWN_READER)
        measure = "CPU over theirs, decoding counted, own reader"
        return [*figures, Figure(OURS, measure, value, "ratio", len(CUT_CLIPS))]

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        return {
            "clips": self.clips,
            "video_s": round(self.video_s, 1),
            "methods": {
                name: {
                    "f1": {key: rounded(score.f1) for key, score in m.scores.items()},
                    "cpu_s": {key: round(value, 2) for key, value in m.cpu_s.items()},
                }
                for name, m in self.methods.items()
            },
        }


def compare(clips: Clips) -> Comparison | None:
    """Runs all methods; None where there are no shared clips."""
    shared = cut_clips()
    if not shared:
        return None
    found = Comparison({OURS: Method(), **{name: Method() for name in detectors()}}, 0.0, len(shared))
    for name in shared:
        path = clips.path(name)
        if path is not None:
            _on_shared_decode(found, name, path, clips.edits(name))
    runner = LocalRunner(GraphArgs(analyzers=(OURS,), decode_threads=1))
    for name in CUT_CLIPS:
        path = clips.path(name)
        if path is not None:
            _with_own_reader(found, name, path, clips.edits(name), runner)
    return found


def _rival(make: Callable[[], Any], pictures: list[UInt8Array], fps: float) -> tuple[list[int], float]:
    """Cuts that a fresh detector reports, fed frame by frame, and its processor time."""
    from scenedetect import FrameTimecode

    detector, times = make(), [FrameTimecode(number, fps) for number in range(max(1, len(pictures)))]
    started_s = time.thread_time()
    frames: set[int] = set()
    for at, picture in zip(times, pictures, strict=False):
        frames.update(cut.frame_num for cut in detector.process_frame(at, picture))
    frames.update(cut.frame_num for cut in detector.post_process(times[-1]))
    return sorted(frames), time.thread_time() - started_s


def _ours(host: AnalyzerHost, chunks: list[FrameChunk], context: Context, name: str) -> tuple[list[int], float]:
    """Hard cuts, and the processor time for all of the result."""
    observations, cpu_ms = [], 0.0
    for chunk in chunks:
        observed = host.observe([chunk])
        if not isinstance(observed, Observed):
            raise RuntimeError(f"{name}: {observed.reason}")
        observations += observed.observations
        cpu_ms += observed.cost.cpu_ms
    concluded = host.conclude(observations, context)
    cuts = concluded.result["cuts"] if isinstance(concluded, Concluded) else []
    return [c["frame"] for c in cuts if c["type"] in HARD], (cpu_ms + concluded.cost.cpu_ms) / 1000.0


def _on_shared_decode(found: Comparison, name: str, path: Path, truth: EditTruth) -> None:
    host, limits = AnalyzerHost(OURS), MediaLimits()
    facts = probe(path, limits)
    fps = facts.frame_rate or 1.0
    needs = {OURS: host.describe().needs, OWN: Needs(frames=(FrameNeed(EveryFrame(), OWN_SIZE_PX),))}
    plan = plan_decode(needs, facts, 2.0)
    ours_at, own_at = plan.routes[OURS].frames[0], plan.routes[OWN].frames[0]
    chunks: list[FrameChunk] = []
    pictures: dict[str, list[UInt8Array]] = {SAME: [], OWN: []}
    for header, batches in grouped(iter(decode_video(path, plan, facts, limits, threads=1))):
        if isinstance(header, DecodeReport):
            facts = facts_after_decode(facts, header)
            break
        if not len(batches[ours_at]):
            continue
        chunks.append(FrameChunk(header.index, header.start_s, header.end_s, (batches[ours_at],)))
        for key, at in ((SAME, ours_at), (OWN, own_at)):
            pictures[key] += [np.ascontiguousarray(p[..., ::-1]) for p in batches[at].own]
    found.video_s += facts.duration_s
    spent: dict[tuple[str, str], list[float]] = {}
    cuts: dict[tuple[str, str], list[int]] = {}
    for _ in range(REPEATS):
        cuts[OURS, SAME], cpu_s = _ours(host, chunks, Context(facts), name)
        spent.setdefault((OURS, SAME), []).append(cpu_s)
        for rival, make in detectors().items():
            for key, shown in pictures.items():
                cuts[rival, key], cpu_s = _rival(make, shown, fps)
                spent.setdefault((rival, key), []).append(cpu_s)
    for (method, key), times in spent.items():
        found.methods[method].spend(key, median(times))
        _count(found.methods[method], key, name, cuts[method, key], truth, fps)


def _with_own_reader(found: Comparison, name: str, path: Path, truth: EditTruth, runner: LocalRunner) -> None:
    from scenedetect import SceneManager, open_video

    before_s = time.process_time()
    document = runner.analyze(path)
    found.methods[OURS].spend("own reader", time.process_time() - before_s)
    result = document.section(OURS).result or {"cuts": []}
    fps = document.video.frame_rate or 1.0
    score, _ = judge_cuts([c["frame"] for c in result["cuts"] if c["type"] in HARD], truth.hard_cuts, name, fps)
    found.methods[OURS].add("own reader, four", score)
    for rival in WITH_OWN_READER:
        before_s = time.process_time()
        manager = SceneManager()
        manager.add_detector(detectors()[rival]())
        manager.detect_scenes(open_video(str(path)))
        frames = [cut.frame_num for cut in manager.get_cut_list()]
        found.methods[rival].spend("own reader", time.process_time() - before_s)
        score, _ = judge_cuts(frames, truth.hard_cuts, name, fps)
        found.methods[rival].add("own reader, four", score)


def _count(method: Method, frames_key: str, name: str, frames: list[int], truth: EditTruth, fps: float) -> None:
    judged = [f for f in frames if not any(first <= f < end for first, end in truth.unjudged)]
    plain = [f for f in judged if not any(t.first - 1 <= f <= t.end for t in truth.gradual or ())]
    for key, reports in (("", judged), (", gradual left out", plain)):
        score, misses = judge_cuts(reports, truth.hard_cuts, name, fps)
        method.add(f"{frames_key}, all{key}", score)
        if name in CUT_CLIPS:
            method.add(f"{frames_key}, four{key}", score)
        if not key and frames_key == SAME:
            method.misses += misses


def print_comparison(console: Console, found: Comparison) -> None:
    """The table, and what the best of theirs got wrong."""
    title = (
        f"Hard cuts against PySceneDetect: {found.clips} shared clips, {found.video_s:.0f} s of video, within 1 frame"
    )
    table = Table(title=title, title_justify="left")
    scores = {
        "F1\nfour clips": "same frames, four",
        "F1\nall clips": "same frames, all",
        "F1, all,\ngradual left out": "same frames, all, gradual left out",
        "F1, all,\nown size": "own size, all",
        "F1, four,\nown reader": "own reader, four",
    }
    times = {"CPU s\nsame frames": SAME, "CPU s\nown size": OWN, "CPU s, four\nown reader": "own reader"}
    table.add_column("method", no_wrap=True)
    for heading in (*scores, *times, "ours over\ntheirs, same"):
        table.add_column(heading, justify="right", no_wrap=True)
    ours_s = found.methods[OURS].cpu_s[SAME]
    for name, method in found.methods.items():
        values = [short(method.f1(key)) for key in scores.values()]
        spent = [f"{method.cpu_s[key]:.2f}" if key in method.cpu_s else "-" for key in times.values()]
        ratio = f"{ours_s / method.cpu_s[SAME]:.1f}"
        table.add_row(f"[bold]{name}[/]" if name == OURS else name, *values, *spent, ratio)
    console.print(table)
    best, _ = found.best_rival("same frames, all")
    console.print(f"[bold]{best}, same frames[/]", highlight=False)
    for miss in found.methods[best].misses:
        console.print(f"  {miss}", highlight=False, soft_wrap=True)
