"""Shares of a GPU against what models need: shipped profiles fit their cards, a shortfall says what to change."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from analyzers.base import Unavailable
from analyzers.host import AnalyzerHost
from analyzers.inference.age import InsightAge
from analyzers.inference.device import open_device
from analyzers.inference.onnx import CPU, CUDA, providers
from analyzers.inference.whisper import ALLOCATOR, Whisper
from analyzers.runtime import LicencePolicy, Runtime
from cli import main
from deployments.gpu import share_warning
from ops.budget_report import bookings, shortfalls
from ops.profiles import CARD_MIB, PROFILE_FILES, Profile, load_profile, with_changes
from ops.strict_config import check_config
from schema.api import GpuHealth, GpuMemory
from tests.tiny_weights import TinyWeights
from weights.budget import Booking, booked_share, check_shares, shortfall_text, torch_fraction
from weights.manifest import PINS
from weights.memory import CONTEXT_BYTES, MB, MEMORY, need_of, weight_bytes
from weights.pin import Pin

GB = 1000 * MB
CARDS = list(CARD_MIB.items())

SIZE_TOLERANCE = 0.01
"""A file holds a header and some buffers beside the weights."""


# -------------------------------------------------------------------------------------------- the shipped profiles


@pytest.mark.parametrize(("profile", "card_mib"), CARDS)
@pytest.mark.parametrize("policy", ["any", "permissive"])
def test_every_share_covers_its_need_on_the_smallest_card(
    profile: Profile, card_mib: int, policy: LicencePolicy
) -> None:
    config = load_profile(PROFILE_FILES[profile])
    lines = check_shares(bookings(config, policy), card_mib * 1024 * 1024)
    assert lines
    assert [(line.booking.analyzer, line.advice) for line in lines if line.verdict in ("tight", "too_small")] == []


@pytest.mark.parametrize("profile", CARD_MIB)
def test_the_shares_of_a_profile_are_no_more_than_one_gpu(profile: Profile) -> None:
    config = load_profile(PROFILE_FILES[profile])
    assert 0.5 < booked_share(bookings(config)) <= 1.0 + 1e-9
    blocks = config["applications"][0]["deployments"]
    booked = sum((b.get("ray_actor_options") or {}).get("num_gpus", 0) * b.get("num_replicas", 1) for b in blocks)
    assert booked <= 1.0 + 1e-9


@pytest.mark.parametrize("profile", PROFILE_FILES)
def test_every_profile_passes_the_strict_check(profile: Profile) -> None:
    assert check_config(load_profile(PROFILE_FILES[profile]), environment={}) == []


def test_the_cpu_profile_books_no_gpu() -> None:
    assert booked_share(bookings(load_profile(PROFILE_FILES["cpu"]))) == 0.0


def test_a_profile_for_a_large_card_is_found_out_on_a_small_one() -> None:
    short = shortfalls(load_profile(PROFILE_FILES["gpu"]), CARD_MIB["gpu16"])
    assert {"video_llava", "speech_transcription"} <= {line.booking.analyzer for line in short}


# ------------------------------------------------------------------------------------------------------ the table


STORED_BYTES = {"llava-next-video-7b": 2, "qwen2-vl-7b": 2, "whisper-large-v3": 2} | dict.fromkeys(
    ("yolov8x", "yolov8x-pose", "yolov8n-pose"), 2
)
"""Of one weight in the published file; all others are stored in float32."""

OTHERWISE_SIZED = {"yolov8n", "buffalo-l"}
"""The file's descriptions are no longer small beside its weights; an archive of five networks, of which one counts."""


@pytest.mark.parametrize("found", [p for p in PINS if p.name in MEMORY.keys() - OTHERWISE_SIZED], ids=lambda p: p.name)
def test_the_counted_weights_agree_with_the_files(found: Pin) -> None:
    """Those whose size a source states check the counting; the others are held to what was counted."""
    counted = MEMORY[found.name].parameters * STORED_BYTES.get(found.name, 4)
    assert counted == pytest.approx(found.size_bytes, rel=SIZE_TOLERANCE)


def test_the_table_has_no_row_for_a_pin_that_does_not_exist() -> None:
    assert set(MEMORY) <= {p.name for p in PINS}


def test_weights_shrink_with_quantisation_and_only_in_linear_layers() -> None:
    memory = MEMORY["llava-next-video-7b"]
    rest = 2 * (memory.parameters - memory.linear)
    assert weight_bytes(memory, "none") == 2 * memory.parameters
    assert weight_bytes(memory, "int8") == memory.linear + rest
    assert weight_bytes(memory, "nf4") == pytest.approx(memory.linear * 4.127 / 8 + rest)
    assert weight_bytes(MEMORY["clip-l14"], "nf4") == weight_bytes(MEMORY["clip-l14"], "none")


