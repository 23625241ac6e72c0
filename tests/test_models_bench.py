"""The benchmark of the models: its floor counted by hand and by torch, one case run for real, the table's form."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from analyzers.inference.chat_analyzer import ClipText, Said
from analyzers.inference.generation import Generated
from analyzers.results.video_text import SegmentText
from benchmarks.model_floor import Peaks, counted_layers, measured_peaks
from benchmarks.models_bench import (
    Case,
    Measured,
    NotMade,
    benched_names,
    cases,
    fill,
    main,
    measure,
    table,
    tokens_of,
)
from tests.made_media import make_video
from tests.tiny_weights import TinyWeights
from tests.upright_clip import patches
from weights.manifest import PINS

PEAKS = Peaks(flops_per_s=1e9, bytes_per_s=1e6)


def test_a_linear_layer_costs_its_products_or_its_weights() -> None:
    layer = torch.nn.Linear(32, 64)
    with counted_layers(PEAKS) as layers:
        layer(torch.zeros(5, 32))
    weights = (32 * 64 + 64) * 4
    assert (layers.flops, layers.bytes) == (2 * 5 * 32 * 64, weights)
    # 20 kFLOP take 20 us, 8 kB take 8 ms: the memory decides.
    assert layers.floor_s == pytest.approx(weights / 1e6)
    with counted_layers(Peaks(1e6, 1e9)) as slow:
        layer(torch.zeros(5, 32))
    assert slow.floor_s == pytest.approx(2 * 5 * 32 * 64 / 1e6)


def test_layers_are_counted_as_torch_counts_them() -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.Conv2d(8, 8, 3, groups=4, stride=2),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 7 * 7, 10),
    )
    picture = torch.zeros(2, 3, 16, 16)
    with FlopCounterMode(display=False) as theirs:
        model(picture)
    with counted_layers(PEAKS) as ours:
        model(picture)
    assert ours.flops == theirs.get_total_flops()


def test_counting_ends_with_its_block() -> None:
    with counted_layers(PEAKS) as layers:
        pass
    torch.nn.Linear(4, 4)(torch.zeros(1, 4))
    assert layers.flops == 0.0


def test_the_cpu_has_speeds() -> None:
    peaks = measured_peaks("cpu")
    # From a tenth of the slowest machine in sight to a large server.
    assert 1e8 < peaks.flops_per_s < 1e14
    assert 1e7 < peaks.bytes_per_s < 1e13


def test_tokens_are_those_of_all_texts() -> None:
    def text(tokens: int) -> Generated:
        return Generated("x", 0.5, tokens, "end")

    clip = ClipText((0.0,), text(3), (text(4), text(5)))
    part = SegmentText(0.0, 1.0, 2, text(6))
    assert tokens_of([Said((1, 1), clip=clip), Said((1, 1), segments=(part, part))]) == 3 + 4 + 5 + 6 + 6
    assert tokens_of([np.zeros(3), None, 5]) == 0


def test_a_case_runs_on_tiny_weights(tiny_weights: TinyWeights, tmp_path: Path) -> None:
    tiny_weights.path("blip2-opt-2.7b")
    clip = make_video(tmp_path / "clip.mp4", (0.0, 3.0, 6.0), size=(64, 96), last_s=1.0, pictures=patches(3, 64, 96))
    case = Case("blip2_video_analyzer", {"quantization": "int8", "chunks_per_batch": 2})
    found = measure(case, tiny_weights.folder, clip, gpu_share=0.0)
    # Three captions of seven words.
    assert found.tokens == 3 * 7
    assert found.load_s > 0.0
    assert found.clip_s > 0.0
    assert found.memory_mb > 50.0
    assert 0.0 < found.floor_s < found.clip_s
    assert found.gflops > 0.0


def test_the_table_has_a_row_for_each_case_and_says_what_failed() -> None:
    good = Measured(load_s=2.0, memory_mb=500.0, clip_s=4.0, cpu_s=3.0, tokens=200, floor_s=0.5, gflops=1234.0)
    wordless = Measured(load_s=1.0, memory_mb=300.0, clip_s=1.0, cpu_s=2.0, tokens=0, floor_s=0.0, gflops=0.0)
    rows: list[tuple[Case, Measured | str]] = [
        (Case("video_llava", {"quantization": "nf4", "unreadable_share": 1.0}), good),
        (Case("speech_transcription"), wordless),
        (Case("body_pose"), "longer than 1800 s"),
    ]
    lines = table(rows, "full", "Some Card, torch 0").splitlines()
    assert "full size" in lines[0]
    assert "Some Card, torch 0" in lines[0]
    assert lines[4:] == [
        "| video_llava | quantization nf4 | 2.0 | 500 | 4.00 | 3.00 | 50.0 | 1234 | 0.5 | 8.0 |",
        "| speech_transcription | defaults | 1.0 | 300 | 1.00 | 2.00 |  |  |  |  |",
        "| body_pose | defaults | longer than 1800 s | | | | | | | |",
    ]


def test_what_cannot_be_made_is_said_and_not_run(tmp_path: Path) -> None:
    with pytest.raises(NotMade, match="face-landmarker cannot be made in full size: the layers"):
        fill(tmp_path, "face-landmarker", "full")
    assert not list(tmp_path.iterdir())


def test_every_model_of_the_manifest_is_in_a_case() -> None:
    benched = {name for case in cases(benched_names()) for name in case.pins}
    assert benched == {p.name for p in PINS}
    one = cases(benched_names(), pins=("vitpose-base",))
    assert [(case.analyzer, case.config["frames_per_batch"]) for case in one] == [("body_pose", 1), ("body_pose", 16)]


def test_every_video_language_model_is_compared_in_formats_and_batches() -> None:
    labels = [case.label for case in cases(["video_llava", "qwen2_vl_temporal", "blip2_video_analyzer"])]
    for part in ("quantization nf4, answers_per_batch 1", "quantization none, chunks_per_batch 8", "windows True"):
        assert any(part in label for label in labels), part
    assert not any("degenerate" in label for label in labels)
    assert {"video_llava", "speech_transcription"} <= set(benched_names())


def test_one_case_answers_with_a_line_of_json(
    tiny_weights: TinyWeights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the child process of a case is called."""
    tiny_weights.path("blip2-opt-2.7b")
    clip = make_video(tmp_path / "clip.mp4", (0.0,), size=(64, 96), last_s=1.0, pictures=patches(1, 64, 96))
    case = asdict(Case("blip2_video_analyzer"))
    order = {"case": case, "folder": str(tiny_weights.folder), "clip": str(clip), "gpu_share": 0.0}
    assert main(["--one", json.dumps(order)]) == 0
    assert Measured(**json.loads(capsys.readouterr().out)).tokens == 7
