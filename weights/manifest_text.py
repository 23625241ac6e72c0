"""Pins of EasyOCR: each holds the detector and one recogniser, so that one folder makes one reader.

Addresses and md5 sums are those of the table inside easyocr 1.7.2 (``easyocr.config``), which checks them itself. Sizes
are those of the unpacked files in public lists of a reader's folder, or counted where none states them.
"""

from __future__ import annotations

from weights.pin import Pin, RemoteFile, SizeKnown

RELEASES = "https://github.com/JaidedAI/EasyOCR/releases/download"

CRAFT = RemoteFile(f"{RELEASES}/pre-v1.1.6/craft_mlt_25k.zip", "craft_mlt_25k.zip", members=("craft_mlt_25k.pth",))
CRAFT_MD5 = ("craft_mlt_25k.pth", "md5:2f8227d2def4037cdb3b34389dcf9ec1")
CRAFT_BYTES = 83_152_330


def _reader(script: str, file: str, release: str, md5: str, size_bytes: int, known: SizeKnown = "stated") -> Pin:
    """The reader of one script; ``size_bytes`` is the recogniser's."""
    return Pin(
        name=f"easyocr-{script}",
        title=f"EasyOCR: CRAFT detector and {script} recogniser",
        revision=release,
        remote=(CRAFT, RemoteFile(f"{RELEASES}/{release}/{file}.zip", f"{file}.zip", members=(f"{file}.pth",))),
        licence="Apache-2.0",
        licence_url="https://github.com/JaidedAI/EasyOCR/blob/master/LICENSE",
        permissive=True,
        used_by=("text_overlay",),
        format="torch",
        size_bytes=CRAFT_BYTES + size_bytes,
        size_known=known,
        digests=(CRAFT_MD5, (f"{file}.pth", f"md5:{md5}")),
    )


TEXT: tuple[Pin, ...] = (
    _reader("latin", "latin_g2", "v1.3", "469869130aad1a34e8f9086f4262bc59", 15_406_141),
    _reader("english", "english_g2", "v1.3", "5864788e1821be9e454ec108d61b887d", 15_143_997),
    _reader("cyrillic", "cyrillic_g2", "v1.6.1", "19f85f43d9128a89ac21b8d6a06973fe", 15_243_600, "counted"),
    _reader("chinese", "zh_sim_g2", "v1.3", "b601ce7143293387d3ec4f41a66edc07", 21_951_421),
    _reader("japanese", "japanese_g2", "v1.3", "bad5146990ccb1272cb0908440fbe15e", 17_306_796, "counted"),
    _reader("korean", "korean_g2", "v1.3", "befecf7b1ca2fffb5af814a51443682d", 16_081_533),
)
