"""The video in words. Light: the command line imports it before it does anything else."""

from __future__ import annotations

from schema.document import VideoFacts


def describe_video(video: VideoFacts) -> str:
    """The video's facts as one sentence."""
    sound = "with sound" if video.audio else "without sound"
    if not video.has_video:
        return f"A sound of {video.duration_s:.1f} s without pictures."
    shape = "vertical" if (video.height or 0) > (video.width or 0) else "horizontal"
    rate = f" at {video.frame_rate:.4g} frames per second" if video.frame_rate else ""
    cut_short = "; the file is cut short" if video.truncated else "; the file is damaged" if video.decode_error else ""
    return f"A {shape} video of {video.duration_s:.1f} s, {video.width}x{video.height}{rate}, {sound}{cut_short}."
