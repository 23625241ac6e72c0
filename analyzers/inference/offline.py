"""Switches that keep model libraries off the network; they read them when they are imported, so set them before."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

OFFLINE: dict[str, str] = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    # ultralytics then reads tensors only, and no code, from a .pt file.
    "ULTRALYTICS_SAFE_LOAD": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "BITSANDBYTES_NOWELCOME": "1",
    # The tokenizers' own threads would come on top of the process's budget.
    "TOKENIZERS_PARALLELISM": "false",
    # Fewer holes in the memory that the replica's share caps.
    "PYTORCH_ALLOC_CONF": "expandable_segments:True",
}
"""Set in every replica, whatever the environment says."""

SCRATCH = ("YOLO_CONFIG_DIR", "MPLCONFIGDIR")
"""Folders that ultralytics and matplotlib (under mediapipe) write small files to; the home folder otherwise."""


def go_offline() -> None:
    """Sets the switches in this process. Libraries that are imported already keep what they read."""
    os.environ.update(OFFLINE)
    missing = [name for name in SCRATCH if name not in os.environ]
    if missing:
        scratch = _scratch_folder()
        os.environ.update(dict.fromkeys(missing, str(scratch)))


def _scratch_folder() -> Path:
    """A folder of this user's own below the system's temporary one; the same each time, so that nothing piles up."""
    folder = Path(tempfile.gettempdir()) / f"tiktok-analyzer-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # Another user may have been there first.
        own = folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.getuid()
    except OSError:
        own = False
    return folder if own else Path(tempfile.mkdtemp(prefix="tiktok-analyzer-"))
