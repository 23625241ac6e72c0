"""Fetches pins into the weights folder: planned, checked and moved into place whole.

WEIGHTS/.pulling/PIN/REVISION/   files as they come in; kept between runs, so that a pull goes on where it stopped
WEIGHTS/PIN/                     appears in one rename when all files were there and checked
"""

from __future__ import annotations

import fcntl
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from weights.digest import file_digest, require_digest
from weights.errors import DigestMismatch, DiskFull, Interrupted, NotOnSource, PullBusy, WeightsError, file_trouble
from weights.lock import Lock, LockedPin, known_lock, record_lock
from weights.pin import Pin
from weights.record import changed_files, read_record, record_folder
from weights.sources import Item, Plan, Source
from weights.transfer import Stop

STAGING = ".pulling"

WORKERS = 4
"""Files fetched at once: one stream seldom fills a line to the hub, many only wait for each other's disk writes."""

SPARE_BYTES = 256 * 1024 * 1024
"""Left free on the disk beside the weights: the lock, records, and whatever else writes meanwhile."""


class Progress(Protocol):
    """What a pull tells of itself; called from several threads."""

    def begin(self, pin: Pin, size_bytes: int | None) -> None:
        """This much of the pin will come in; None where it is not known."""

    def moved(self, pin: Pin, count: int) -> None:
        """So many bytes came in, or, below zero, were thrown away."""

    def end(self, pin: Pin, outcome: Outcome) -> None:
        """The pin is done."""


@dataclass(frozen=True)
class Outcome:
    """What became of one pin.

    Attributes:
        pin: Which.
        error: None where it is complete now.
        fetched: Whether anything was fetched for it.
    """

    pin: Pin
    error: WeightsError | None = None
    fetched: bool = False


class Silent:
    """Progress that nobody watches."""

    def begin(self, pin: Pin, size_bytes: int | None) -> None:
        """Nothing."""

    def moved(self, pin: Pin, count: int) -> None:
        """Nothing."""

    def end(self, pin: Pin, outcome: Outcome) -> None:
        """Nothing."""


def pull(
    pins: Sequence[Pin],
    source: Source,
    weights: Path,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    workers: int = WORKERS,
    again: bool = False,
    committed_lock: Path | None = None,
) -> list[Outcome]:
    """Makes these pins complete in the weights folder; one that fails does not hold up the others.

    Args:
        pins: Which.
        source: Where from.
        weights: The weights folder; made if it is not there.
        progress: Told of what happens.
        stop: Ends it early; what came in is kept.
        workers: Files fetched at once.
        again: Fetch also what looks complete.
        committed_lock: Path of the committed lock; the one beside the manifest when left out.

    Returns:
        One outcome per pin, in order.

    Raises:
        DiskFull: All of it together does not fit; nothing was fetched.
        PullBusy: Another pull works in this folder.
    """
    progress, stop = progress or Silent(), stop or Stop()
    weights.mkdir(parents=True, exist_ok=True)
    with _alone(weights):
        lock = known_lock(weights, committed_lock)
        done: dict[str, Outcome] = {}
        plans = []
        for pin in pins:
            if not again and is_complete(pin, weights, lock):
                done[pin.name] = Outcome(pin)
                continue
            try:
                stop.check()
                plans.append(_checked_plan(source.plan(pin, pin.revision or _locked_revision(lock, pin)), lock))
            except WeightsError as error:
                done[pin.name] = Outcome(pin, error)
        _require_space(plans, weights)
        for outcome in _run(plans, source, weights, lock, progress, stop, workers):
            done[outcome.pin.name] = outcome
    for outcome in done.values():
        progress.end(outcome.pin, outcome)
    return [done[pin.name] for pin in pins]


def is_complete(pin: Pin, weights: Path, lock: Lock) -> bool:
    """Whether a pull would have nothing to do for it."""
    record = read_record(weights / pin.name)
    if record is None or changed_files(weights / pin.name, record):
        return False
    return record.revision == (pin.revision or _locked_revision(lock, pin) or record.revision)


def _locked_revision(lock: Lock, pin: Pin) -> str | None:
    return lock[pin.name].revision if pin.name in lock else None


def _checked_plan(plan: Plan, lock: Lock) -> Plan:
    """Refuses a source that states other digests than those that are locked; spares fetching what would be refused."""
    locked = lock.get(plan.pin.name)
    if locked is None or locked.revision != plan.revision:
        return plan
    for item in plan.items:
        known = locked.files.get(item.name)
        if known and item.digest and item.digest.startswith("sha256:") and item.digest != known:
            raise DigestMismatch(
                f"{plan.source} states {item.digest} for {plan.pin.name}/{item.name}, locked is {known}",
                "The source has changed or is not to be trusted.",
            )
    return plan


def _require_space(plans: Sequence[Plan], weights: Path) -> None:
    needed = 0
    for plan in plans:
        folder = _staging(weights, plan)
        for item in plan.items:
            # An archive lies beside what was taken out of it until the end.
            needed += max(0, (item.size_bytes or 0) * (2 if item.members else 1) - _have(folder / item.name))
    free = shutil.disk_usage(weights).free
    if plans and needed + SPARE_BYTES > free:
        spare = f"{needed / 1e9:.1f} GB and {SPARE_BYTES / 1e9:.1f} GB to spare"
        raise DiskFull(f"{weights} needs {spare}; free are {free / 1e9:.1f} GB")


