"""``tiktok-analyzer profile``: a profile as one complete Serve yaml, and whether it fits a card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

EXIT_OK, EXIT_SHORT = 0, 1


def add_profile_command(commands: Any) -> None:
    """Registers the command with the command line's parser."""
    from ops.profiles import PROFILE_FILES

    text = "write a profile as one Serve yaml, or check its shares against a card"
    profile = commands.add_parser("profile", help=text, description=text)
    profile.add_argument("name", choices=tuple(PROFILE_FILES))
    profile.add_argument("--out", type=Path, metavar="FILE", help="for `serve deploy`; standard output when left out")
    profile.add_argument("--budget", action="store_true", help="show what each model needs of the GPU")
    profile.add_argument("--card-mib", type=int, metavar="MIB", help="with --budget: memory of the card")
    profile.set_defaults(run=_profile)


def _profile(arguments: argparse.Namespace, out: Console) -> int:
    from ops.profiles import PROFILE_FILES, load_profile

    path = PROFILE_FILES[arguments.name]
    config = load_profile(path)
    if arguments.budget:
        return _budget(arguments, config, out)
    text = f"# Written by `tiktok-analyzer profile {arguments.name}` from {path.name}; reasons stand there.\n"
    text += yaml.safe_dump(config, sort_keys=False, width=120)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
        out.print(f"wrote {arguments.out}", highlight=False)
    else:
        out.print(text, markup=False, highlight=False, soft_wrap=True)
    return EXIT_OK


def _budget(arguments: argparse.Namespace, config: dict[str, Any], out: Console) -> int:
    from ops.budget_report import budget_table, shortfalls
    from ops.profiles import CARD_MIB
    from weights.budget import shortfall_text

    card_mib = arguments.card_mib or CARD_MIB.get(arguments.name)
    if card_mib is None:
        out.print(f"the profile {arguments.name} books no GPU; give --card-mib to check it against one all the same")
        return EXIT_OK
    out.print(budget_table(config, card_mib))
    short = shortfalls(config, card_mib)
    for line in short:
        out.print(shortfall_text(line), style="red", markup=False, highlight=False)
    return EXIT_SHORT if short else EXIT_OK
