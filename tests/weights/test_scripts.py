"""EasyOCR's recognisers for scripts that RapidOCR lacks or reads otherwise, on its own published pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from analyzers.inference.device import open_device
from analyzers.inference.easyocr_reader import EASYOCR_LANGUAGES, EasyOcrReader
from tests.media_folder import media
from tests.weights.conftest import RealWeights
from weights.store import resolve

pytestmark = [pytest.mark.weights, pytest.mark.filterwarnings("ignore:.*pin_memory.*")]

PICTURES: dict[str, tuple[str, tuple[str, ...]]] = {
    # EasyOCR's README prints these results.
    "chinese": ("eocr/chinese.jpg", ("愚园路", "西", "东", "315", "309", "Yuyuan Rd.", "W", "E")),
    # Read by eye.
    "japanese": ("eocr/japanese.jpg", ("ポイ捨て禁止!", "NO LITTER", "清潔できれいな港区を", "港区", "MINATO CITY")),
    # EasyOCR's picture of its results.
    "korean": ("eocr/korean.png", ("서울", "평양", "Seoul", "Pyeongyang", "56Km", "205Km")),
}
"""By script: a picture, and what stands in it."""

READ = 0.75
"""Share of the texts that must come out whole: the published results have a slip or two as well."""


@pytest.mark.parametrize("script", PICTURES)
def test_a_sign_is_read(script: str, real_weights: RealWeights) -> None:
    name, texts = PICTURES[script]
    runtime = real_weights(f"easyocr-{script}")
    path = resolve(f"easyocr-{script}", runtime).path
    reader = EasyOcrReader(path, EASYOCR_LANGUAGES[script], 0.4, open_device(runtime))
    gray = cv2.imread(str(media(name)), cv2.IMREAD_GRAYSCALE)
    assert gray is not None
    picture = np.asarray(gray, np.uint8)
    readings = reader.read(picture, [found.quad for found in reader.find(picture)])
    read = {plain(reading.text) for reading in readings}
    assert sum(plain(text) in read for text in texts) / len(texts) >= READ, sorted(read)


def plain(text: str) -> str:
    """Without spaces and case, and with the punctuation of one width."""
    return "".join(text.split()).casefold().replace("\N{FULLWIDTH EXCLAMATION MARK}", "!")
