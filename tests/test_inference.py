"""Devices, running out of memory, and loading checkpoints: what is missing or broken is refused by name."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from analyzers.base import AnalysisFailed, Unavailable
from analyzers.inference.device import Device, open_device
from analyzers.inference.hub_models import Quantization, load_pretrained, load_processor
from analyzers.inference.offline import OFFLINE, SCRATCH, go_offline
from analyzers.inference.oom import in_halves, is_out_of_memory
from analyzers.runtime import Runtime

CPU = Device("cpu", torch.float32)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT classifier, 64 wide: bitsandbytes on a CPU needs multiples of 64."""
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(1)
    config = ViTConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, image_size=32, num_labels=3
    )
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def copied(checkpoint: Path, tmp_path: Path) -> Path:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def pictures() -> torch.Tensor:
    return torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(2))


# --------------------------------------------------------------------------------------------------------- devices


def test_without_a_share_it_is_the_cpu() -> None:
    assert open_device(Runtime()) == CPU
    assert not CPU.is_cuda


def test_a_booked_gpu_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unavailable, match="no_gpu"):
        open_device(Runtime(gpu_share=0.3))


def test_a_gpu_is_capped_to_the_share_and_computes_in_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    capped: list[tuple[float, int]] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: type("Card", (), {"total_memory": 10**10}))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, card: capped.append((share, card)))
    assert open_device(Runtime(gpu_share=0.15)) == Device("cuda:0", torch.float16)
    # 0.5 GB of the 10 are the CUDA context's.
    [(share, card)] = capped
    assert share == pytest.approx(0.10)
    assert card == 0


def test_the_switches_win_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ, HF_HUB_OFFLINE="0", YOLO_CONFIG_DIR=str(tmp_path)))
    os.environ.pop("MPLCONFIGDIR", None)
    go_offline()
    assert {name: os.environ[name] for name in OFFLINE} == OFFLINE
    assert os.environ["YOLO_CONFIG_DIR"] == str(tmp_path)
    scratch = Path(os.environ["MPLCONFIGDIR"])
    assert scratch.stat().st_uid == os.getuid()
    assert set(SCRATCH) <= set(os.environ)


# --------------------------------------------------------------------------------------------------- out of memory


class Card:
    """Takes ``fits`` items at once; remembers what it was given."""

    def __init__(self, fits: int, error: Exception) -> None:
        self.fits, self.error, self.calls = fits, error, [0][:0]

    def run(self, items: Sequence[int]) -> list[int]:
        self.calls.append(len(items))
        if len(items) > self.fits:
            raise self.error
        return [10 * item for item in items]


@pytest.fixture
def frozen() -> Iterator[None]:
    """Keeps the garbage collector away from what other tests left behind: halving collects each time."""
    gc.freeze()
    yield
    gc.unfreeze()


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA failed with error out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("error", FULL, ids=lambda e: str(e)[:30])
def test_a_batch_that_does_not_fit_is_halved(error: Exception) -> None:
    card = Card(3, error)
    assert in_halves(card.run, range(8)) == [0, 10, 20, 30, 40, 50, 60, 70]
    assert card.calls == [8, 4, 2, 2, 4, 2, 2]


@pytest.mark.usefixtures("frozen")
def test_one_item_that_does_not_fit_fails_by_name() -> None:
    card = Card(0, FULL[0])
    with pytest.raises(AnalysisFailed) as caught:
        in_halves(card.run, [1, 2])
    assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)
    assert caught.value.reason == "CUDA out of memory. Tried to allocate 2.00 GiB."
    assert "num_gpus" in caught.value.remedy
    assert card.calls == [2, 1]


def test_nothing_to_do_calls_nothing() -> None:
    card = Card(0, FULL[0])
    assert in_halves(card.run, []) == []
    assert card.calls == []


def test_another_fault_passes_through() -> None:
    card = Card(0, RuntimeError("shape '[32, 0]' is invalid"))
    with pytest.raises(RuntimeError, match="shape"):
        in_halves(card.run, [1, 2])
    assert card.calls == [2]


def test_a_wrong_number_of_answers_is_an_error() -> None:
    with pytest.raises(ValueError, match="got 3 items and gave 2 answers"):
        in_halves(lambda items: items[1:], [1, 2, 3])


def test_a_full_host_memory_is_not_a_full_card() -> None:
    assert not is_out_of_memory(MemoryError("out of memory"))


# --------------------------------------------------------------------------------------------------------- loading


def test_a_checkpoint_loads_in_evaluation_mode_with_its_own_weights(checkpoint: Path) -> None:
    model = load_pretrained(ViTForImageClassification, checkpoint, CPU)
    reference = ViTForImageClassification.from_pretrained(checkpoint)
    assert not model.training
    assert model.dtype == torch.float32
    assert model.config._attn_implementation == "sdpa"
    with torch.inference_mode():
        assert torch.equal(model(pictures()).logits, reference(pictures()).logits)


def test_a_processor_loads(checkpoint: Path) -> None:
    processor = load_processor(ViTImageProcessor, checkpoint)
    assert processor.size["height"] == 32


LINEAR_WEIGHTS = 2 * (4 * 64 * 64 + 2 * 64 * 128)
"""Two layers, each with four projections of the attention and two of the feed-forward part."""


@pytest.mark.parametrize(("quantization", "bits"), [("int8", 8), ("nf4", 4)])
def test_quantised_weights_take_less_and_answer_nearly_the_same(
    checkpoint: Path, quantization: Quantization, bits: int
) -> None:
    whole = load_pretrained(ViTForImageClassification, checkpoint, CPU)
    model = load_pretrained(ViTForImageClassification, checkpoint, CPU, quantization=quantization)
    assert type(model.classifier) is torch.nn.Linear
    saved_bytes = whole.get_memory_footprint() - model.get_memory_footprint()
    # Within 1 %: what else becomes float16 (int8) or 16 bit is small.
    assert saved_bytes == pytest.approx(LINEAR_WEIGHTS * (32 - bits) / 8, rel=0.01)
    with torch.inference_mode():
        difference = (model(pictures()).logits.float() - whole(pictures()).logits).abs().max()
    # The largest weight error of 4 bit is about a tenth of its block's largest weight (QLoRA, 2023, table of NF4).
    assert 0.0 < difference < 0.1


def broken(path: Path) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        load_pretrained(ViTForImageClassification, path, CPU)
    return caught.value


def test_a_missing_tensor_is_refused_and_not_made_up(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    lost = broken(folder)
    assert lost.code == "weights_broken"
    assert "missing classifier.weight" in lost.reason
    assert lost.remedy == f"tiktok-analyzer models verify {tmp_path.name}"


def test_a_tensor_of_another_shape_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.bias"] = torch.zeros(5)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert broken(folder).code == "weights_broken"


@pytest.mark.parametrize("harm", ["truncated", "no weights", "no config", "no folder"])
def test_files_that_cannot_be_read_are_refused(checkpoint: Path, tmp_path: Path, harm: str) -> None:
    folder = copied(checkpoint, tmp_path)
    if harm == "truncated":
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    elif harm == "no weights":
        (folder / "model.safetensors").unlink()
    elif harm == "no config":
        (folder / "config.json").unlink()
    else:
        folder = tmp_path / "absent"
    assert broken(folder).code == "weights_broken"


def test_a_model_larger_than_its_share_is_unavailable_and_not_a_crash(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args, **_kwargs):
        raise FULL[0]

    monkeypatch.setattr(ViTForImageClassification, "from_pretrained", full)
    lost = broken(checkpoint)
    assert lost.code == "gpu_out_of_memory"
    assert "num_gpus" in lost.remedy
