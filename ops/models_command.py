"""``tiktok-analyzer models``: list, pull, verify and bundle the weights.

Exit status: 0 all well; 1 ``verify`` found something wrong; else that of the first error (``weights.errors``):
2 unknown name or nothing named, 3 source unreachable, 4 not on the source or access denied, 5 wrong digest,
6 disk full, 7 transfer broken, 8 unsafe bundle, 9 another pull runs, 10 a file cannot be read or
written, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

EXIT_OK, EXIT_WRONG, EXIT_REFUSED = 0, 1, 2


def add_models_command(commands: Any) -> None:
    """Registers the command with the command line's parser."""
    models = commands.add_parser("models", help="the models' weights: list, pull, verify, bundle")
    actions = models.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("list", _list, "every pinned model with source, size, licence and state"),
        ("pull", _pull, "fetch models; goes on where an earlier pull stopped"),
        ("verify", _verify, "hold every byte to the recorded sha256"),
        ("bundle", _bundle, "pack models into one file for a machine without a network"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        if name == "bundle":
            action.add_argument("out", type=Path, metavar="OUT.tar")
        action.add_argument("names", nargs="*", metavar="NAME", help="of models; `models list` shows them")
        action.add_argument("--profile", choices=_profiles(), help="the models that this profile loads")
        action.add_argument(
            "--licence-policy", choices=("any", "permissive"), help="with --profile: in place of the yaml's own"
        )
        action.add_argument("--weights", type=Path, metavar="DIR", help="weights folder (default: that of the yaml)")
        action.set_defaults(run=_guarded, models_run=run)
        if name == "list":
            action.add_argument("--json", action="store_true", help="for programs")
        if name == "pull":
            action.add_argument(
                "--from", dest="origin", type=Path, metavar="PATH", help="a mirror folder or a bundle, not the hub"
            )
            action.add_argument(
                "--again", action="store_true", help="also what looks complete, where verify found harm"
            )
            action.add_argument("--workers", type=_workers, default=None, help="files fetched at once (default: 4)")


def _profiles() -> tuple[str, ...]:
    from ops.profiles import PROFILE_FILES

    return tuple(PROFILE_FILES)


def _workers(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 32:
        raise argparse.ArgumentTypeError(f"must be 1 to 32, got {value}")
    return value


def _guarded(arguments: argparse.Namespace, out: Console) -> int:
    from weights.errors import WeightsError

    try:
        return int(arguments.models_run(arguments, out))
    except WeightsError as error:
        _say(out, error)
        return error.exit_status


def _say(out: Console, error: Any, name: str = "") -> None:
    start = f"{name}: " if name else ""
    out.print(f"{start}{error.reason} ({error.code})\n  {error.remedy}", style="red", markup=False, highlight=False)


def _list(arguments: argparse.Namespace, out: Console) -> int:
    from ops.models_view import as_json, models_table
    from weights.check import quick_state
    from weights.manifest import PINS

    weights = _weights(arguments)
    findings = [quick_state(pin, weights) for pin in _chosen(arguments) or PINS]
    if arguments.json:
        out.print_json(json.dumps([as_json(finding) for finding in findings]))
    else:
        out.print(models_table(findings, weights))
    return EXIT_OK


def _pull(arguments: argparse.Namespace, out: Console) -> int:
    from ops.models_view import bars, size_text
    from weights.pull import WORKERS, pull
    from weights.transfer import Stop

    pins, weights = _required(arguments), _weights(arguments)
    for pin in pins:
        out.print(
            f"{pin.name}: {pin.licence}, {pin.licence_url}, {size_text(pin.size_bytes, pin.size_known)}",
            highlight=False,
        )
    stop = Stop()
    with _ctrl_c(stop), bars(out) as display:
        outcomes = pull(
            pins,
            _source(arguments.origin),
            weights,
            progress=display,
            stop=stop,
            workers=arguments.workers or WORKERS,
            again=arguments.again,
        )
    errors = [(o.pin.name, o.error) for o in outcomes if o.error is not None]
    # One text for all that failed alike: without a network that is every model.
    for text in dict.fromkeys((error.reason, error.remedy) for _, error in errors):
        alike = [(name, error) for name, error in errors if (error.reason, error.remedy) == text]
        _say(out, alike[0][1], ", ".join(name for name, _ in alike))
    out.print(f"{len(outcomes) - len(errors)} of {len(outcomes)} models are complete in {weights}", highlight=False)
    return errors[0][1].exit_status if errors else EXIT_OK


def _verify(arguments: argparse.Namespace, out: Console) -> int:
    """Without names: all that is there. A model that was named and is missing is wrong."""
    from ops.models_view import verify_table
    from weights.check import full_state, quick_state
    from weights.lock import known_lock
    from weights.manifest import PINS

    weights = _weights(arguments)
    pins = _chosen(arguments) or tuple(pin for pin in PINS if quick_state(pin, weights).state != "missing")
    lock = known_lock(weights)
    with out.status("reading ..."):
        findings = [full_state(pin, weights, lock) for pin in pins]
    if not findings:
        out.print(f"there are no weights in {weights}")
        return EXIT_OK
    out.print(verify_table(findings))
    wrong = [finding.pin.name for finding in findings if finding.state != "ready"]
    if wrong:
        out.print(f"to mend it: tiktok-analyzer models pull --again {' '.join(wrong)}", style="red", markup=False)
    return EXIT_WRONG if wrong else EXIT_OK


def _bundle(arguments: argparse.Namespace, out: Console) -> int:
    from ops.models_view import size_text
    from weights.check import quick_state
    from weights.errors import NotOnSource
    from weights.local_sources import write_bundle
    from weights.manifest import PINS

    weights = _weights(arguments)
    pins = _chosen(arguments) or tuple(pin for pin in PINS if quick_state(pin, weights).state == "ready")
    if not pins:
        raise NotOnSource(f"there are no weights in {weights}", "tiktok-analyzer models pull, or another --weights.")
    with out.status("packing ..."):
        size = write_bundle(weights, list(pins), arguments.out)
    out.print(f"{arguments.out}: {len(pins)} models, {size_text(size)}", highlight=False)
    return EXIT_OK


def _chosen(arguments: argparse.Namespace) -> tuple[Any, ...]:
    """The pins that names and profile ask for; none where neither was given."""
    from ops.profile_models import profile_pins
    from ops.profiles import PROFILE_FILES, load_profile
    from weights.errors import UnknownPin
    from weights.manifest import pin

    pins = []
    for name in arguments.names:
        try:
            pins.append(pin(name))
        except KeyError as error:
            raise UnknownPin(str(error.args[0])) from error
    if arguments.profile:
        pins += profile_pins(load_profile(PROFILE_FILES[arguments.profile]), arguments.licence_policy)
    return tuple(dict.fromkeys(pins))


def _required(arguments: argparse.Namespace) -> Sequence[Any]:
    from weights.errors import UnknownPin

    if pins := _chosen(arguments):
        return pins
    if arguments.profile:
        raise UnknownPin(f"the profile {arguments.profile} loads no models", "Nothing to do.")
    raise UnknownPin("no model was named", "tiktok-analyzer models pull --profile cpu, or names from `models list`.")


def _weights(arguments: argparse.Namespace) -> Path:
    from deployments.settings import GraphArgs
    from ops.profile_models import graph_args
    from ops.profiles import PROFILE_FILES, load_profile

    if arguments.weights:
        return Path(arguments.weights).expanduser().resolve()
    args = graph_args(load_profile(PROFILE_FILES[arguments.profile])) if arguments.profile else GraphArgs()
    return args.runtime.weights_path


def _source(origin: Path | None) -> Any:
    from weights.local_sources import Bundle, Mirror
    from weights.online import Online

    if origin is None:
        return Online()
    return Mirror(origin) if origin.is_dir() else Bundle(origin)


@contextmanager
def _ctrl_c(stop: Any) -> Iterator[None]:
    """The first Ctrl-C ends the transfers and keeps what came in; the second one ends the program."""

    def ask(*_: Any) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