def _have(path: Path) -> int:
    """Bytes of a file, or of its part, that are there already."""
    for candidate in (path, path.with_name(path.name + ".part")):
        if candidate.is_file():
            return candidate.stat().st_size
    return 0


def _run(
    plans: Sequence[Plan],
    source: Source,
    weights: Path,
    lock: Lock,
    progress: Progress,
    stop: Stop,
    workers: int,
) -> Iterator[Outcome]:
    """Fetches all files of all plans in one pool; yields each pin's outcome as soon as its last file is there."""
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="pull") as pool:
        owner: dict[Future[None], Plan] = {}
        left: dict[str, int] = {}
        failed: dict[str, WeightsError] = {}
        for plan in plans:
            progress.begin(plan.pin, plan.size_bytes)
            left[plan.pin.name] = len(plan.items)
            for item in plan.items:
                owner[pool.submit(_fetch, plan, item, source, weights, progress, stop)] = plan
        waiting = set(owner)
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    plan, name = owner[future], owner[future].pin.name
                    error = future.exception()
                    if isinstance(error, WeightsError):
                        failed.setdefault(name, error)
                    elif error is not None:
                        raise error
                    left[name] -= 1
                    if not left[name]:
                        yield _finish(plan, weights, lock, failed.get(name))
        except BaseException:
            stop.asked = True
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(plan: Plan, item: Item, source: Source, weights: Path, progress: Progress, stop: Stop) -> None:
    """Fetches one file into the staging folder and checks it, unless it is there and right."""
    stop.check()
    target = _staging(weights, plan) / item.name

    def moved(count: int) -> None:
        progress.moved(plan.pin, count)

    try:
        if target.is_file() and target.stat().st_size == item.size_bytes:
            moved(target.stat().st_size)
        else:
            source.fetch(item, target, moved, stop)
    except OSError as error:
        raise file_trouble(target, error) from error
    what = f"{plan.pin.name}/{item.name}"
    if item.size_bytes is not None and target.stat().st_size != item.size_bytes:
        size = target.stat().st_size
        target.unlink()
        raise DigestMismatch(f"{what} has {size} bytes, announced were {item.size_bytes}")
    if item.digest:
        require_digest(target, item.digest, what)


def _finish(plan: Plan, weights: Path, lock: Lock, error: WeightsError | None) -> Outcome:
    """Checks the whole pin and moves it into place."""
    if error is not None:
        return Outcome(plan.pin, error)
    folder = _staging(weights, plan)
    try:
        archives = [item for item in plan.items if item.members]
        for item in archives:
            _unpack(folder / item.name, item.members)
        for name, digest in plan.pin.digests:
            if (folder / name).is_file():
                require_digest(folder / name, digest, f"{plan.pin.name}/{name}")
        for item in archives:
            (folder / item.name).unlink()
        _settle(plan, folder, weights, lock)
    except WeightsError as found:
        return Outcome(plan.pin, found)
    except OSError as found:
        return Outcome(plan.pin, file_trouble(folder, found))
    return Outcome(plan.pin, fetched=True)


def _settle(plan: Plan, folder: Path, weights: Path, lock: Lock) -> None:
    """Holds the files to the lock, or locks them, and renames the folder into place."""
    name = plan.pin.name
    wanted = {path for item in plan.items for path in (item.members or (item.name,))}
    for stray in [p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() not in wanted]:
        stray.unlink()
    digests = {path: file_digest(folder / path) for path in sorted(wanted)}
    locked = lock.get(name)
    if locked is not None and locked.revision == plan.revision:
        for path, digest in digests.items():
            if locked.files.get(path, digest) != digest:
                (folder / path).unlink()
                raise DigestMismatch(f"{name}/{path} has {digest}, locked is {locked.files[path]}")
        digests = {**digests, **locked.files}
    record_folder(folder, plan.pin, plan.revision, plan.source)
    record_lock(weights, name, LockedPin(plan.revision, digests))
    place, old = weights / name, weights / STAGING / f"{name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    folder.rename(place)
    shutil.rmtree(weights / STAGING / name, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _unpack(archive: Path, members: Sequence[str]) -> None:
    """Takes the named files out of a zip, whatever folder they lie in there; nothing else is looked at.

    Raises:
        NotOnSource: One is not in it, or it is no zip.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            inside = {Path(entry.filename).name: entry for entry in opened.infolist() if not entry.is_dir()}
            for member in members:
                if member not in inside:
                    raise NotOnSource(f"{archive.name} has no {member}; it has {', '.join(sorted(inside))}")
                with opened.open(inside[member]) as file, (archive.parent / member).open("wb") as out:
                    shutil.copyfileobj(file, out)
    except zipfile.BadZipFile as error:
        archive.unlink()
        raise DigestMismatch(f"{archive.name} is no whole zip: {error}") from error


def _staging(weights: Path, plan: Plan) -> Path:
    return weights / STAGING / plan.pin.name / plan.revision.replace("/", "_")


@contextmanager
def _alone(weights: Path) -> Iterator[None]:
    """One pull at a time in a folder; the system frees the lock when the process ends, however it ends.

    Raises:
        PullBusy: Another one has it.
    """
    with (weights / ".pull.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PullBusy(f"another pull works in {weights}") from error
        yield


def interrupted(outcomes: Sequence[Outcome]) -> bool:
    """Whether the pull was stopped before its end."""
    return any(isinstance(outcome.error, Interrupted) for outcome in outcomes)
