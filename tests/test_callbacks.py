"""Callbacks against a real receiver: signed, tried again, across restarts, and never to an address inside."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs import callbacks, signing
from jobs.callbacks import Callbacks, CallbackSettings, check_callback, message_of
from jobs.record import JobRecord, NewJob
from jobs.results import ResultStore
from jobs.settings import JobSettings
from jobs.signing import load_keys, sign
from jobs.sources import SourceFolder
from jobs.sqlite import SqliteJobStore
from jobs.worker import Worker
from schema.errors import InternalError, UrlNotAllowed
from schema.jobs import JobOptions, JobSource
from tests.made_site import Site, dribbled_head, in_turn, redirect, running_site, server_context, status
from tests.worker_shop import at_once

pytestmark = pytest.mark.asyncio

JOBS = JobSettings(heartbeat_s=0.05, poll_s=0.02)
AGING_S = 120.0
PATIENCE_S = 60.0
"""Wall seconds that a receiver of this process takes only when it hangs."""
STALE_S = 300
"""Standard Webhooks' tolerance for time stamps."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site({"/ok": status(204)}) as found:
        yield found


@pytest.fixture
def settings(site: Site) -> CallbackSettings:
    return CallbackSettings(test_hosts=(site.host,), first_wait_s=0.05, timeout_s=PATIENCE_S)


def new_job(url: str | None) -> NewJob:
    source = JobSource(kind="path", name="a.mp4", location="/videos/a.mp4")
    return NewJob(source=source, options=JobOptions(callback_url=url))


