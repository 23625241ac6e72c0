"""What arguments of several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
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


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """For ``type=``: a whole number between the two, both allowed, in plain digits."""

    def parsed(text: str) -> int:
        # The length first: Python refuses, with an error of its own, to read numbers of thousands of digits.
        if not (text.isascii() and text.isdigit() and len(text) < 9 and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"must be a whole number in [{low}, {high}], got {text!r}")
        return int(text)

    return parsed
