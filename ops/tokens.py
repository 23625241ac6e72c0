"""``tiktok-analyzer tokens``: makes, lists and revokes API tokens of a data folder."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from deployments.tokens import ROLES, TokenStore
from ops.arguments import add_data_folder

TOKEN_VARIABLE = "TIKTOK_ANALYZER_TOKEN"
"""Environment variable from which the command line's client takes its token."""


def add_tokens(commands: Any) -> None:
    """Adds ``tokens`` to the command line."""
    tokens = commands.add_parser("tokens", help="make, list and revoke API tokens")
    actions = tokens.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a token and print it, once")
    add.add_argument("name", help="who uses it")
    add.add_argument("--role", choices=ROLES, default="submit", help="what it may (default: submit)")
    add.set_defaults(run=_add)
    listed = actions.add_parser("list", help="show the tokens, without their secrets")
    listed.set_defaults(run=_list)
    revoke = actions.add_parser("revoke", help="make a token invalid at once")
    revoke.add_argument("id", help="as `tokens list` shows it")
    revoke.set_defaults(run=_revoke)
    for action in (add, listed, revoke):
        add_data_folder(action)
        action.add_argument("--profile", choices=("cpu", "gpu"), default="cpu", help="whose data folder (default: cpu)")


def _store(arguments: argparse.Namespace) -> TokenStore:
    from ops.profiles import PROFILE_FILES, graph_args

    return TokenStore(graph_args(PROFILE_FILES[arguments.profile], data_dir=arguments.data).data_path)


def _add(arguments: argparse.Namespace, out: Console) -> int:
    token, text = _store(arguments).add(arguments.name, arguments.role)
    out.print(f"token {token.id} of {token.name!r} may {token.role}; it is shown this once:", highlight=False)
    out.print(text, highlight=False, markup=False, soft_wrap=True)
    out.print(f"send it as `Authorization: Bearer ...`, or set {TOKEN_VARIABLE}", highlight=False)
    return 0


def _list(arguments: argparse.Namespace, out: Console) -> int:
    found = _store(arguments).all()
    if not found:
        out.print("there are no tokens; `tiktok-analyzer tokens add NAME` makes one")
        return 0
    table = Table("id", "name", "role", "made")
    for token in found:
        table.add_row(token.id, token.name, token.role, f"{token.created_at:%Y-%m-%d %H:%M} UTC")
    out.print(table)
    return 0


def _revoke(arguments: argparse.Namespace, out: Console) -> int:
    token = _store(arguments).revoke(arguments.id)
    out.print(f"token {token.id} of {token.name!r} is no longer valid", highlight=False)
    return 0
