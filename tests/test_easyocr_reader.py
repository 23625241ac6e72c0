"""EasyOCR behind our protocol, held against EasyOCR itself on the same weights."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.base import NotApplicable, Unavailable
from analyzers.host import AnalyzerHost
from analyzers.inference.device import Device, open_device
from analyzers.inference.easyocr_reader import EASYOCR_LANGUAGES, EasyOcrReader
from analyzers.runtime import Runtime
from media.needs import FrameNeed, Rate
from tests.decoded import decode
from tests.made_media import make_video
from tests.run import make_analyzer, run_on_frames
from tests.tiny import maker
from tests.tiny_weights import TinyWeights
from tests.upright_clip import ORIENTATIONS, upright_pictures
from weights.manifest import pin
from weights.record import missing_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*pin_memory.*"),
]

SIZES = {"portrait": (240, 135), "landscape": (135, 240), "odd": (181, 97)}
"""Height and width in px."""


@pytest.fixture(scope="module")
def cpu() -> Device:
    return open_device(Runtime())


@pytest.fixture(scope="module")
def reader(tiny_weights: TinyWeights, cpu: Device) -> EasyOcrReader:
    return EasyOcrReader(tiny_weights.path("easyocr-english"), EASYOCR_LANGUAGES["english"], 0.0, cpu)


def library_reader(folder: Path, languages: Sequence[str], detector: bool = True) -> Any:
    """The library's own reader; after ours, which makes the files acceptable to its md5 table."""
    import easyocr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return easyocr.Reader(
            list(languages),
            gpu=False,
            model_storage_directory=str(folder),
            user_network_directory=str(folder),
            download_enabled=False,
            detector=detector,
            quantize=False,
            verbose=False,
        )


@pytest.fixture(scope="module")
def reference(reader: EasyOcrReader, tiny_weights: TinyWeights) -> Any:
    """The library's own reader on the same files."""
    return library_reader(tiny_weights.path("easyocr-english"), ["en"])