def test_whispers_need_is_the_published_one() -> None:
    for compute_type, windows, published_mb in (("auto", 1, 4525), ("float16", 8, 6090), ("int8_float16", 8, 4500)):
        need = need_of(("whisper-large-v3",), {"compute_type": compute_type, "windows_per_batch": windows})
        assert need is not None
        assert need.total == pytest.approx(published_mb * MB, rel=0.001)


def test_whisper_takes_more_with_more_beams_and_in_float32() -> None:
    def total(**config: Any) -> int:
        need = need_of(("whisper-large-v3",), {"windows_per_batch": 8, **config})
        assert need is not None
        return need.total

    process = 700 * MB
    weights = 2 * MEMORY["whisper-large-v3"].parameters
    rest = 6093 * MB - weights - process
    assert total(beam_size=5) == total(beam_size=1) == 6093 * MB
    assert total(beam_size=10) == weights + process + 2 * rest
    assert total(compute_type="float32") == 2 * (weights + rest) + process


# --------------------------------------------------------------------------------------------------- verdict, advice


def booking(share: float, **config: Any) -> Booking:
    return Booking("object_detection", ("yolov8x",), share, 1, {"frames_per_batch": 18, **config})


def verdict(share: float, card: int = 10 * GB, **config: Any) -> tuple[str, str]:
    (line,) = check_shares([booking(share, **config)], card)
    return line.verdict, line.advice


def test_the_border_between_fitting_and_tight() -> None:
    need = need_of(("yolov8x",), {"frames_per_batch": 18})
    assert need is not None
    exact = need.total / (10 * GB)
    assert verdict(exact)[0] == "fits"
    assert verdict(exact - 1e-6)[0] == "tight"
    least = need.least / (10 * GB)
    assert verdict(least)[0] == "tight"
    assert verdict(least - 1e-6)[0] == "too_small"


def test_what_it_advises_fits() -> None:
    state, advice = verdict(0.15)
    assert state == "tight"
    share, frames = advice.removeprefix("num_gpus: ").split(" or frames_per_batch: ")
    assert verdict(float(share))[0] == "fits"
    assert verdict(float(share) - 0.01)[0] == "tight"
    assert verdict(0.15, frames_per_batch=int(frames))[0] == "fits"
    assert verdict(0.15, frames_per_batch=int(frames) + 1)[0] == "tight"


def test_a_card_that_is_too_small_for_the_model_says_so() -> None:
    large = Booking("video_llava", ("llava-next-video-7b",), 1.0, 1, {"answers_per_batch": 1, "quantization": "none"})
    (line,) = check_shares([large], 8 * GB)
    assert (line.verdict, line.advice) == ("too_small", "choose a smaller model or a stronger quantization")


def test_a_model_without_a_known_need_is_not_called_fitting() -> None:
    (line,) = check_shares([Booking("x", ("yolov8x", "no-such-model"), 0.5, 1, {})], 10 * GB)
    assert (line.verdict, line.need) == ("unknown", None)
    assert "no-such-model" in line.advice


def test_without_a_share_it_is_not_checked() -> None:
    assert check_shares([booking(0.0)], 10 * GB) == []


def test_the_text_for_people() -> None:
    (line,) = check_shares([booking(0.15)], 10 * GB)
    assert shortfall_text(line) == (
        f"object_detection needs 2.7 GB and has 1.5 GB (num_gpus 0.15): its batches will be halved. Set {line.advice}."
    )


@pytest.mark.parametrize(("share", "mib", "short"), [(0.03, 16_000, True), (0.3, 16_000, False), (0.0, 16_000, False)])
def test_a_replica_knows_that_its_share_is_short(share: float, mib: int, short: bool, tmp_path: Path) -> None:
    """Also where the yaml was deployed by `serve deploy`, which checks nothing."""
    host = AnalyzerHost("object_detection", {"model": "yolov8x"}, Runtime(weights_path=tmp_path, gpu_share=share))
    memory = GpuMemory(used_mb=0, total_mb=mib, utilization=0.0)
    found = share_warning(host.booking(), GpuHealth(gpu_available=True, gpu_memory=memory))
    assert (found is not None) == short
    assert found is None or found.startswith("object_detection needs")
    assert share_warning(host.booking(), GpuHealth(gpu_available=False)) is None


