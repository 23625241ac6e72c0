"""Speed and memory of the warm service, as ratios within one run. Prints a table and writes JSON.

python -m benchmarks.bench [--runs 3] [--all] [--no-memory] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from analyzers.catalogue import CATALOGUE, closure
from analyzers.host import AnalyzerHost
from benchmarks.measure import Usage, replica_memory_mb, usage
from deployments.settings import PROJECT_ROOT
from media.limits import MediaLimits
from media.plan import bytes_planned, plan_decode
from media.probe import probe
from ops.perf_clip import make_perf_clip
from ops.profiles import PROFILE_FILES, load_profile
from ops.server import Service, free_port, local_service

FIRST = ("cut_analysis", "camera_analysis", "color_analysis", "text_overlay", "audio_analysis", "speech_flow")
MEASURES = tuple(cls.name for cls in CATALOGUE if not cls.models or cls.name == "text_overlay")
"""Analyzers that need no weights."""

SETS: dict[str, Callable[[], tuple[str, ...]]] = {
    "first": lambda: closure(FIRST),
    "no-text": lambda: MEASURES,
    "all": lambda: MEASURES,
}

CONFIGS: dict[str, dict[str, dict[str, str]]] = {
    "first": {"text_overlay": {"engine": "none"}},
    "no-text": {"text_overlay": {"engine": "none"}},
    "all": {},
}
"""Text reading left out: text_overlay takes its pictures, here and in the yardsticks, and reads nothing."""

TARGETS: dict[str, dict[str, float]] = {
    "first": {
        "service CPU / bare decode CPU": 2.5,
        "service wall / old way wall": 0.25,
        "service wall / one process wall": 1.2,
        "first observation, s": 1.0,
        "decodes per request": 1.0,
        "peak memory 290 s / 29 s": 1.3,
    },
    "no-text": {"service wall / old way wall": 0.25, "decodes per request": 1.0},
    "all": {"decodes per request": 1.0},
}
"""Upper bounds for each set."""

MEDIA = Path(os.environ.get("TIKTOK_ANALYZER_MEDIA", PROJECT_ROOT.parent / "shared" / "media"))
SHORT_S, LONG_S = 29.0, 290.0
IDLE_S = 5.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=list(SETS))
    parser.add_argument("--no-memory", action="store_true", help="leave out the 290 s clip")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "benchmarks" / "results" / "local" / "bench.json")
    arguments = parser.parse_args()
    console = Console()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        short = _short_clip(Path(folder))
        for label in arguments.sets:
            memory = label == arguments.sets[0] and not arguments.no_memory
            results[label] = _measure(console, label, short, Path(folder), arguments.runs, memory)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(_report(results, short), indent=1))
    console.print(f"written: {arguments.out}")
    return 0


def _measure(console: Console, label: str, short: Path, folder: Path, runs: int, memory: bool) -> dict[str, Any]:
    analyzers = SETS[label]()
    console.print(f"\n{label}: {', '.join(analyzers)}")
    roots = [str(folder), str(short.parent)]
    # Without the section cache: the same video is sent again and again, and each time it is to be computed.
    args: dict[str, Any] = {"data_dir": str(folder), "video_roots": roots, "cache": {"enabled": False}}
    args["analyzers"] = list(analyzers)
    config = load_profile(PROFILE_FILES["cpu"], port=free_port(0), args=args)
    blocks = config["applications"][0]["deployments"]
    config["applications"][0]["deployments"] = [b for b in blocks if b["name"] in (*analyzers, "Ingress")]
    for block in config["applications"][0]["deployments"]:
        if block["name"] in CONFIGS[label]:
            block["user_config"] = {**block.get("user_config", {}), **CONFIGS[label][block["name"]]}
    with local_service(config) as service:
        figures = {"start, s": service.start_s, **_measure_speed(console, service, short, label, runs)}
        if memory:
            figures |= _measure_memory(console, service, short, folder)
    _print(console, figures, TARGETS[label])
    return {"analyzers": list(analyzers), "figures": figures}


def _short_clip(folder: Path) -> Path:
    shared = MEDIA / "perf" / "vertical_29s_1080x1920.mp4"
    if shared.exists():
        return shared
    clip = folder / "short.mp4"
    make_perf_clip(clip, SHORT_S)
    return clip


def _measure_speed(console: Console, service: Service, clip: Path, label: str, runs: int) -> dict[str, Any]:
    analyzers, configs = SETS[label](), CONFIGS[label]
    _analyze(service, clip)
    with usage(os.getpid()) as idle:
        time.sleep(IDLE_S)
    decode, served, local, old, spared, documents = [], [], [], [], [], []
    for run in range(runs):
        decode.append(_yardstick("decode", clip))
        with usage(os.getpid()) as taken:
            documents.append(_analyze(service, clip))
        served.append(taken)
        local.append(_yardstick("local", clip, analyzers, configs))
        old.append(_yardstick("old", clip, analyzers, configs))
        spared.append(_yardstick("spared", clip, analyzers, configs))
        console.print(
            f"run {run + 1}: decode {decode[-1].wall_s:.2f} s wall {decode[-1].cpu_s:.2f} s CPU, "
            f"service {served[-1].wall_s:.2f} / {served[-1].cpu_s:.2f}, one process {local[-1].wall_s:.2f} / "
            f"{local[-1].cpu_s:.2f}, old way {old[-1].wall_s:.2f} / {old[-1].cpu_s:.2f}, sound spared "
            f"{spared[-1].wall_s:.2f} / {spared[-1].cpu_s:.2f}"
        )
    performance = documents[-1]["performance"]
    facts = probe(clip, MediaLimits())
    plan = plan_decode({name: AnalyzerHost(name).describe().needs for name in analyzers}, facts, 2.0)
    return {
        "service CPU / bare decode CPU": _ratio(served, decode, "cpu_s"),
        "service wall / bare decode wall": _ratio(served, decode, "wall_s"),
        "service wall / old way wall": _ratio(served, old, "wall_s"),
        "service CPU / old way CPU": _ratio(served, old, "cpu_s"),
        "service wall / old way wall, sound spared": _ratio(served, spared, "wall_s"),
        "service CPU / old way CPU, sound spared": _ratio(served, spared, "cpu_s"),
        "service wall / one process wall": _ratio(served, local, "wall_s"),
        "service CPU / one process CPU": _ratio(served, local, "cpu_s"),
        "first observation, s": statistics.median(d["performance"]["first_observation_ms"] for d in documents) / 1000.0,
        "decodes per request": float(max(d["performance"]["video_decodes"] for d in documents)),
        "object store bytes / planned bytes": performance["object_store_bytes"] / bytes_planned(plan, facts),
        "realtime factor": statistics.median(d["performance"]["realtime_factor"] for d in documents),
        "idle CPU, share of a core": idle.cpu_s / idle.wall_s,
        "seconds": {
            "bare decode": _seconds(decode),
            "service": _seconds(served),
            "one process": _seconds(local),
            "old way": _seconds(old),
            "old way, sound spared": _seconds(spared),
        },
        "replica memory, MB": replica_memory_mb(os.getpid()),
        "analyzer CPU / video length": {
            name: section["provenance"]["cpu_ms"] / 1000.0 / facts.duration_s
            for name, section in documents[-1]["sections"].items()
        },
    }


def _measure_memory(console: Console, service: Service, short: Path, folder: Path) -> dict[str, Any]:
    long = folder / "long.mp4"
    make_perf_clip(long, LONG_S)
    peaks = {}
    for label, clip in (("29 s", short), ("290 s", long)):
        with usage(os.getpid(), memory=True) as taken:
            _analyze(service, clip)
        peaks[label] = taken.peak_mb
        console.print(f"{label}: peak {taken.peak_mb:.0f} MB, {taken.wall_s:.1f} s")
    return {"peak memory 290 s / 29 s": peaks["290 s"] / peaks["29 s"], "peak memory, MB": peaks}


def _analyze(service: Service, clip: Path) -> dict[str, Any]:
    answer = httpx.post(f"{service.url}/analyze", json={"video_path": str(clip)}, timeout=1800.0)
    answer.raise_for_status()
    document: dict[str, Any] = httpx.get(f"{service.url}/jobs/{answer.json()['id']}/document", timeout=60.0).json()
    if document["status"] != "ok":
        raise RuntimeError(f"the benchmark's document is {document['status']}: {answer.json()['error']}")
    return document


def _yardstick(
    kind: str, clip: Path, analyzers: tuple[str, ...] = (), configs: Mapping[str, Mapping[str, str]] | None = None
) -> Usage:
    wanted = {name: (configs or {}).get(name, {}) for name in analyzers}
    command = [sys.executable, "-m", "benchmarks.yardsticks", kind, str(clip), json.dumps(wanted)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    return Usage(**json.loads(done.stdout.strip().splitlines()[-1]))


def _ratio(ours: list[Usage], theirs: list[Usage], field: str) -> float:
    ratios = [getattr(a, field) / getattr(b, field) for a, b in zip(ours, theirs, strict=True)]
    return float(statistics.median(ratios))


def _seconds(taken: list[Usage]) -> dict[str, float]:
    return {f: round(statistics.median(getattr(t, f) for t in taken), 3) for f in ("wall_s", "cpu_s")}


def _print(console: Console, figures: dict[str, Any], targets: dict[str, float]) -> None:
    table = Table("figure", "value", "target", "met")
    for name, value in figures.items():
        if isinstance(value, float):
            target = targets.get(name)
            table.add_row(name, f"{value:.3g}", f"<= {target:g}" if target else "", _met(value, target))
    console.print(table)
    for name in ("seconds", "peak memory, MB"):
        if name in figures:
            console.print(f"{name}: {figures[name]}")
    analyzers = Table("analyzer", "CPU / video length", "replica memory, MB")
    for name, share in figures["analyzer CPU / video length"].items():
        analyzers.add_row(name, f"{share:.3f}", f"{figures['replica memory, MB'].get(name, 0.0):.0f}")
    console.print(analyzers)


def _met(value: float, target: float | None) -> str:
    return "" if target is None else "yes" if value <= target else "no"


def _report(results: dict[str, Any], clip: Path) -> dict[str, Any]:
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "clip": clip.name,
        "targets": TARGETS,
        "sets": results,
    }


if __name__ == "__main__":
    sys.exit(main())
