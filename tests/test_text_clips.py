"""Text on screen in real clips and stills: the published truth, and silence without text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.made_text import Frames, Written, errors, write
from tests.media_folder import media
from tests.run import run_on_file
from tests.text_runs import FPS, ocr, run, spans


@pytest.mark.slow
def test_burned_in_captions_of_a_talking_head() -> None:
    path = media("derived/vertical_talk_cuts_subs_A.mp4")
    result = run_on_file(ocr(), path)
    captions = [
        ("bin blue at f two now", 0.4, 2.6),
        ("lay blue by c two again", 3.4, 5.6),
        ("set white with p two soon", 6.4, 8.6),
        ("place white in j three please", 9.4, 11.6),
    ]
    assert len(result.overlays) == len(captions)
    wrong = sum(errors(o.text, text) for o, (text, _, _) in zip(result.overlays, captions, strict=True))
    assert wrong <= 0.03 * sum(len(text) for text, _, _ in captions)
    for overlay, (_, start_s, end_s) in zip(result.overlays, captions, strict=True):
        assert overlay.start_time == pytest.approx(start_s, abs=0.2)
        assert overlay.end_time == pytest.approx(end_s, abs=0.2)
        assert overlay.kind == "caption"
        assert overlay.look.outlined
    assert result.latin_language is not None
    assert result.latin_language.language == "en"
    # at, by, with, in; "in" is German, Dutch and Italian as well.
    assert (result.latin_language.function_words, result.latin_language.next_best) == (4, 1)
    assert result.reading.regions_reused >= 4


@pytest.mark.slow
def test_a_counter_that_changes_with_every_frame() -> None:
    result = run_on_file(ocr(), media("pysd/counter.mp4"))
    expected = [(f"Frame = {k + 1} PTS = {k / 10:.1f}s", k / 10, (k + 1) / 10) for k in range(30)]
    assert spans(result) == expected


def test_a_frame_number_in_a_tiny_picture() -> None:
    result = run_on_file(ocr(), media("tc/h265_video.mp4"))
    assert spans(result) == [(f"Frame {k}", k / 10, (k + 1) / 10) for k in range(10)]


def test_time_stamps_of_a_test_pattern_name_their_own_frame() -> None:
    result = run_on_file(ocr(), media("tc/testsrc2_odd_height_and_width_444.mp4"))
    stamps = [(line.text, o.start_time) for o in result.overlays for line in o.lines if ":" in line.text]
    assert len(stamps) == 10
    for text, start_s in stamps:
        assert float(text.removeprefix("00:00:")) == pytest.approx(start_s, abs=1e-3)


@pytest.mark.slow
def test_small_print_through_a_whole_clip_is_a_watermark() -> None:
    result = run_on_file(ocr(), media("pysd/testvideo.mp4"))
    assert {o.text: o.kind for o in result.overlays} == {
        "Copyright © 2013 Brandon Castellano": "watermark",
        "www.bcastell.com": "watermark",
    }


@pytest.mark.parametrize(
    "clip",
    [
        "lipnet/bbaf2n.mpg",
        "pysd/fades.mp4",
        pytest.param("tc/nasa_13013.mp4", marks=pytest.mark.slow),
        pytest.param("intel/car-detection.mp4", marks=pytest.mark.slow),
        pytest.param("tfjs/pose_squats.mp4", marks=pytest.mark.slow),
    ],
)
def test_clips_without_text_stay_silent(clip: str) -> None:
    assert run_on_file(ocr(), media(clip)).overlays == ()


def film(name: str, first_s: float, seconds: float) -> Frames:
    """The middle of a film as 540 x 960 at ten frames per second."""
    import av
    import cv2

    frames: list[Any] = []
    with av.open(str(media(name))) as container:
        for frame in container.decode(video=0):
            if len(frames) < round(seconds * FPS) and (frame.time or 0.0) >= first_s + len(frames) / FPS - 1e-6:
                picture = frame.to_ndarray(format="rgb24")
                high, wide = picture.shape[:2]
                left = (wide - high * 9 // 16) // 2
                frames.append(cv2.resize(picture[:, left : wide - left], (540, 960), interpolation=cv2.INTER_LINEAR))
    return np.stack(frames)


SAID = """
    you never told them why this small house stood there when nobody was looking at that old green door
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "first_s", "look"),
    [
        ("cosmos/test_video_30s.mp4", 18.0, {"fill": (255, 230, 0)}),
        ("moviepy/big_buck_bunny_0_30.webm", 3.0, {"outline": None, "plate": (0, 0, 0)}),
    ],
)
def test_quick_captions_over_a_film(name: str, first_s: float, look: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    lines, at = [], 3
    for word in SAID.split():
        stay = int(rng.integers(3, 8))
        lines.append(Written(word, at, at + stay, (270, 640), 44, **look))
        at += stay
    frames = write(film(name, first_s, at / FPS + 0.5), lines)
    overlays = run(frames).overlays
    assert len(overlays) == len(lines)
    assert sum(errors(o.text, w.text) for o, w in zip(overlays, lines, strict=True)) <= 0.03 * len(
        "".join(SAID.split())
    )
    for overlay, line in zip(overlays, lines, strict=True):
        assert overlay.start_time == pytest.approx(line.first / FPS, abs=0.1 + 1e-6)
        assert overlay.end_time == pytest.approx(line.end / FPS, abs=0.1 + 1e-6)


def still(name: str, seconds: float = 0.5) -> Frames:
    import cv2

    picture = cv2.imread(str(media(name)))
    assert picture is not None
    return np.repeat(np.asarray(picture, np.uint8)[None, ..., ::-1], round(seconds * FPS), axis=0)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("rfi/multi_line_text.jpg", {"MAKE", "THIS DAY", "GREAT!"}),
        ("eocr/chinese.jpg", {"西", "愚园路", "东", "315", "309", "W", "Yuyuan Rd.", "E"}),
        ("eocr/japanese.jpg", {"ポイ捨て禁止!", "NO LITTER", "清潔できれいな港区を", "港区 MINATO CITY"}),
        # The reader knows no Korean, and leaves the two names in it out.
        ("eocr/korean.png", {"Seoul", "Pyeongyang", "56Km", "205Km"}),
    ],
)
def test_stills_with_text_are_read_in_the_scripts_that_are_known(name: str, lines: set[str]) -> None:
    result = run(still(name))
    assert {line.text for o in result.overlays for line in o.lines} == lines
    assert {round(o.end_time, 3) for o in result.overlays} == {0.5}