# ------------------------------------------------------------------------------------------------ the cap in a replica


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A card of 10 GB that takes a cap, in place of the one that is not here."""
    capped: list[float] = []
    properties = type("Properties", (), {"total_memory": 10 * GB})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda fraction, _: capped.append(fraction))
    return capped


def test_the_cap_leaves_room_for_the_context(card: list[float]) -> None:
    open_device(Runtime(gpu_share=0.25))
    assert card == [pytest.approx(0.25 - CONTEXT_BYTES / (10 * GB))]
    assert card[0] * 10 * GB + CONTEXT_BYTES == pytest.approx(0.25 * 10 * GB)


def test_a_share_smaller_than_the_context_is_unavailable(card: list[float]) -> None:
    with pytest.raises(Unavailable) as caught:
        open_device(Runtime(gpu_share=0.05))
    assert caught.value.code == "gpu_share_too_small"
    assert card == []


def test_onnxruntime_gets_the_same_bound(
    card: list[float], tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session that InsightFace's network computes in, as far as it can be opened without a GPU."""
    import onnxruntime

    asked: list[Any] = []
    open_session = onnxruntime.InferenceSession.__init__

    def record(session: Any, file: str, options: Any = None, providers: Any = (), **others: Any) -> None:
        asked.extend(providers)
        open_session(session, file, options, providers=[CPU], **others)

    # The method and not the class: InsightFace derives a class of its own, for the whole process, when it is imported.
    monkeypatch.setattr(onnxruntime.InferenceSession, "__init__", record)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    InsightAge(tiny_weights.path("buffalo-l"), open_device(Runtime(gpu_share=0.25)))
    [(name, options), (last, _)] = asked
    assert (name, last) == (CUDA, CPU)
    assert options["gpu_mem_limit"] == pytest.approx(0.25 * 10 * GB - CONTEXT_BYTES, abs=2)
    assert options["arena_extend_strategy"] == "kSameAsRequested"


def test_onnxruntime_without_its_cuda_build_computes_on_the_cpu(card: list[float]) -> None:
    assert providers(open_device(Runtime(gpu_share=0.25))) == [(CPU, {})]
    assert providers(open_device(Runtime())) == [(CPU, {})]


def test_ctranslate2_keeps_little_that_it_does_not_use(
    tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ALLOCATOR:
        monkeypatch.setenv(name, "")
    Whisper(tiny_weights.path("whisper-small"), "cpu", "auto", threads=1)
    assert os.environ["CT2_CUDA_ALLOCATOR"] == "cub_caching"
    # Of its four numbers the last is the bytes that it keeps.
    assert [int(n) for n in os.environ["CT2_CUDA_CACHING_ALLOCATOR_CONFIG"].split(",")][3] == 200 * 1024 * 1024


def test_the_fraction_stays_in_its_bounds() -> None:
    assert torch_fraction(1.0, 10 * GB, 0) == 1.0
    assert torch_fraction(0.01, GB, CONTEXT_BYTES) == 0.0


# ----------------------------------------------------------------------------------------------- changes to a profile


BASE: dict[str, Any] = {
    "applications": [
        {
            "deployments": [
                {"name": "a", "ray_actor_options": {"num_cpus": 1, "num_gpus": 0.5}, "user_config": {"x": 1, "y": 2}},
                {"name": "b", "user_config": {}},
            ]
        }
    ]
}


def test_changes_go_over_the_base_and_leave_it_alone() -> None:
    before = copy.deepcopy(BASE)
    changes = {"base": "f", "deployments": {"a": {"num_gpus": 0, "user_config": {"y": 3}}, "b": {"num_gpus": 0.2}}}
    first, second = with_changes(BASE, changes, "f.yaml")["applications"][0]["deployments"]
    assert first == {"name": "a", "ray_actor_options": {"num_cpus": 1}, "user_config": {"x": 1, "y": 3}}
    assert second == {"name": "b", "ray_actor_options": {"num_gpus": 0.2}, "user_config": {}}
    assert before == BASE


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"deployments": {"c": {}}}, "f.yaml: the base has no deployment 'c'"),
        ({"deployments": {"a": {"num_gpu": 1}}}, "f.yaml: a: unknown keys num_gpu"),
        ({"deployment": {}}, "f.yaml: unknown keys deployment"),
    ],
)
def test_changes_that_change_nothing_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        with_changes(BASE, changes, "f.yaml")


# ------------------------------------------------------------------------------------------------------- the command


def test_a_written_profile_is_a_whole_serve_file(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "serve_config.gpu16.yaml"
    assert main(["profile", "gpu16", "--out", str(out)]) == 0
    assert yaml.safe_load(out.read_text()) == load_profile(PROFILE_FILES["gpu16"])
    capsys.readouterr()
    assert main(["profile", "gpu16"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == load_profile(PROFILE_FILES["gpu16"])


def test_the_command_checks_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "gpu24", "--budget"]) == 0
    assert "booked together" in capsys.readouterr().out
    assert main(["profile", "gpu", "--budget", "--card-mib", "15360"]) == 1
    assert "video_llava needs" in " ".join(capsys.readouterr().out.split())
    assert main(["profile", "cpu", "--budget"]) == 0