def ended(folder: Path, url: str | None, ago_s: float = 0.0, now: datetime | None = None) -> JobRecord:
    """A job that has ended so long before ``now``, which is the real time unless it is given."""
    store = SqliteJobStore(folder / "ended.db", AGING_S)
    store.add(new_job(url))
    claim = store.claim("owner", 60.0)
    assert claim is not None
    record = store.finish(claim[1], "cancelled")
    store.close()
    return record.model_copy(update={"ended_at": (now or datetime.now(timezone.utc)) - timedelta(seconds=ago_s)})


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver does it, from the text of the standard: id, time and body under the key, and not stale."""
    sent = {name.lower(): value for name, value in headers.items()}
    if abs(time.time() - int(sent["webhook-timestamp"])) > STALE_S:
        return False
    key = base64.b64decode(secret.strip()[len("whsec_") :])
    content = b".".join((sent["webhook-id"].encode(), sent["webhook-timestamp"].encode(), body))
    expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return any(
        version == "v1" and hmac.compare_digest(found, expected)
        for version, _, found in (part.partition(",") for part in sent["webhook-signature"].split(" "))
    )


async def test_the_signature_is_that_of_the_standards_test_vector() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_receiver_that_fails_twice_and_a_loop_that_dies_in_between(
    site: Site, settings: CallbackSettings, tmp_path: Path
) -> None:
    site.routes["/flaky"] = in_turn(status(500), status(503), status(200))
    store = SqliteJobStore(tmp_path / "jobs.db", AGING_S)
    results, sources = ResultStore(tmp_path), SourceFolder(tmp_path)
    record, _ = store.add(new_job(site.url("/flaky?who=me")))
    told = asyncio.Event()

    class Dies(Callbacks):
        async def tell(self, record: JobRecord) -> float | None:
            await super().tell(record)
            told.set()
            await asyncio.sleep(2 * PATIENCE_S)  # the process ends here
            raise AssertionError("it went on")

    loop = asyncio.create_task(Worker(store, results, sources, at_once, JOBS, 1, Dies(settings, tmp_path).tell).run())
    await asyncio.wait_for(told.wait(), PATIENCE_S)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert site.asked("/flaky?who=me") == 1
    assert store.get(record.id).state == "done"
    assert not store.get(record.id).settled
    store.close()

    store = SqliteJobStore(tmp_path / "jobs.db", AGING_S)  # as after a restart
    for owner in store.lease_owners():
        store.expire_owner(owner)
    again = Worker(store, results, sources, at_once, JOBS, 1, Callbacks(settings, tmp_path).tell)
    until_s = time.monotonic() + PATIENCE_S
    while not store.get(record.id).settled:
        assert time.monotonic() < until_s
        await again.run(until_empty=True)
    store.close()

    received = [(headers, body) for method, path, headers, body in site.requests if path == "/flaky?who=me"]
    assert len(received) == 3
    secret = (tmp_path / "callback_secret").read_text()
    assert all(verified(secret, headers, body) for headers, body in received)
    assert len({headers["webhook-id"] for headers, _ in received}) == 1
    message = json.loads(received[-1][1])
    assert (message["type"], message["data"]["id"], message["data"]["state"]) == ("job.done", record.id, "done")
    assert received[-1][0]["Content-Type"] == "application/json"
    assert received[-1][0]["Host"] == site.host


async def test_what_was_changed_on_the_way_is_not_verified(
    site: Site, settings: CallbackSettings, tmp_path: Path
) -> None:
    assert await Callbacks(settings, tmp_path).tell(ended(tmp_path, site.url("/ok"))) is None
    _, _, headers, body = site.requests[-1]
    secret = (tmp_path / "callback_secret").read_text()
    assert verified(secret, headers, body)
    assert not verified(secret, headers, body.replace(b"cancelled", b"done"))
    assert not verified(secret, {**headers, "webhook-id": "job_other"}, body)
    later = str(int(headers["webhook-timestamp"]) + 1)
    assert not verified(secret, {**headers, "webhook-timestamp": later}, body)
    other = signing.SECRET_PREFIX + base64.b64encode(bytes(32)).decode()
    assert not verified(other, headers, body)


async def test_two_keys_while_one_is_being_changed(site: Site, settings: CallbackSettings, tmp_path: Path) -> None:
    secrets = [signing.SECRET_PREFIX + base64.b64encode(bytes([i]) * 24).decode() for i in (1, 2)]
    (tmp_path / "callback_secret").write_text("\n".join(secrets))
    await Callbacks(settings, tmp_path).tell(ended(tmp_path, site.url("/ok")))
    _, _, headers, body = site.requests[-1]
    assert [verified(secret, headers, body) for secret in secrets] == [True, True]


@pytest.mark.parametrize(
    ("code", "headers", "over"),
    [(200, {}, True), (204, {}, True), (410, {}, True), (400, {}, False), (404, {}, False), (503, {}, False)],
)
async def test_which_answers_end_it(
    site: Site, settings: CallbackSettings, tmp_path: Path, code: int, headers: dict[str, str], over: bool
) -> None:
    site.routes["/code"] = status(code, **headers)
    assert (await Callbacks(settings, tmp_path).tell(ended(tmp_path, site.url("/code"))) is None) is over


async def test_waits_grow_with_the_time_since_the_end_and_stop(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.routes["/down"] = status(500)
    now = datetime.now(timezone.utc)
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(time=now.timestamp))  # attempts take no time here
    settings = CallbackSettings(test_hosts=(site.host,), first_wait_s=5.0, max_wait_s=3600.0, give_up_s=86_400.0)

    async def wait_after(ago_s: float) -> float | None:
        return await Callbacks(settings, tmp_path).tell(ended(tmp_path, site.url("/down"), ago_s, now))

    assert await wait_after(0.0) == 5.0
    assert await wait_after(40.0) == pytest.approx(40.0)
    assert await wait_after(5000.0) == 3600.0
    assert await wait_after(86_401.0) is None
    site.routes["/down"] = status(429, Retry_After="90")
    assert await wait_after(0.0) == 90.0
    site.routes["/down"] = status(429, Retry_After="999999")
    assert await wait_after(0.0) == 3600.0
    site.routes["/down"] = status(429, Retry_After="\xb2")  # a digit to Python, and to nobody else
    assert await wait_after(0.0) == 5.0


async def test_a_redirect_is_not_followed(site: Site, settings: CallbackSettings, tmp_path: Path) -> None:
    with running_site({"/inside": status(200)}) as inside:
        site.routes["/away"] = redirect(inside.url("/inside"), 307)
        assert await Callbacks(settings, tmp_path).tell(ended(tmp_path, site.url("/away"))) is not None
        assert not inside.requests


async def test_a_receiver_that_dribbles_is_left(site: Site, settings: CallbackSettings, tmp_path: Path) -> None:
    site.routes["/slow"] = dribbled_head
    quick = settings.model_copy(update={"timeout_s": 0.5})
    started_s = time.monotonic()
    assert await Callbacks(quick, tmp_path).tell(ended(tmp_path, site.url("/slow"))) is not None
    assert time.monotonic() - started_s < PATIENCE_S  # the receiver's patience has no end


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/x", "http://10.0.0.1/x", "http://other.example/x", "file:///x", "http://u:p@a.example/x", "x"],
)
async def test_receivers_that_are_not_listed(site: Site, tmp_path: Path, url: str) -> None:
    settings = CallbackSettings(allowed_hosts=("a.example",), test_hosts=(site.host,))
    with pytest.raises(UrlNotAllowed, match="callback_url"):
        check_callback(url, settings)
    assert await Callbacks(settings, tmp_path).tell(ended(tmp_path, url)) is None


async def test_a_listed_name_that_leads_inside_is_not_contacted(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = CallbackSettings(allowed_hosts=("a.example",))
    check_callback("http://a.example:8080/x", settings)
    before = len(site.requests)
    for addresses in (("127.0.0.1",), ("8.8.8.8", "10.0.0.1")):
        monkeypatch.setattr(callbacks, "addresses_of", lambda target, found=addresses: found)
        assert await Callbacks(settings, tmp_path).tell(ended(tmp_path, "http://a.example:8080/x")) is not None
    assert len(site.requests) == before


async def test_jobs_without_callback_are_done(settings: CallbackSettings, tmp_path: Path) -> None:
    assert await Callbacks(settings, tmp_path).tell(ended(tmp_path, None)) is None
    assert not (tmp_path / "callback_secret").exists()


async def test_over_tls_the_name_is_checked_though_the_address_is_dialled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_site({"/ok": status(200)}) as secure:
        secure.tls = server_context(tmp_path, "hooks.example")
        names = tuple(f"{name}:{secure.port}" for name in ("hooks.example", "other.example"))
        monkeypatch.setattr(callbacks, "addresses_of", lambda target: ("127.0.0.1",))
        trusting = CallbackSettings(test_hosts=names, ca_file=str(tmp_path / "cert.pem"), timeout_s=PATIENCE_S)
        told = Callbacks(trusting, tmp_path)
        assert await told.tell(ended(tmp_path, f"https://{names[0]}/ok")) is None
        assert secure.requests[-1][2]["Host"] == names[0]
        assert await told.tell(ended(tmp_path, f"https://{names[1]}/ok")) is not None
        usual = Callbacks(trusting.model_copy(update={"ca_file": None}), tmp_path)
        assert await usual.tell(ended(tmp_path, f"https://{names[0]}/ok")) is not None
        assert len(secure.requests) == 1


async def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "callback_secret"
    keys = load_keys(path)
    assert [len(key) for key in keys] == [signing.SECRET_BYTES]
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_keys(path) == keys
    assert [p.name for p in path.parent.iterdir()] == ["callback_secret"]


@pytest.mark.parametrize("text", ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "\xff"])
async def test_a_wrong_key_is_refused_and_nothing_is_sent(
    site: Site, settings: CallbackSettings, tmp_path: Path, text: str
) -> None:
    (tmp_path / "callback_secret").write_text(text, encoding="latin-1")
    with pytest.raises(InternalError, match="callback_secret"):
        load_keys(tmp_path / "callback_secret")
    before = len(site.requests)
    assert await Callbacks(settings, tmp_path).tell(ended(tmp_path, site.url("/ok"))) is not None
    assert len(site.requests) == before


async def test_each_end_of_a_job_has_its_own_id(tmp_path: Path) -> None:
    record = ended(tmp_path, None)
    assert record.ended_at is not None
    later = record.model_copy(update={"ended_at": record.ended_at + timedelta(seconds=1)})
    assert message_of(record).id == message_of(record.model_copy()).id
    assert message_of(record).id != message_of(later).id
