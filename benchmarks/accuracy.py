"""How right the analyzers are: precision, recall, F1 or error against known truth, with the number of cases.

python -m benchmarks.accuracy [--only NAME] [--seed N] [--out FILE]

Truth is that of the shared clips (published, by eye, by construction) and of clips made here. Without the folder of
shared clips the made ones alone are measured. Ends with a comparison with PySceneDetect on the same frames.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console

from analyzers.catalogue import analyzer_class, closure, names
from analyzers.threads import limit_threads
from benchmarks import (
    accuracy_cuts,
    accuracy_effects,
    accuracy_pictures,
    accuracy_sound,
    accuracy_speech,
    accuracy_text,
    rivals,
)
from benchmarks.figures import Figure, Measure, Outcome, at_most, figure_table, print_misses
from benchmarks.truth_clips import Clips
from benchmarks.truth_made import SEED
from deployments.settings import PROJECT_ROOT, GraphArgs
from media.limits import MediaLimits
from ops.local import LocalRunner
from tests.media_folder import MEDIA

GROUPS = {
    "Cuts and transitions": accuracy_cuts.MEASURES,
    "Visual effects": accuracy_effects.MEASURES,
    "Text on screen": accuracy_text.MEASURES,
    "Camera, scenes, composition, quality, flow": accuracy_pictures.MEASURES,
    "Speech": accuracy_speech.MEASURES,
    "Sound": accuracy_sound.MEASURES,
}
PYSCENEDETECT = "pyscenedetect"

PATIENT = MediaLimits(probe_timeout_s=60.0)
"""A busy machine shall change the times and not the answers."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    known = sorted({m.analyzer for measures in GROUPS.values() for m in measures})
    parser.add_argument("--only", choices=(*known, PYSCENEDETECT), help="one analyzer, or the comparison alone")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "benchmarks" / "results" / "local" / "accuracy.json")
    parser.add_argument("--seed", type=int, default=SEED, help="of the films cut at random, for ones not seen before")
    arguments = parser.parse_args()
    limit_threads(1)
    console = Console(width=None if sys.stdout.isatty() else 150)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    groups: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory() as folder:
        clips = Clips(Path(folder), arguments.seed)
        outcomes = Answers(clips, [m for ms in GROUPS.values() for m in ms if arguments.only in (None, m.analyzer)])
        for title, measures in GROUPS.items():
            groups[title] = [
                figure for m in measures if arguments.only in (None, m.analyzer) for figure in outcomes.judged(m)
            ]
        compared = rivals.compare(clips) if arguments.only in (None, PYSCENEDETECT) else None
    for title, figures in groups.items():
        if figures:
            console.print(figure_table(title, figures))
            print_misses(console, figures)
    if compared:
        rivals.print_comparison(console, compared)
        groups["Against PySceneDetect"] = compared.figures()
        console.print(figure_table("Against PySceneDetect", compared.figures()))
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    targets = [f for figures in groups.values() for f in figures if f.met is not None]
    console.print(
        f"targets met: {sum(bool(f.met) for f in targets)} of {len(targets)}; {cpu_s:.0f} s CPU, {wall_s:.0f} s"
    )
    if outcomes.absent_clips:
        count = len(outcomes.absent_clips)
        console.print(f"{count} clips are absent, {outcomes.skipped} measures left out; shared clips: {MEDIA}")
    report = _report(groups, outcomes, cpu_s, arguments.seed) | (
        {"pyscenedetect": compared.as_json()} if compared else {}
    )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    console.print(f"written: {arguments.out}")
    return 0


class Answers:
    """Runs each clip once, with all analyzers that any measure wants of it.

    Args:
        clips: All clips.
        measures: Those that will be judged.
    """

    def __init__(self, clips: Clips, measures: Sequence[Measure]) -> None:
        self._clips = clips
        self._wanted: dict[str, set[str]] = {}
        for measure in measures:
            for name in measure.clips:
                if measure.analyzer in names():
                    self._wanted.setdefault(name, set()).add(measure.analyzer)
        needed = closure({analyzer for wanted in self._wanted.values() for analyzer in wanted})
        self._runner = LocalRunner(GraphArgs(analyzers=needed, decode_threads=1, limits=PATIENT))
        self._done: dict[str, dict[str, Outcome]] = {}
        self.absent_clips: set[str] = set()
        self.skipped = 0
        """Measures without a single clip."""
        self.cpu_s: dict[str, float] = {}
        """Processor time of each analyzer over all clips."""
        self.video_s: dict[str, float] = {}
        """Length of what it was given."""

    def judged(self, measure: Measure) -> list[Figure]:
        """The measure's figures; none where all its clips are absent."""
        if measure.analyzer not in names():
            return [Figure(measure.analyzer, "not in the catalogue", None, "absent", 0)]
        outcomes = {name: found for name in measure.clips if (found := self._of(name, measure.analyzer))}
        if not outcomes:
            self.skipped += 1
            return []
        if measure.none_is_an_answer:
            return measure.judge(outcomes, self._clips)
        lost = tuple(f"{name}: {o.status} {o.code}" for name, o in outcomes.items() if o.result is None)
        answered = {name: outcome for name, outcome in outcomes.items() if outcome.result is not None}
        figures = measure.judge(answered, self._clips) if answered else []
        if lost:
            count, title = float(len(lost)), "clips without a result"
            figures.append(
                Figure(measure.analyzer, title, count, "clips", len(outcomes), target=at_most(0.0), misses=lost)
            )
        return figures

    def _of(self, name: str, analyzer: str) -> Outcome | None:
        if name not in self._done:
            self._done[name] = self._run(name)
        return self._done[name].get(analyzer)

    def _run(self, name: str) -> dict[str, Outcome]:
        path = self._clips.path(name)
        if path is None:
            self.absent_clips.add(name)
            return {}
        document = self._runner.analyze(path, sorted(self._wanted[name]))
        outcomes = {}
        for analyzer, section in document.sections.items():
            cls = analyzer_class(analyzer)
            result = cls.Result.model_validate(section.result) if section.result is not None else None
            code = section.error.code if section.error else ""
            outcomes[analyzer] = Outcome(result, section.status, code, document.video)
            self.cpu_s[analyzer] = self.cpu_s.get(analyzer, 0.0) + section.provenance.cpu_ms / 1000.0
            self.video_s[analyzer] = self.video_s.get(analyzer, 0.0) + document.video.duration_s
        return outcomes


def _report(groups: dict[str, list[Figure]], answers: Answers, cpu_s: float, seed: int) -> dict[str, Any]:
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, one thread",
        "cpu_s": round(cpu_s, 1),
        "seed": seed,
        "analyzer_cpu_per_second_of_clip": {
            name: round(spent / answers.video_s[name], 4)
            for name, spent in answers.cpu_s.items()
            if answers.video_s[name]
        },
        "absent_clips": sorted(answers.absent_clips),
        "figures": {title: [figure.as_json() for figure in figures] for title, figures in groups.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
