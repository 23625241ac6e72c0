"""EasyOCR behind the protocol of ``analyzers/signal/text_reader.py``: for GPUs, and for scripts that RapidOCR lacks.

CRAFT marks where characters are and which belong together (Baek et al., "Character Region Awareness for Text
Detection", CVPR 2019); a convolutional recogniser with CTC reads them (Shi, Bai and Yao, CRNN, TPAMI 2017).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.base import Unavailable
from analyzers.inference.device import Device
from analyzers.inference.oom import REMEDY, is_out_of_memory, undivided
from analyzers.inference.pickled import UNREADABLE
from analyzers.signal.text_reader import Found, Quad, Reading
from media.types import UInt8Array

EASYOCR_LANGUAGES: dict[str, tuple[str, ...]] = {
    "latin": ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "pl", "cs", "hu", "ro", "tr", "id"),
    "english": ("en",),
    "cyrillic": ("ru", "be", "bg", "uk", "en"),
    "chinese": ("ch_sim", "en"),
    "japanese": ("ja", "en"),
    "korean": ("ko", "en"),
}
"""Codes of the languages whose letters each recogniser is let to answer; ``latin`` has more than these."""

MAP_STRIDE = 2
"""Pixels of the detector's picture per cell of its score map."""

MIN_SIDE_PX = 8
"""Boxes whose longer side is below are dropped: smaller than any letter that the recogniser reads."""


class EasyOcrReader:
    """CRAFT and one of EasyOCR's recognisers.

    Args:
        path: Folder with ``craft_mlt_25k.pth`` and one recogniser.
        languages: A row of ``EASYOCR_LANGUAGES``.
        min_found_score: Mean of the detector's region score inside a box, below which it is not marked.
        device: Where to.

    Raises:
        Unavailable: ``weights_broken``: a file is missing or holds more than tensors; ``gpu_out_of_memory``.
    """

    def __init__(self, path: Path, languages: Sequence[str], min_found_score: float, device: Device) -> None:
        import easyocr

        _check(path)
        self._min_score = min_found_score
        try:
            self._reader: Any = easyocr.Reader(
                list(languages),
                gpu=device.name if device.is_cuda else False,
                model_storage_directory=str(path),
                user_network_directory=str(path),
                download_enabled=False,
                quantize=False,
                verbose=False,
            )
        except (OSError, RuntimeError, ValueError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            if is_out_of_memory(error):
                raise Unavailable("gpu_out_of_memory", f"{path.name} does not fit: {first[:300]}", REMEDY) from error
            raise _broken(path, f"EasyOCR does not load it: {first}") from error
        self._scores = _keep_scores(self._reader)

    def find(self, picture: UInt8Array, shrink: float = 1.0) -> list[Found]:
        """Lines of text in ``picture``, uint8 (H, W) gray, that is scaled by ``shrink`` (at most 1) for the search.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``.
        """
        import cv2

        longer = max(picture.shape)
        colour = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
        canvas_px = max(32, round(longer * min(1.0, shrink)))
        level, tilted = undivided(
            lambda: self._reader.detect(colour, min_size=MIN_SIDE_PX, canvas_size=canvas_px, mag_ratio=1.0)
        )
        quads = [[[x0, y0], [x1, y0], [x1, y1], [x0, y1]] for x0, x1, y0, y1 in level[0]] + list(tilted[0])
        scale = min(1.0, shrink) / MAP_STRIDE
        found = [Found(quad := _inside(q, picture), _mean_in(self._scores[-1], quad * scale)) for q in quads]
        return [f for f in found if f.score >= self._min_score]

    def read(self, picture: UInt8Array, quads: Sequence[Quad]) -> list[Reading]:
        """One reading for each quad, in order; each by itself, so that none depends on its neighbours.

        Raises:
            AnalysisFailed: ``gpu_out_of_memory``.
        """
        return [self._read(picture, quad) for quad in quads]

    def _read(self, picture: UInt8Array, quad: Quad) -> Reading:
        corners = _inside(quad, picture)
        if np.ptp(corners[:, 0]) < 2.0 or np.ptp(corners[:, 1]) < 2.0:
            return Reading("", 0.0)
        with warnings.catch_warnings():
            # One for every line on a CPU: "'pin_memory' argument is set as true but no accelerator is found".
            warnings.filterwarnings("ignore", message=".*pin_memory.*")
            answer = undivided(
                lambda: self._reader.recognize(picture, [], [corners.tolist()], batch_size=1, reformat=False)
            )
        if not answer:
            return Reading("", 0.0)
        _, text, score = answer[0]
        return Reading(str(text).strip(), float(min(max(score, 0.0), 1.0)))


def _check(path: Path) -> None:
    """Takes the files for EasyOCR's own where they hold tensors only.

    EasyOCR unpickles them without restriction and compares md5 sums with a table of its own; the sums that count here
    are the sha256 of the weights record, and what may be unpickled are tensors.
    """
    import torch
    from easyocr import config

    tables = [config.detection_models, config.recognition_models["gen1"], config.recognition_models["gen2"]]
    known = {entry["filename"]: entry for table in tables for entry in table.values()}
    for file in sorted(path.glob("*.pth")):
        try:
            torch.load(file, map_location="cpu", weights_only=True)
        except UNREADABLE as error:
            raise _broken(path, f"{file.name} holds more than tensors, or was cut") from error
        if file.name in known:
            known[file.name]["md5sum"] = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def _keep_scores(reader: Any) -> list[Any]:
    """A list whose last element is the detector's latest score map; EasyOCR itself drops it."""
    kept: list[Any] = []

    def keep(module: Any, inputs: Any, outputs: Any) -> None:
        kept[:] = [outputs[0][0, :, :, 0].float().cpu().numpy()]

    reader.detector.register_forward_hook(keep)
    return kept


def _inside(corners: Any, picture: UInt8Array) -> Quad:
    height, width = picture.shape
    return np.clip(np.asarray(corners, np.float32).reshape(4, 2), 0.0, (width, height)).astype(np.float32)


def _mean_in(scores: Any, quad: Any) -> float:
    """Mean of the map inside the box around ``quad``, both in cells of the map, limited to [0, 1]."""
    (left, top), (right, bottom) = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
    part = scores[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    return float(np.clip(part.mean(), 0.0, 1.0)) if part.size else 0.0


def _broken(path: Path, reason: str) -> Unavailable:
    return Unavailable("weights_broken", f"{path.name}: {reason}", f"tiktok-analyzer models verify {path.name}")
