"""One attempt at one URL with yt-dlp: read the page, look at what it offers, load one video."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from media.fetch.guard import Guard
from media.fetch.network import GuardedYoutubeDL
from media.fetch.policy import FetchPolicy
from media.fetch.post import post_facts
from schema.document import PostFacts
from schema.errors import DownloadFailed, NotAVideo, TooLarge, TooLong

FORMATS = "b/bv/ba"
"""One file with picture and sound, else pictures alone, else sound alone. Nothing is merged: that needs ffmpeg."""

SORTING = ["res:1080", "vcodec:h264", "filesize"]
"""The largest picture up to 1080 px on its short side: analyzers look at no more. Then H.264, which decodes fastest."""

MAX_NESTING = 5
"""Links that lead to links: a short link, its page, an embedded player."""


def load(
    url: str, folder: Path, policy: FetchPolicy, guard: Guard, cookies: Path | None
) -> tuple[Path, str, PostFacts]:
    """Loads the video behind a URL.

    Args:
        url: Of a page or of a file.
        folder: An empty folder; the file and nothing else is left in it.
        policy: Limits.
        guard: Of this process.
        cookies: A copy of the cookies that yt-dlp may write to.

    Returns:
        The file, a name for it, and what the site says about it.

    Raises:
        AnalyzerSystemError: Several videos, a live stream, too long, or nothing came.
        yt_dlp.utils.YoutubeDLError: Whatever yt-dlp raises; ``outcome_of`` reads it.
    """
    with GuardedYoutubeDL(options(folder, policy, cookies), guard) as ydl:
        info = single_video(ydl, url)
        _check(info, policy)
        guard.begin_video()
        ydl.fetching_video = _is_plain_file(info)
        done = ydl.process_ie_result(_unprocessed(info), download=True)
    file = _file_of(done, folder)
    return file, name_of(info), post_facts(info)


def options(folder: Path, policy: FetchPolicy, cookies: Path | None) -> dict[str, Any]:
    """yt-dlp's parameters: nothing from the environment, nothing left on disk but the file, no helper programs."""
    return {
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "color": "never",
        "cachedir": False,
        "paths": {"home": str(folder), "temp": str(folder)},
        "outtmpl": {"default": "video.%(ext)s"},
        "nopart": False,
        "continuedl": False,
        "updatetime": False,
        "overwrites": True,
        "format": FORMATS,
        "format_sort": SORTING,
        "allow_multiple_video_streams": False,
        "fixup": "never",
        "ffmpeg_location": str(folder / "no-ffmpeg"),
        "hls_prefer_native": True,
        "external_downloader": {"default": "native"},
        "js_runtimes": {},
        # Our own attempts come with a new process, and wait as long as the site asks.
        "retries": 0,
        "fragment_retries": 0,
        "extractor_retries": 0,
        "file_access_retries": 0,
        "skip_unavailable_fragments": False,
        "socket_timeout": policy.socket_timeout_s,
        "max_filesize": None,  # ends without a file and without an error; the guard counts instead
        "noplaylist": True,
        "playlist_items": "1:2",
        "extract_flat": "in_playlist",
        "lazy_playlist": True,
        "cookiefile": str(cookies) if cookies else None,
        "proxy": policy.proxy or "",
        "default_search": "error",
        "usenetrc": False,
        "enable_file_urls": False,
        "geo_bypass": False,
        "writethumbnail": False,
        "writesubtitles": False,
    }


def single_video(ydl: GuardedYoutubeDL, url: str) -> dict[str, Any]:
    """The page's one video; a list with one entry counts as it.

    Raises:
        NotAVideo: None, or several.
    """
    for _ in range(MAX_NESTING):
        info = ydl.extract_info(url, download=False)
        if not info:
            raise NotAVideo("the address leads to no video")
        if info.get("_type", "video") == "video":
            return dict(info)
        entries = list(info.get("entries") or [])
        if len(entries) != 1:
            found = "no video" if not entries else "more than one video"
            raise NotAVideo(f"the address leads to {found}", "Send the address of one video.")
        entry = entries[0]
        if entry.get("_type", "video") == "video":
            return dict(entry)
        url = str(entry.get("url") or "")
    raise NotAVideo(
        f"the address leads to lists in lists, more than {MAX_NESTING} deep", "Send the video's own address."
    )


def name_of(info: dict[str, Any]) -> str:
    """A file name for people: the site's id and the kind of file, both from harmless characters only."""
    stem, ending = (re.sub(r"[^\w-]+", "_", str(info.get(key) or ""), flags=re.ASCII) for key in ("id", "ext"))
    return f"{stem[:100] or 'video'}.{ending[:10] or 'mp4'}"


def _check(info: dict[str, Any], policy: FetchPolicy) -> None:
    """What the page itself says against loading the video."""
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
        raise TooLong("a live stream has no end")
    seconds = info.get("duration")
    if isinstance(seconds, (int, float)) and seconds > policy.max_duration_s:
        raise TooLong(f"the site declares {seconds:g} s; allowed are {policy.max_duration_s:g} s")
    size = info.get("filesize")
    if isinstance(size, int) and size > policy.max_bytes:
        raise TooLarge(f"the site declares {size} bytes; allowed are {policy.max_bytes}")


def _unprocessed(info: dict[str, Any]) -> dict[str, Any]:
    """Without what yt-dlp has derived from lists (``artist`` from ``artists``): it warns of it on its second look."""
    return {key: value for key, value in info.items() if f"{key}s" not in info}


def _is_plain_file(info: dict[str, Any]) -> bool:
    """Whether the next answer is the video itself, and no manifest of its pieces."""
    return str(info.get("protocol") or "") in ("http", "https")


def _file_of(info: Any, folder: Path) -> Path:
    loads = (info or {}).get("requested_downloads") or []
    path = Path(str(loads[0].get("filepath"))) if loads else None
    if path is None or not path.is_file() or not path.resolve().is_relative_to(folder):
        raise DownloadFailed("yt-dlp ended without a file")
    return path
