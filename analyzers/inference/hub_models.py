"""Loads transformers checkpoints from a local folder, and refuses what does not fit.

transformers starts missing tensors at random and only logs it; a model that was loaded like that answers nonsense. Here
it is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from analyzers.base import Unavailable
from analyzers.inference.device import Device
from analyzers.inference.offline import go_offline
from analyzers.inference.oom import REMEDY, is_out_of_memory

Quantization = Literal["none", "int8", "nf4"]
"""``nf4``: 4 bit with double quantisation, computing in the device's format (QLoRA, 2023); ``int8``: LLM.int8 (2022).
Both save memory, not time."""

HEADS = ("lm_head", "classifier")
"""Layers that stay unquantised: small, and their error goes straight into the answer."""


def load_pretrained(
    cls: Any,
    path: Path,
    device: Device,
    *,
    quantization: Quantization = "none",
    unquantized: tuple[str, ...] = (),
    **options: Any,
) -> Any:
    """A model in evaluation mode on its device, with every tensor from the checkpoint.

    Args:
        cls: A class of transformers with ``from_pretrained``.
        path: Folder of the weights; nothing else is looked at.
        device: Where to.
        quantization: Of linear layers.
        unquantized: Full names of further layers that keep their format, on top of ``HEADS``.
        **options: For ``from_pretrained``.

    Raises:
        Unavailable: ``weights_broken``: files do not fit together; ``gpu_out_of_memory``: more than the share.
    """
    go_offline()
    from safetensors import SafetensorError

    _quiet()
    options.setdefault("attn_implementation", "sdpa")
    try:
        model, info = cls.from_pretrained(
            path,
            local_files_only=True,
            # Falls back to pickled tensors (read without code) only where the upstream has nothing else.
            use_safetensors=any(path.glob("*.safetensors")),
            output_loading_info=True,
            dtype=device.dtype,
            **_placement(device, quantization, unquantized),
            **options,
        )
        _refuse_gaps(path, info)
        return (model if quantization != "none" else model.to(device.name)).eval()
    except (RuntimeError, OSError, ValueError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise Unavailable("gpu_out_of_memory", f"{path.name} does not fit: {_first_line(error)}", REMEDY) from error
        raise _broken(path, _first_line(error)) from error


def load_processor(cls: Any, path: Path, **options: Any) -> Any:
    """A processor, tokenizer or feature extractor from the folder of the weights.

    Raises:
        Unavailable: ``weights_broken``: its files are missing or cannot be read.
    """
    go_offline()
    _quiet()
    try:
        return cls.from_pretrained(path, local_files_only=True, **options)
    except (OSError, ValueError) as error:
        raise _broken(path, _first_line(error)) from error


def _placement(device: Device, quantization: Quantization, unquantized: tuple[str, ...]) -> dict[str, Any]:
    if quantization == "none":
        return {}
    from transformers import BitsAndBytesConfig

    keep = [*HEADS, *unquantized]
    if quantization == "int8":
        config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=keep)
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=device.dtype,
            llm_int8_skip_modules=keep,
        )
    return {"quantization_config": config, "device_map": {"": device.name}}


def _refuse_gaps(path: Path, info: Any) -> None:
    """Raises where a tensor of the model is not in the checkpoint or has another shape there."""
    gaps = [
        f"{kind} {sorted(map(str, keys))[0]}" for kind in ("missing_keys", "mismatched_keys") if (keys := info[kind])
    ]
    if gaps:
        raise _broken(path, "; ".join(gaps).replace("_keys", ""))


def _broken(path: Path, reason: str) -> Unavailable:
    return Unavailable(
        "weights_broken", f"{path.name} cannot be loaded: {reason}", f"tiktok-analyzer models verify {path.name}"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _quiet() -> None:
    """No progress bars, and none of bitsandbytes' one line per layer and call."""
    import logging

    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
