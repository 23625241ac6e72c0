"""``--data``: the data folder of a command."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_data_folder(parser: argparse.ArgumentParser) -> None:
    """Adds ``--data``, None when left out. Its relative paths start where the user is, as those of all arguments do;
    those of a yaml start at the project's root."""
    parser.add_argument("--data", type=_folder, metavar="DIR", help="data folder in place of the yaml's")


def _folder(text: str) -> str:
    """The absolute path: worker processes and replicas run in other folders."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; name a folder, or leave --data out")
    return str(Path(text).expanduser().resolve())
