"""The command line: ``tiktok-analyzer``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import httpx
from rich.console import Console

from media.source import readable
from ops.arguments import add_data_folder, whole_number
from ops.bulk import add_bulk
from ops.cleanup import add_cleanup
from ops.client import Client, ServiceError
from ops.documents import write_document
from ops.models_command import add_models_command
from ops.profile_command import add_profile_command
from ops.render import ProgressLines, console, print_document, progress_lines
from ops.tokens import TOKEN_VARIABLE, add_tokens
from ops.urls import analyze_url, is_url
from schema.document import AnalysisDocument
from schema.errors import AnalyzerSystemError

DEFAULT_URL = "http://127.0.0.1:8003"
"""Where ``serve`` puts the service."""

EXIT_OK, EXIT_INCOMPLETE, EXIT_REFUSED = 0, 1, 2
"""All well; a document with failed parts, or a failed check; bad input or no service."""

EXIT_INTERRUPTED = 130
"""As a shell tells of Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status."""
    arguments = _parser().parse_args(argv)
    errors = Console(stderr=True)
    try:
        return int(arguments.run(arguments, console()))
    except AnalyzerSystemError as error:
        text = readable(f"{error.title}: {error.details}\n{error.action}")
        errors.print(text, style="red", highlight=False, markup=False)
    except ServiceError as error:
        errors.print(str(error), style="red", highlight=False, markup=False)
    except OSError as error:  # a file or folder of the user's; our own have errors of their own
        named = error.filename2 or error.filename
        place = f": {named}" if named else ""
        errors.print(f"{error.strerror or error}{place}", style="red", highlight=False, markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        errors.print("stopped", highlight=False)
        return EXIT_INTERRUPTED
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        errors.print(
            f"{arguments.url!r} is no address of a service ({error}); one is {DEFAULT_URL}",
            style="red",
            highlight=False,
            markup=False,
        )
    except httpx.TransportError as error:
        errors.print(
            f"no service at {arguments.url} ({error}); start one with `tiktok-analyzer serve`, or add --local",
            style="red",
            highlight=False,
            markup=False,
        )
    return EXIT_REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tiktok-analyzer", description="Short-video analysis on Ray Serve.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="start Ray and the application in the foreground")
    profiles = ("cpu", "gpu", "gpu24", "gpu16")
    serve.add_argument("--profile", choices=profiles, default="cpu", help="which Serve yaml (default: cpu)")
    serve.add_argument(
        "--port", type=whole_number(1, 65_535), default=None, help="HTTP port in place of the yaml's 8003"
    )
    serve.add_argument(
        "--host", default=None, help="address to bind in place of the yaml's; all but loopback need tokens"
    )
    add_data_folder(serve)
    serve.set_defaults(run=_serve)

    analyze = commands.add_parser("analyze", help="analyse one video and show the result")
    analyze.add_argument("video", metavar="VIDEO|URL", help="a file, or the http(s) address of a video")
    analyze.add_argument("--analyzers", help="names separated by commas; all when left out")
    analyze.add_argument("--out", type=Path, help="folder for the document, written as NAME.json")
    analyze.add_argument("--local", action="store_true", help="in this process, without a server")
    analyze.add_argument("--fresh", action="store_true", help="compute also what earlier analyses have computed")
    analyze.add_argument("--url", default=DEFAULT_URL, help=f"of the service (default: {DEFAULT_URL})")
    analyze.add_argument(
        "--token", default=os.environ.get(TOKEN_VARIABLE), help=f"of the service (default: from {TOKEN_VARIABLE})"
    )
    analyze.set_defaults(run=_analyze)

    check = commands.add_parser("check", help="check a Serve yaml for what Serve would silently drop")
    check.add_argument("file", type=Path)
    check.set_defaults(run=_check)

    add_bulk(commands, DEFAULT_URL)
    add_cleanup(commands)
    add_tokens(commands)

    doctor = commands.add_parser("doctor", help="check this machine and say what to do")
    doctor.set_defaults(run=_doctor)

    add_models_command(commands)
    add_profile_command(commands)

    sample = commands.add_parser("sample", help="make the sample video, with its truth beside it")
    sample.add_argument("path", type=Path)
    sample.set_defaults(run=_sample)
    return parser


def _serve(arguments: argparse.Namespace, out: Console) -> int:
    from ops.budget_report import gpu_warnings
    from ops.profiles import PROFILE_FILES, load_profile
    from ops.server import StartFailed, local_service
    from ops.strict_config import InvalidConfig

    args = {"data_dir": arguments.data} if arguments.data else None
    config = load_profile(PROFILE_FILES[arguments.profile], port=arguments.port, host=arguments.host, args=args)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    for problem in gpu_warnings(config):
        out.print(problem, style="yellow", markup=False, highlight=False)
    out.print(f"starting Ray and the {arguments.profile} profile ...")
    try:
        with local_service(config, stop.is_set) as service:
            out.print(f"ready after {service.start_s:.1f} s")
            out.print(f"  service    {service.url}  (documentation at {service.url}/docs)")
            out.print(f"  dashboard  {service.dashboard_url}")
            health = httpx.get(f"{service.url}/health", timeout=30.0)
            for name, state in health.json()["analyzers"].items() if health.is_success else ():
                out.print(f"  {name:<20} {state}")
            out.print("stop with Ctrl-C")
            stop.wait()
            out.print("stopping ...")
    except (StartFailed, InvalidConfig) as error:
        out.print(f"did not start: {error}", style="red", markup=False)
        return EXIT_REFUSED
    return EXIT_OK


def _analyze(arguments: argparse.Namespace, out: Console) -> int:
    wanted = [name.strip() for name in arguments.analyzers.split(",")] if arguments.analyzers else None
    video: Path | str = arguments.video if is_url(arguments.video) else Path(arguments.video)
    if isinstance(video, Path) and not video.is_file():
        what = f"{video} is no file" if video.exists() else f"there is no file {video}"
        remedy = "; `tiktok-analyzer bulk add` takes folders" if video.is_dir() else ""
        out.print(readable(f"{what}{remedy}"), style="red", markup=False, highlight=False)
        return EXIT_REFUSED
    with progress_lines(out) as lines:
        pictures: dict[str, bytes] = {}
        if arguments.local:
            document, results_file = _analyzed_here(video, wanted, lines, arguments.fresh), None
        else:
            client = Client(arguments.url, arguments.token)
            document, job = client.analyze(video, wanted, lines.show, arguments.fresh)
            results_file = job.results_file
            pictures = client.pictures(document) if arguments.out else {}
    if arguments.out:
        stem = Path(document.source.name).stem
        results_file = str(write_document(document, arguments.out, stem, pictures))
    print_document(out, document, results_file)
    return EXIT_OK if document.status == "ok" else EXIT_INCOMPLETE


def _analyzed_here(video: Path | str, wanted: list[str] | None, lines: ProgressLines, fresh: bool) -> AnalysisDocument:
    from jobs.cache import SectionCache
    from ops.local import LocalRunner
    from ops.profiles import PROFILE_FILES, analyzer_configs, graph_args

    profile = PROFILE_FILES["cpu"]  # as `serve` without arguments, so that both give the same
    settings = graph_args(profile)
    cache = SectionCache(settings.data_path, settings.cache) if settings.cache.enabled else None
    runner = LocalRunner(settings, analyzer_configs(profile), cache)
    if isinstance(video, Path):
        return runner.analyze(video, wanted, lines.show, fresh)
    return analyze_url(runner, video, settings.fetch, wanted, lines.show, fresh)


def _check(arguments: argparse.Namespace, out: Console) -> int:
    from ops.strict_config import check_serve_config

    problems = check_serve_config(arguments.file)
    for problem in problems:
        out.print(problem, style="red", highlight=False, markup=False)
    if not problems:
        out.print(f"{arguments.file}: nothing wrong")
    return EXIT_REFUSED if problems else EXIT_OK


def _doctor(arguments: argparse.Namespace, out: Console) -> int:
    from ops.doctor import render, run_doctor

    rows = run_doctor()
    out.print(render(rows))
    return EXIT_INCOMPLETE if any(row.state == "fail" for row in rows) else EXIT_OK


def _sample(arguments: argparse.Namespace, out: Console) -> int:
    from ops.sample import make_sample

    if arguments.path.suffix.lower() != ".mp4":
        out.print(f"{readable(arguments.path)} must end in .mp4", style="red", markup=False, highlight=False)
        return EXIT_REFUSED
    make_sample(arguments.path)
    out.print(f"wrote {arguments.path}")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
