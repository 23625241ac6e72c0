"""Tells clients that a job has ended: one signed POST, tried again until it is taken or its time is over.

Deliveries need no store of their own. A job that has ended stays unsettled until its client is told; a loop that dies
in between leaves it so, and another one takes it up. ``jobs.signing`` has the form of the signature.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
from pydantic import Field

from jobs.record import JobRecord
from jobs.signing import load_keys, sign
from media.fetch.addresses import HostRules, Target, addresses_of, check_addresses, check_url
from schema.base import Model
from schema.errors import InternalError, UrlNotAllowed

logger = logging.getLogger("tiktok_analyzer.callbacks")

GONE = 410
"""The receiver wants no more of these."""


class CallbackSettings(Model):
    """Where callbacks may go, and how long they are tried. Each number has a unit, a bound and a reason."""

    allowed_hosts: tuple[str, ...] = ()
    """Hosts that may be told, each with its subdomains; none by default. Their addresses must be public."""
    test_hosts: tuple[Annotated[str, Field(pattern=r"^\S+:\d{1,5}$")], ...] = ()
    """``HOST:PORT`` that may have addresses that are not public: receivers in the house, test servers."""
    secret_file: str = "callback_secret"
    """The signing key, one per line while it is being changed: each line adds a signature. Below the data folder
    unless absolute; made with a random key when missing."""
    ca_file: str | None = None
    """Certificates of authorities to trust in place of the usual ones, for receivers in the house."""
    timeout_s: Annotated[float, Field(gt=0.0, le=60.0)] = 8.0
    """Wall seconds of one attempt, looking up the name included. Below ``jobs.lease_s``, so that no other worker
    takes the delivery up meanwhile."""
    first_wait_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 5.0
    """Seconds between the first two attempts. Later waits are as long as the time since the job's end, so they
    double."""
    max_wait_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 3600.0
    """Longest wait between two attempts; a receiver's ``Retry-After`` counts up to here."""
    give_up_s: Annotated[float, Field(gt=0.0, le=30 * 86_400.0)] = 86_400.0
    """Seconds after the job's end from which on nothing is tried any more. A day survives a receiver's night."""

    @property
    def rules(self) -> HostRules:
        """The hosts as the address checks take them."""
        return HostRules(tuple(map(str.lower, self.allowed_hosts)), tuple(map(str.lower, self.test_hosts)))


def check_callback(url: str, settings: CallbackSettings) -> None:
    """Refuses a callback when its job comes in, not when it has ended.

    Raises:
        UrlNotAllowed: Its host is not listed.
    """
    try:
        check_url(url, settings.rules)
    except UrlNotAllowed as error:
        raise UrlNotAllowed(f"callback_url: {error}", "Use a host that callbacks.allowed_hosts lists.") from None


@dataclass(frozen=True)
class Attempt:
    """How one attempt went.

    Attributes:
        over: Whether nothing more is to be tried: it was taken, or never will be.
        reason: For the log.
        wait_s: Seconds that the receiver asks to wait.
    """

    over: bool
    reason: str
    wait_s: float | None = None


class Callbacks:
    """Sends the callbacks of jobs.

    Args:
        settings: Hosts, times, the key's file.
        data_path: The data folder.
    """

    def __init__(self, settings: CallbackSettings, data_path: Path) -> None:
        self._settings = settings
        self._secret_path = data_path / Path(settings.secret_file).expanduser()

    async def tell(self, record: JobRecord) -> float | None:
        """Makes one attempt for a job that has ended, unless its client wants none.

        Returns:
            Seconds until the next attempt; None when there is nothing more to do.
        """
        url = record.options.callback_url
        if url is None or record.ended_at is None:
            return None
        attempt = await self._attempt(url, record)
        since_s = time.time() - record.ended_at.timestamp()
        if attempt.over:
            logger.info("%s: callback over: %s", record.id, attempt.reason)
            return None
        if since_s >= self._settings.give_up_s:
            logger.warning("%s: callback given up after %.0f s: %s", record.id, since_s, attempt.reason)
            return None
        wait_s = max(self._settings.first_wait_s, since_s, attempt.wait_s or 0.0)
        wait_s = min(wait_s, self._settings.max_wait_s)
        logger.warning("%s: callback not taken: %s; again in %.0f s", record.id, attempt.reason, wait_s)
        return wait_s

    async def _attempt(self, url: str, record: JobRecord) -> Attempt:
        try:
            target = check_url(url, self._settings.rules)
        except UrlNotAllowed as error:
            return Attempt(over=True, reason=str(error))
        try:
            keys = await asyncio.to_thread(load_keys, self._secret_path)
            post = self._post(url, target, message_of(record), keys)
            status, wait_s = await asyncio.wait_for(post, self._settings.timeout_s)
        except asyncio.TimeoutError:
            return Attempt(over=False, reason=f"no answer within {self._settings.timeout_s:g} s")
        except (httpx.HTTPError, OSError, UrlNotAllowed, InternalError) as error:
            return Attempt(over=False, reason=f"{type(error).__name__}: {error}")
        return Attempt(
            over=200 <= status < 300 or status == GONE, reason=f"the receiver answers {status}", wait_s=wait_s
        )

    async def _post(
        self, url: str, target: Target, message: Message, keys: Sequence[bytes]
    ) -> tuple[int, float | None]:
        """Sends to the checked address itself, under the host's name; follows no redirect and reads no body."""
        addresses = await asyncio.to_thread(addresses_of, target)
        check_addresses(target, addresses)
        timestamp = int(time.time())
        headers = {
            "Host": httpx.URL(url).netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "tiktok-analyzer",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(keys, message.id, timestamp, message.body),
        }
        place = httpx.URL(url).copy_with(host=addresses[0], fragment=None)
        async with (
            httpx.AsyncClient(
                trust_env=False, follow_redirects=False, verify=self._tls(), timeout=self._settings.timeout_s
            ) as client,
            client.stream(
                "POST", place, content=message.body, headers=headers, extensions={"sni_hostname": target.host}
            ) as answer,
        ):
            wait = answer.headers.get("Retry-After", "")
            return answer.status_code, float(wait) if wait.isascii() and wait.isdigit() else None

    def _tls(self) -> ssl.SSLContext:
        if self._settings.ca_file is None:
            return httpx.create_ssl_context(trust_env=False)
        return ssl.create_default_context(cafile=str(Path(self._settings.ca_file).expanduser()))


@dataclass(frozen=True)
class Message:
    """What is told.

    Attributes:
        id: The same for every attempt at one end of a job.
        body: JSON: ``type`` (``job.done``, ``job.failed``, ``job.cancelled``), ``timestamp`` and ``data``, the job as
            ``GET /jobs/{id}`` shows it.
    """

    id: str
    body: bytes


def message_of(record: JobRecord) -> Message:
    """The message about a job's end. A job that is put back into the queue and ends again gets another id."""
    assert record.ended_at is not None
    body = {
        "type": f"job.{record.state}",
        "timestamp": record.ended_at.isoformat(),
        "data": record.status().model_dump(mode="json"),
    }
    id = f"job_{record.id}_{int(record.ended_at.timestamp() * 1000)}"
    return Message(id, json.dumps(body, separators=(",", ":")).encode())
