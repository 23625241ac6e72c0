"""Finding and reading lines of text in one picture: the protocol, and RapidOCR behind it.

RapidOCR runs PP-OCRv6 (small) with ONNX Runtime: differentiable binarisation finds the lines (Liao et al., "Real-time
Scene Text Detection with Differentiable Binarization", AAAI 2020), a CTC recogniser reads them. Both models lie in
the installed wheel; their paths are given explicitly, so that the library never looks for a download.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from analyzers.base import Unavailable
from media.types import UInt8Array

Quad = npt.NDArray[np.float32]
"""(4, 2): corners of a line as x, y in px, clockwise from its top left one."""


LARGEST_SIDE_PX = 2000
"""Pictures with a longer side are scaled down to it by RapidOCR itself (its ``max_side_len``)."""


@dataclass(frozen=True)
class Found:
    """A line of text as the detector marks it, not read yet.

    Attributes:
        quad: Its corners in px of the picture.
        score: The detector's mean probability inside it, in [0, 1].
    """

    quad: Quad
    score: float


@dataclass(frozen=True)
class Reading:
    """What a line says.

    Attributes:
        text: Without space at its ends; empty when nothing could be read.
        score: The recogniser's mean probability over the characters, in [0, 1].
    """

    text: str
    score: float


class TextReader(Protocol):
    """An engine that finds and reads text. Both methods are pure: the same picture gives the same answer."""

    def find(self, picture: UInt8Array, shrink: float = 1.0) -> list[Found]:
        """Lines of text in ``picture``, uint8 (H, W) gray, that is scaled by ``shrink`` (at most 1) for the search."""

    def read(self, picture: UInt8Array, quads: Sequence[Quad]) -> list[Reading]:
        """One reading for each quad, in order."""


class BlindReader:
    """Finds nothing and reads nothing."""

    def find(self, picture: UInt8Array, shrink: float = 1.0) -> list[Found]:
        """No line."""
        return []

    def read(self, picture: UInt8Array, quads: Sequence[Quad]) -> list[Reading]:
        """Nothing for each quad."""
        return [Reading("", 0.0) for _ in quads]


class RapidOcrReader:
    """PP-OCRv6 small through RapidOCR.

    Args:
        sharpen: Weight of the unsharp mask (sigma 1 px) that the detector's picture gets.
        min_found_score: Detector score below which a line is not marked.
        threads: Threads of each model.

    Raises:
        Unavailable: The package or its models are missing.
    """

    def __init__(self, sharpen: float, min_found_score: float, threads: int) -> None:
        try:
            import rapidocr
        except ImportError as error:
            raise Unavailable("package_missing", f"rapidocr: {error}", "pip install rapidocr onnxruntime") from error
        folder = Path(rapidocr.__file__).parent / "models"
        models = {"Det": folder / "PP-OCRv6_det_small.onnx", "Rec": folder / "PP-OCRv6_rec_small.onnx"}
        for path in models.values():
            if not path.exists():
                raise Unavailable(
                    "weights_missing", f"{path} is not there", "pip install --force-reinstall 'rapidocr>=3.10'"
                )
        self._sharpen = sharpen
        self._engine: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.model_path": str(models["Det"]),
                "Rec.model_path": str(models["Rec"]),
                "Det.limit_type": "max",
                "Det.limit_side_len": LARGEST_SIDE_PX,
                "Det.box_thresh": min_found_score,
                # A batch pads its lines to the widest, which changes scores: read alone, a line depends on itself.
                "Rec.rec_batch_num": 1,
            }
        )
        blank = np.full((64, 64), 128, np.uint8)
        self.find(blank)
        self.read(blank, [np.array([[0, 0], [64, 0], [64, 32], [0, 32]], np.float32)])

    def find(self, picture: UInt8Array, shrink: float = 1.0) -> list[Found]:
        """Lines of text in ``picture``, uint8 (H, W) gray, that is scaled by ``shrink`` (at most 1) for the search."""
        import cv2

        height, width = picture.shape
        small = picture
        if shrink < 1.0:
            size = max(1, round(width * shrink)), max(1, round(height * shrink))
            small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        if self._sharpen:
            blurred = cv2.GaussianBlur(small, (0, 0), 1.0)
            sharp = cv2.addWeighted(small, 1.0 + self._sharpen, blurred, -self._sharpen, 0.0)
            small = np.asarray(sharp, np.uint8)
        # Call arguments stick to the engine, so all of them are given each time.
        marked = self._engine(small, use_det=True, use_cls=False, use_rec=False)
        if marked.boxes is None:
            return []
        scale = np.array([width / small.shape[1], height / small.shape[0]], np.float32)
        return [
            Found(np.asarray(box, np.float32) * scale, float(min(max(score, 0.0), 1.0)))
            for box, score in zip(marked.boxes, marked.scores, strict=True)
        ]

    def read(self, picture: UInt8Array, quads: Sequence[Quad]) -> list[Reading]:
        """One reading for each quad, in order."""
        import cv2

        if not quads:
            return []
        crops = self._engine.crop_text_regions(picture, [np.asarray(q, np.float32) for q in quads])
        answer = self._engine.recognize_txt([cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB) for crop in crops])
        return [
            Reading(text.strip(), float(min(max(score, 0.0), 1.0)))
            for text, score in zip(answer.txts, answer.scores, strict=True)
        ]
