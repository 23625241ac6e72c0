"""Bounds on what is opened and decoded. Each protects memory or time against one hostile or mistaken file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import Model


class MediaLimits(Model):
    """Checked by the probe before any decode, and again while decoding, where a header may lie."""

    max_bytes: Annotated[int, Field(ge=1_000, le=20_000_000_000)] = 1_000_000_000
    """Bytes of a file. 1 GB is over 5 minutes at 25 Mb/s, a phone's highest setting."""
    max_duration_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 300.0
    """Seconds of video. 5 minutes covers what the system is for; memory does not grow with it, time does."""
    max_pixels: Annotated[int, Field(ge=64, le=134_217_728)] = 9_437_184
    """Pixels of one picture: 4096 x 2304. A 16k x 16k picture takes gigabytes to decode once."""
    max_frames: Annotated[int, Field(ge=1, le=1_000_000)] = 72_000
    """Pictures: 5 minutes at 240 fps."""
    max_streams: Annotated[int, Field(ge=1, le=100)] = 16
    """Streams of a container; phones write up to 5."""
    probe_timeout_s: Annotated[float, Field(gt=0.0, le=60.0)] = 1.5
    """Processor seconds for the probe's child process; a sound file takes 0.2 s. Twenty times as much wall time is
    allowed, for a busy machine or a slow disk."""
    probe_memory_mb: Annotated[int, Field(ge=128, le=8192)] = 1024
    """Address space of the probe's child process in MB; a sound file takes under 400."""
    decode_timeout_s: Annotated[float, Field(gt=0.0, le=7200.0)] = 900.0
    """Processor seconds for one decode: three times real time for the longest allowed video."""