def page(height: int, width: int) -> np.ndarray[Any, Any]:
    """uint8 (height, width): two lines of black text on white."""
    import cv2

    picture = np.full((height, width), 255, np.uint8)
    cv2.putText(picture, "HELLO", (10, height // 3), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 0, 2)
    cv2.putText(picture, "again", (20, 2 * height // 3), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 0, 2)
    return picture


def mark_above(monkeypatch: pytest.MonkeyPatch, engine: Any, level: float) -> None:
    """Random weights reach no score of 0.7; with the same lower bounds both sides mark boxes."""
    detect = engine.detect
    lower = {"text_threshold": level, "low_text": level}
    monkeypatch.setattr(engine, "detect", lambda *args, **options: detect(*args, **options, **lower))


@pytest.mark.parametrize("shape", SIZES.values(), ids=SIZES)
def test_boxes_are_the_librarys_own(
    reader: EasyOcrReader, reference: Any, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    picture = page(*shape)
    reader.find(picture)
    level = float(np.quantile(reader._scores[-1], 0.9))
    mark_above(monkeypatch, reference, level)
    mark_above(monkeypatch, reader._reader, level)
    colour = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    boxes, tilted = reference.detect(colour, min_size=8, canvas_size=max(shape), mag_ratio=1.0)
    expected = [[[a, c], [b, c], [b, d], [a, d]] for a, b, c, d in boxes[0]] + list(tilted[0])
    found = reader.find(picture)
    assert len(found) == len(expected) > 0
    for mine, theirs in zip(found, expected, strict=True):
        limits = np.array([shape[1], shape[0]], float)
        np.testing.assert_allclose(mine.quad, np.clip(np.array(theirs, float), 0.0, limits), atol=1e-4)


@pytest.mark.parametrize("shape", SIZES.values(), ids=SIZES)
def test_readings_are_the_librarys_own(reader: EasyOcrReader, reference: Any, shape: tuple[int, int]) -> None:
    height, width = shape
    picture = page(height, width)
    quads = [
        np.array([[5, y - 25], [width - 5, y - 25], [width - 5, y + 8], [5, y + 8]], np.float32)
        for y in (height // 3, 2 * height // 3)
    ]
    readings = reader.read(picture, quads)
    theirs = [reference.recognize(picture, [], [quad.tolist()], reformat=False)[0] for quad in quads]
    assert len({r.text for r in readings}) == 2  # the weights are random, but what they answer depends on the pixels
    assert [r.text for r in readings] == [text.strip() for _, text, _ in theirs]
    assert [r.score for r in readings] == pytest.approx([score for _, _, score in theirs], rel=1e-3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_boxes_are_the_librarys_own_through_the_real_decoder(
    reader: EasyOcrReader, reference: Any, tmp_path: Path, orientation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the decoder delivers upright of a clip, against the library on the same clip's pictures, read otherwise."""
    import cv2

    written = page(192, 320) if orientation != "portrait" else page(320, 192)
    pictures = [np.stack([written] * 3, axis=2)]
    path = make_video(
        tmp_path / "clip.mp4",
        [0.0],
        size=written.shape[::-1],
        last_s=0.5,
        pictures=pictures,
        rotation_ccw_deg=-90 if orientation == "rotated" else 0,
    )
    ((_, (batch,)),) = decode(path, FrameNeed(Rate(2.0), 720, "gray")).chunks
    mine, theirs = batch.frames[0], cv2.cvtColor(upright_pictures(path)[0], cv2.COLOR_RGB2GRAY)
    high, wide = theirs.shape
    assert mine.shape == (high, wide)
    reader.find(mine)
    level = float(np.quantile(reader._scores[-1], 0.9))
    mark_above(monkeypatch, reference, level)
    mark_above(monkeypatch, reader._reader, level)
    found = np.array([box.quad for box in reader.find(mine)])
    colour = cv2.cvtColor(theirs, cv2.COLOR_GRAY2BGR)
    boxes, tilted = reference.detect(colour, min_size=8, canvas_size=max(high, wide), mag_ratio=1.0)
    expected = np.array([[[a, c], [b, c], [b, d], [a, d]] for a, b, c, d in boxes[0]] + list(tilted[0]), float)
    limits = np.array([wide, high], float)
    assert len(found) == len(expected) > 2
    np.testing.assert_allclose(found, np.clip(expected, 0.0, limits), atol=1.0)


@pytest.mark.parametrize("script", sorted(EASYOCR_LANGUAGES.keys() - {"english"}))
def test_every_scripts_pin_loads_and_reads_as_the_library_does(script: str, tmp_path: Path, cpu: Device) -> None:
    """Each has a recogniser of its own, with as many answers as its script has characters."""
    folder = tmp_path / f"easyocr-{script}"
    folder.mkdir()
    maker(folder.name)(folder)
    assert missing_files(pin(folder.name), [file.name for file in folder.iterdir()]) == []
    picture = page(120, 200)
    quads = [np.array([[5, y - 25], [195, y - 25], [195, y + 8], [5, y + 8]], np.float32) for y in (40, 80)]
    mine = EasyOcrReader(folder, EASYOCR_LANGUAGES[script], 0.0, cpu).read(picture, quads)
    library = library_reader(folder, EASYOCR_LANGUAGES[script], detector=False)
    theirs = [library.recognize(picture, [], [quad.tolist()], reformat=False)[0] for quad in quads]
    assert [r.text for r in mine] == [text.strip() for _, text, _ in theirs]
    assert all(r.text for r in mine)
    assert [r.score for r in mine] == pytest.approx([score for _, _, score in theirs], rel=1e-3)


def test_a_score_is_the_mean_of_the_region_map_inside_the_box(reader: EasyOcrReader) -> None:
    from analyzers.inference.easyocr_reader import _mean_in

    scores = np.zeros((10, 10), np.float32)
    scores[2:4, 4:8] = 0.75
    assert _mean_in(scores, np.array([[4.0, 2.0], [8.0, 2.0], [8.0, 4.0], [4.0, 4.0]])) == pytest.approx(0.75)
    assert _mean_in(scores, np.array([[4.0, 2.0], [8.0, 2.0], [8.0, 6.0], [4.0, 6.0]])) == pytest.approx(0.375)
    assert _mean_in(scores, np.array([[20.0, 20.0], [21.0, 20.0], [21.0, 21.0], [20.0, 21.0]])) == 0.0


def test_a_box_without_area_is_not_read(reader: EasyOcrReader) -> None:
    line = np.array([[5, 5], [50, 5], [50, 5], [5, 5]], np.float32)
    assert [r.text for r in reader.read(page(100, 100), [line])] == [""]


def test_every_script_is_one_of_easyocrs() -> None:
    from easyocr import config

    for script, languages in EASYOCR_LANGUAGES.items():
        assert set(languages) <= set(config.all_lang_list), script


def test_a_file_that_holds_code_is_not_unpickled(tmp_path: Path, cpu: Device) -> None:
    import torch

    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
            return (Path.touch, (tmp_path / "pwned",))  # type: ignore[return-value]

    torch.save(Evil(), tmp_path / "craft_mlt_25k.pth")
    with pytest.raises(Unavailable) as caught:
        EasyOcrReader(tmp_path, ("en",), 0.4, cpu)
    assert caught.value.code == "weights_broken"
    assert not (tmp_path / "pwned").exists()


def test_a_missing_recogniser_is_told(tmp_path: Path, tiny_weights: TinyWeights, cpu: Device) -> None:
    shutil.copy(tiny_weights.path("easyocr-english") / "craft_mlt_25k.pth", tmp_path)
    with pytest.raises(Unavailable, match="models verify"):
        EasyOcrReader(tmp_path, ("en",), 0.4, cpu)


def test_text_overlay_reads_with_it(tiny_weights: TinyWeights) -> None:
    runtime = tiny_weights.runtime("easyocr-english")
    config = {"engine": "easyocr", "easyocr_script": "english", "short_side_px": 240, "search_side_px": 320}
    host = AnalyzerHost("text_overlay", config, runtime)
    description = host.describe()
    assert (description.state, description.models) == ("ready", ("easyocr-english@v1.3",))


def test_without_weights_the_remedy_is_the_command(tmp_path: Path) -> None:
    host = AnalyzerHost("text_overlay", {"engine": "easyocr"}, Runtime(weights_path=tmp_path))
    description = host.describe()
    assert (description.state, description.code) == ("unavailable", "weights_missing")
    assert description.remedy == "tiktok-analyzer models pull easyocr-latin"


def test_without_an_engine_it_says_that_nothing_was_looked_for() -> None:
    frames = np.stack([np.repeat(page(320, 180)[:, :, None], 3, axis=2)] * 20)
    with pytest.raises(NotApplicable) as caught:
        run_on_frames(make_analyzer("text_overlay", {"engine": "none"}), frames, 10.0)
    assert caught.value.code == "reading_off"
