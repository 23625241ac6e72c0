"""What the load test sends: short clips, copies of them, broken files; who sends them how. All from one seed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from media.types import UInt8Array
from ops.clips import write_clip

Way = Literal["path", "upload", "wait", "leave", "cancel", "twice"]
"""How a client asks: with a path or an upload and coming back for the document; waiting for the answer; waiting and
going away; asking and cancelling; asking twice with one key."""

WAYS: dict[Way, float] = {"path": 0.3, "upload": 0.15, "wait": 0.15, "leave": 0.12, "cancel": 0.16, "twice": 0.12}
"""Share of each way."""

BROKEN_SHARE, COPY_SHARE, MEDIA_SHARE = 0.12, 0.2, 0.3
"""Of the requests: files that are no video, files with the bytes of another one, real clips (where there are any)."""

BROKEN: dict[str, bytes] = {
    "text": b"this is no video\n" * 50,
    "empty": b"",
    "playlist": b"#EXTM3U\n/etc/passwd\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
}
"""Files that end their job with ``not_a_video``, by construction."""

LONGEST_S, LARGEST_BYTES = 6.0, 1_500_000
"""Bounds on the real clips: the test is about jobs, not about decoding."""

SIZE, FPS = (180, 320), 25


@dataclass(frozen=True)
class Request:
    """One request of the mass work.

    Attributes:
        number: Of the request.
        path: Of its file, which no other request has.
        way: How it is sent.
        priority: Of the job.
        error: Code that its job ends with; None for a video.
        copy_of: Number of a request whose file has the same bytes.
        patience_s: Wall seconds until the client goes away, or cancels.
    """

    number: int
    path: Path
    way: Way
    priority: int
    error: str | None
    copy_of: int | None
    patience_s: float

    @property
    def key(self) -> str | None:
        """Its Idempotency-Key; none for a client that will not ask again."""
        return None if self.way == "leave" else f"load-{self.number}"


def plan(folder: Path, media: Path, count: int, seed: int) -> list[Request]:
    """Writes the files into ``folder`` and gives the requests in the order in which they are sent."""
    draw = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    broken, copies = round(BROKEN_SHARE * count), round(COPY_SHARE * count)
    kinds = ["broken"] * broken + ["copy"] * copies + ["clip"] * (count - broken - copies)
    draw.shuffle(kinds)
    kinds[kinds.index("clip")], kinds[0] = kinds[0], "clip"
    clips = real_clips(media)
    draw.shuffle(clips)
    clips = clips[: round(MEDIA_SHARE * count)]
    ways = draw.choices(list(WAYS), list(WAYS.values()), k=count)
    requests: list[Request] = []
    for number, kind in enumerate(kinds):
        way, error, copy_of = ways[number], None, None
        path = folder / f"load-{number:03d}.mp4"
        if kind == "broken":
            # A broken one is over so fast that leaving and cancelling would be a matter of luck.
            way, error = ("path" if way in ("leave", "cancel") else way), "not_a_video"
            path.write_bytes(BROKEN[draw.choice(list(BROKEN))])
        elif kind == "copy":
            first = draw.choice([request for request in requests if request.error is None])
            copy_of = first.number
            path = path.with_suffix(first.path.suffix)
            shutil.copyfile(first.path, path)
        elif clips:
            clip = clips.pop()
            path = path.with_suffix(clip.suffix)
            shutil.copyfile(clip, path)
        else:
            make_clip(path, seed + number)
        if way == "upload" and error and not path.stat().st_size:
            way = "path"  # an empty upload is refused before it is a job
        # Mass work; one in five is anything.
        priority = draw.randint(1, 10) if draw.random() < 0.2 else 2
        requests.append(Request(number, path, way, priority, error, copy_of, draw.uniform(0.0, 2.5)))
    return requests


def real_clips(media: Path) -> list[Path]:
    """Short sound videos of the media folder; none where it is absent."""
    manifest = media / "MANIFEST.json"
    rows = json.loads(manifest.read_text()) if manifest.is_file() else []
    return [
        media / row["file"]
        for row in rows
        if row.get("opens")
        and not row.get("deliberately_broken")
        and row.get("n_video_streams")
        and (row.get("duration_s") or 1e9) <= LONGEST_S
        and row["bytes"] <= LARGEST_BYTES
        and Path(row["file"]).suffix != ".gif"
    ]


def make_clip(path: Path, seed: int, seconds: float = 2.0) -> None:
    """A clip with cuts, moving blocks and a tone; each seed gives other bytes."""
    draw = np.random.default_rng(seed)
    count = round(seconds * FPS)
    tone = 0.1 * np.sin(2.0 * np.pi * draw.uniform(200.0, 800.0) * np.arange(round(seconds * 48_000)) / 48_000)
    write_clip(path, _pictures(draw, count), FPS, tone.astype(np.float32))


def _pictures(draw: np.random.Generator, count: int) -> Iterator[UInt8Array]:
    width, height = SIZE
    cuts = set(draw.integers(5, count, 2).tolist())
    for index in range(count):
        if index == 0 or index in cuts:
            ground, block = draw.integers(0, 256, (2, 3))
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = ground
        left = 3 * index % (width - 40)
        picture[100:160, left : left + 40] = block
        yield picture
