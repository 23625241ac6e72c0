"""Colours: tags that come back, and parity of the fast way with the exact one."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from media.needs import EveryFrame, FrameNeed
from tests.decoded import EVERY, EVERY_GRAY, STEADY, decode
from tests.made_media import make_video
from tests.media_folder import media

PRIMARIES = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 120, 40)]


@pytest.mark.parametrize("matrix", [1, 5, 6], ids=["bt709", "bt470bg", "smpte170m"])
@pytest.mark.parametrize("colour_range", [1, 2], ids=["limited", "full"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_tagged_colours_come_back(tmp_path: Path, matrix: int, colour_range: int, pix_fmt: str) -> None:
    pictures = [np.full((64, 96, 3), rgb, np.uint8) for rgb in PRIMARIES]
    path = tmp_path / "c.mp4"
    make_video(path, STEADY[: len(PRIMARIES)], pictures=pictures, pix_fmt=pix_fmt, colour=(matrix, colour_range))
    out = decode(path, EVERY, FrameNeed(EveryFrame(), 32), EVERY_GRAY)
    for rendition in (0, 1):
        got = [p.mean(axis=(0, 1)) for p in out.pictures(rendition)]
        assert np.abs(np.array(got) - PRIMARIES).max() <= 4  # 8-bit Y'CbCr and the encoder's own quantisation
    kr, kb = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    luma = [kr * r + (1 - kr - kb) * g + kb * b for r, g, b in PRIMARIES]
    assert [p.mean() for p in out.pictures(2)] == pytest.approx(luma, abs=3)


REAL_P99, PATTERN_P99 = 6.0, 20.0
PARITY_MEAN = 1.5
"""Levels of 255 between our small pictures and swscale's full RGB scaled by OpenCV's INTER_AREA, mean and 99th
percentile. Rounding to 8 bits twice gives 1; the rest stands at edges of strong colour, where swscale interpolates
4:2:0 chroma bicubically before scaling and we average it. Test patterns are made of such edges."""

PARITY_CLIPS = [
    ("tc/nasa_13013.mp4", 160, REAL_P99),
    ("intel/asl_yes.mkv", 180, REAL_P99),  # full range
    ("tfjs/pose_squats.mp4", 320, REAL_P99),
    ("moviepy/fire2.mp4", 180, REAL_P99),  # upside down
    ("lipnet/bbaf2n.mpg", 288, REAL_P99),  # not scaled
    ("tc/h264_10bits.mp4", 100, PATTERN_P99),
    ("tc/testsrc2_odd_height_and_width_444.mp4", 120, PATTERN_P99),
    ("tc/testsrc2_odd_height_and_width_444.mp4", 241, PATTERN_P99),
]


@pytest.mark.parametrize(("name", "short_side", "p99"), PARITY_CLIPS)
def test_small_pictures_match_full_conversion_then_scaling(name: str, short_side: int, p99: float) -> None:
    path = media(name)
    out = decode(path, FrameNeed(EveryFrame(), short_side), FrameNeed(EveryFrame(), short_side, "gray"))
    hd = min(out.facts.width or 0, out.facts.height or 0) >= 720
    matrix, weights = (1, [0.2126, 0.7152, 0.0722]) if hd or name == "tc/nasa_13013.mp4" else (5, [0.299, 0.587, 0.114])
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    with av.open(str(path)) as container:
        frames = container.decode(container.streams.best("video"))
        for number, frame in itertools.islice(enumerate(frames), 0, 20, 4):
            full = frame.reformat(format="rgb24", src_colorspace=matrix, interpolation=exact).to_ndarray()
            full = np.rot90(full, -out.facts.rotation_deg // 90)
            picture = out.pictures()[number]
            expected = cv2.resize(np.ascontiguousarray(full), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
            difference = np.abs(picture.astype(int) - expected)
            assert difference.mean() <= PARITY_MEAN
            assert np.percentile(difference, 99) <= p99
            assert np.abs(out.pictures(1)[number] - expected @ weights).mean() <= PARITY_MEAN
