"""Speed and memory of the analyzers that load models, on this machine, as a table.

    python -m benchmarks.models_bench --size full                     all cases, on a GPU
    python -m benchmarks.models_bench --size full --models yolov8n,clip-b32
    python -m benchmarks.models_bench --size tiny --analyzers video_llava

Each case runs in a process of its own: loading is what a replica pays, memory is its own. The work is that of one clip
of 29 s (benchmarks/model_work.py). Weights are random, of the published size (``full``) or tiny, or those of a weights
folder (``real``); random ones write until their bound on tokens, so speeds are those of the longest texts. ``floor`` is
the least time of the model's layers (benchmarks/model_floor.py), none for libraries other than torch; a run is that
many times slower as the last column says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from typing import Any, Literal

from analyzers.catalogue import CATALOGUE, analyzer_class
from analyzers.inference.easyocr_reader import EASYOCR_LANGUAGES
from analyzers.runtime import Runtime
from benchmarks.model_floor import counted_layers, measured_peaks
from benchmarks.model_work import clip_chunks
from deployments.settings import PROJECT_ROOT
from media.limits import MediaLimits
from media.probe import probe
from ops.perf_clip import make_perf_clip
from weights.manifest import pin
from weights.record import record_folder

Size = Literal["tiny", "full", "real"]

CLIP_S = 29.0
CASE_LIMIT_S = 1800.0
"""Wall seconds of one case, after which it is ended."""

ANY_TEXT = {"unreadable_share": 1.0, "degenerate_share": 1.0}
"""Random weights write no sentences; here they may."""

DETECTORS = ("yolov8x", "yolov8n", "rtdetr-v2-r50", "rtdetr-v2-r18")
POSES = ("yolov8x-pose", "yolov8n-pose", "vitpose-base")
SCENES = ("segformer-b2", "segformer-b0", "upernet-convnext-small", "upernet-convnext-tiny")


def _crossed(base: Mapping[str, Any] | None = None, **choices: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """Every combination of these choices, on top of ``base``."""
    return tuple({**(base or {}), **dict(zip(choices, row, strict=True))} for row in product(*choices.values()))


VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "video_llava": (
        *_crossed(ANY_TEXT, quantization=("nf4", "none"), answers_per_batch=(1, 6, 12)),
        {**ANY_TEXT, "quantization": "int8"},
        {**ANY_TEXT, "windows": True, "chunks_per_batch": 4},
    ),
    "qwen2_vl_temporal": _crossed(ANY_TEXT, quantization=("nf4", "none"), chunks_per_batch=(1, 4, 8)),
    "blip2_video_analyzer": (
        *_crossed(ANY_TEXT, quantization=("int8", "nf4", "none"), chunks_per_batch=(1, 8)),
        {**ANY_TEXT, "model": "blip2-flan-t5-xl", "chunks_per_batch": 8},
    ),
    "object_detection": _crossed(model=DETECTORS, frames_per_batch=(1, 16)),
    "body_pose": _crossed(model=POSES, frames_per_batch=(1, 16)),
    "background_segmentation": _crossed(model=SCENES, frames_per_batch=(1, 8)),
    "clip_encoder": _crossed(model=("clip-l14", "clip-b32"), frames_per_batch=(1, 32)),
    "age_estimation": ({"model": "buffalo-l"}, *_crossed(model=("age-vit",), faces_per_batch=(1, 16))),
    "text_overlay": _crossed({"engine": "easyocr"}, easyocr_script=tuple(EASYOCR_LANGUAGES)),
    "speech_transcription": (
        *_crossed(model=("whisper-large-v3",), compute_type=("float16", "int8")),
        {"model": "whisper-small"},
    ),
    "speech_emotion": _crossed(spans_per_batch=(1, 16)),
    "audio_environment": _crossed(windows_per_batch=(1, 16)),
}
"""Settings to compare, per analyzer; the defaults for the others."""


@dataclass(frozen=True)
class Case:
    """One run: an analyzer under some settings."""

    analyzer: str
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pins(self) -> tuple[str, ...]:
        """Models that it loads."""
        cls = analyzer_class(self.analyzer)
        return cls(cls.Config.model_validate(dict(self.config))).wanted_models()

    @property
    def label(self) -> str:
        """The settings that tell cases apart."""
        shown = {key: value for key, value in self.config.items() if key not in ANY_TEXT}
        return ", ".join(f"{key} {value}" for key, value in shown.items()) or "defaults"


@dataclass(frozen=True)
class Measured:
    """What a case took.

    Attributes:
        load_s: Imports, loading and warm-up.
        memory_mb: Largest memory on the GPU, or of the process on a CPU.
        clip_s: Wall seconds inside the analyzer for the clip.
        cpu_s: The same of all its threads on the CPU: what is waited for a GPU, or while other programs have the CPU,
            does not count.
        tokens: Written; 0 for models that write none.
        floor_s: Least time of its layers; 0 where they are not torch's.
        gflops: Of its layers, in 1e9.
    """

    load_s: float
    memory_mb: float
    clip_s: float
    cpu_s: float
    tokens: int
    floor_s: float
    gflops: float


def cases(names: Sequence[str], pins: Sequence[str] = ()) -> list[Case]:
    """All cases of these analyzers; of these models alone where any are named."""
    found = [Case(name, config) for name in names for config in VARIANTS.get(name, ({},))]
    return [case for case in found if set(case.pins) & set(pins)] if pins else found


def benched_names() -> tuple[str, ...]:
    """Analyzers that load models."""
    return tuple(cls.name for cls in CATALOGUE if cls.models)


class NotMade(Exception):
    """Nothing of this size can be made of a model; the text says why."""


def fill(folder: Path, name: str, size: Size) -> None:
    """Makes the weights of a pin if they are not in the folder.

    Raises:
        NotMade: Nothing of this size can be made.
    """
    target = folder / name
    if size == "real" or (target / "pull.json").exists():
        return
    from benchmarks import full_size
    from tests.tiny import maker

    if size == "full" and name in full_size.NOT_MADE:
        raise NotMade(f"{name} cannot be made in full size: {full_size.NOT_MADE[name]}")
    target.mkdir(parents=True, exist_ok=True)
    if size == "full":
        full_size.make(name, target)
    else:
        maker(name)(target)
    record_folder(target, pin(name), pin(name).revision or size, "random weights")


def measure(case: Case, folder: Path, clip: Path, gpu_share: float) -> Measured:
    """Runs the case in this process."""
    analyzer = analyzer_class(case.analyzer)(analyzer_class(case.analyzer).Config.model_validate(dict(case.config)))
    analyzer.runtime = Runtime(weights_path=folder, gpu_share=gpu_share)
    started_s = time.perf_counter()
    analyzer.load()
    analyzer.warm_up()
    load_s = time.perf_counter() - started_s
    facts = probe(clip, MediaLimits())
    chunks = clip_chunks(analyzer, clip, facts)
    at_once = analyzer.config.chunks_per_batch
    batches = [chunks[i : i + at_once] for i in range(0, len(chunks), at_once)]
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    observations = [seen for batch in batches for seen in analyzer.observe(batch)]
    clip_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    memory_mb = _memory_mb(gpu_share)
    floor_s, gflops = 0.0, 0.0
    if "torch" in sys.modules:
        with counted_layers(measured_peaks(analyzer.runtime.device)) as layers:
            for batch in batches:
                analyzer.observe(batch)
        floor_s, gflops = layers.floor_s, layers.flops / 1e9
    return Measured(load_s, memory_mb, clip_s, cpu_s, tokens_of(observations), floor_s, gflops)


def tokens_of(value: Any) -> int:
    """Tokens of all texts inside observations."""
    from analyzers.inference.generation import Generated

    if isinstance(value, Generated):
        return value.tokens
    if isinstance(value, (list, tuple)):
        return sum(map(tokens_of, value))
    inner = getattr(value, "__dict__", None)
    return sum(map(tokens_of, inner.values())) if isinstance(inner, dict) else 0


def _memory_mb(gpu_share: float) -> float:
    if gpu_share > 0.0:
        import torch

        return float(torch.cuda.max_memory_reserved()) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def run_case(case: Case, folder: Path, clip: Path, gpu_share: float) -> Measured | str:
    """The case in a process of its own; why there are no figures where it failed."""
    order = json.dumps({"case": asdict(case), "folder": str(folder), "clip": str(clip), "gpu_share": gpu_share})
    command = [sys.executable, "-m", "benchmarks.models_bench", "--one", order]
    try:
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=CASE_LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"longer than {CASE_LIMIT_S:.0f} s"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines() or ["no output"]
    return Measured(**json.loads(lines[-1])) if done.returncode == 0 else lines[-1][:200]


def table(rows: Sequence[tuple[Case, Measured | str]], size: Size, device: str, clip_s: float = CLIP_S) -> str:
    """The figures as markdown, with date and device."""
    lines = [
        f"Models, {size} size, one clip of {clip_s:.0f} s. {device}. "
        f"{datetime.now(timezone.utc):%Y-%m-%d}. `python -m benchmarks.models_bench --size {size}`.",
        "",
        "| analyzer | settings | load s | memory MB | clip s | CPU s | tokens/s | GFLOP | floor s | clip / floor |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for case, found in rows:
        if isinstance(found, str):
            lines.append(f"| {case.analyzer} | {case.label} | {found} | | | | | | | |")
            continue
        speed = f"{found.tokens / found.clip_s:.1f}" if found.tokens else ""
        floor, times = (f"{found.floor_s:.3g}", f"{found.clip_s / found.floor_s:.1f}") if found.floor_s else ("", "")
        gflops = f"{found.gflops:.4g}" if found.gflops else ""
        lines.append(
            f"| {case.analyzer} | {case.label} | {found.load_s:.1f} | {found.memory_mb:.0f} | {found.clip_s:.2f} "
            f"| {found.cpu_s:.2f} | {speed} | {gflops} | {floor} | {times} |"
        )
    return "\n".join([*lines, ""])


def cpu_name() -> str:
    """The processor's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return found or f"{platform.machine()} CPU"


def device_name() -> tuple[str, float]:
    """What this machine computes on, and the share of a GPU to book; asked of a child, so that no memory is held."""
    code = "import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else '', torch.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name, _, version = done.stdout.strip().rpartition(" ")
    shown = name or f"{cpu_name()}, {os.cpu_count()} cores"
    return f"{shown}, torch {version}", 1.0 if name else 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--analyzers", help="names separated by commas; all that load models when left out")
    parser.add_argument("--models", help="names of pins separated by commas; all that the analyzers' cases load")
    parser.add_argument("--size", choices=("tiny", "full", "real"), default="tiny")
    parser.add_argument("--folder", type=Path, help="weights folder; a temporary one when left out")
    parser.add_argument("--clip", type=Path, help="video to work on; one of 29 s is made when left out")
    parser.add_argument("--out", type=Path, help="file for the table")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.one:
        order = json.loads(arguments.one)
        case = Case(**order["case"])
        found = measure(case, Path(order["folder"]), Path(order["clip"]), order["gpu_share"])
        print(json.dumps(asdict(found)))
        return 0
    names = arguments.analyzers.split(",") if arguments.analyzers else benched_names()
    device, gpu_share = device_name()
    with tempfile.TemporaryDirectory() as scratch:
        folder, clip = arguments.folder or Path(scratch) / "weights", arguments.clip or Path(scratch) / "clip.mp4"
        if arguments.clip is None:
            make_perf_clip(clip, CLIP_S)
        rows: list[tuple[Case, Measured | str]] = []
        for case in cases(names, arguments.models.split(",") if arguments.models else ()):
            rows.append((case, _prepared(case, folder, clip, gpu_share, arguments.size)))
            print(f"{case.analyzer} ({case.label}): {rows[-1][1]}", file=sys.stderr)
        text = table(rows, arguments.size, device, probe(clip, MediaLimits()).duration_s)
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    return 0


def _prepared(case: Case, folder: Path, clip: Path, gpu_share: float, size: Size) -> Measured | str:
    try:
        for name in case.pins:
            fill(folder, name, size)
    except NotMade as error:
        return str(error)
    return run_case(case, folder, clip, gpu_share)


if __name__ == "__main__":
    sys.exit(main())
