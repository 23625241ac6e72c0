"""Turns a request into an accepted job: what is wrong with it is said here, before anything is written down."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Collection, Iterable
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ValidationError

from analyzers.catalogue import require_deployed
from deployments.ingress_upload import UploadForm, received_form
from deployments.settings import GraphArgs
from jobs.callbacks import check_callback
from jobs.capacity import Capacity
from jobs.disk import DiskGuard
from jobs.record import JobRecord, NewJob
from jobs.results import new_id
from jobs.sources import SourceFolder
from jobs.store import JobStore
from media.fetch.addresses import check_url
from media.source import locate
from schema.api import AnalyzeRequest
from schema.errors import InvalidRequest, Overloaded, TooLarge, validation_text
from schema.jobs import JobOptions, JobSource

MAX_KEY_LENGTH = 200
"""Characters of an Idempotency-Key; a UUID has 36."""

MAX_JSON_BYTES = 1 << 20
"""Of a request that is no form. The longest that is allowed has some 10 kB; a megabyte leaves room for spaces."""

EXAMPLES: dict[str, dict[str, Any]] = {
    "a file on the server": {"video_path": "clip.mp4"},
    "an address, some analyzers": {
        "tiktok_url": "https://www.tiktok.com/@name/video/1",
        "analyzers": ["cut_analysis", "text_overlay"],
    },
    "mass work with a bound": {"video_path": "clip.mp4", "priority": 2, "options": {"deadline_s": 60, "keep": True}},
}
"""Requests as JSON, for OpenAPI."""


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """For OpenAPI, which has the models inside it among its own components."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {name: value for name, value in schema.items() if name != "$defs"}


ANALYZE_BODIES: dict[str, Any] = {
    "parameters": [
        {
            "name": "Prefer",
            "in": "header",
            "schema": {"type": "string"},
            "description": "`respond-async` answers at once with 202 and the job.",
        },
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
            "description": "A second request with the same key and body gets the same job. Such a job is not "
            "cancelled when the waiting client goes away: the client will ask again.",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _schema(AnalyzeRequest),
                "examples": {name: {"value": request} for name, request in EXAMPLES.items()},
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The video's bytes."},
                        "analyzers": {
                            "type": "string",
                            "description": "Names, separated by commas; all deployed ones when left out.",
                        },
                        "priority": {"type": "integer", "minimum": 1, "maximum": 10, "default": 5},
                        "options": {
                            "type": "string",
                            "description": "`JobOptions` as JSON.",
                            "examples": ['{"keep": true}'],
                        },
                    },
                }
            },
        },
    },
}
"""The request of ``POST /analyze`` for OpenAPI, which FastAPI cannot see: there are two kinds of body."""


class Acceptance:
    """Accepts jobs.

    Args:
        settings: Of the application.
        deployed: Names of the analyzers there are.
        store: Where jobs are written down.
        sources: Where uploads go.
        disk: Refuses work when it is full.
        capacity: Refuses work when too much waits.
    """

    def __init__(
        self,
        settings: GraphArgs,
        deployed: Collection[str],
        store: JobStore,
        sources: SourceFolder,
        disk: DiskGuard,
        capacity: Capacity,
    ) -> None:
        self._settings, self._deployed = settings, deployed
        self._store, self._sources, self._disk, self._capacity = store, sources, disk, capacity

    async def accept(self, request: Request) -> tuple[JobRecord, bool]:
        """The job of this request, and whether it is new. Once this returns, the job survives a crash.

        Raises:
            AnalyzerSystemError: Why it is refused; nothing is left of it then.
        """
        announced = request.headers.get("content-length", "")
        self._disk.check(min(int(announced), self._settings.limits.max_bytes) if announced.isdigit() else 0)
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            return await self._from_upload(request)
        return await self._from_json(request)

    async def _from_json(self, request: Request) -> tuple[JobRecord, bool]:
        key = _key(request)
        wanted = _parsed(await _body(request))
        self._check(wanted.analyzers, wanted.options)
        await self._capacity.check(wanted.priority, key)
        if wanted.video_path is not None:
            path = await asyncio.to_thread(locate, wanted.video_path, self._settings.root_paths)
            source = JobSource(kind="path", name=wanted.video_path, location=str(path))
        else:
            url = str(wanted.tiktok_url)
            check_url(url, self._settings.fetch.rules)
            source = JobSource(kind="url", name=url, location=url)
        return await self._add(
            NewJob(
                source=source,
                analyzers=wanted.analyzers,
                priority=wanted.priority,
                options=wanted.options,
                idempotency_key=key,
                fingerprint=fingerprint(wanted, ""),
            )
        )

    async def _from_upload(self, request: Request) -> tuple[JobRecord, bool]:
        key = _key(request)
        await self._capacity.check(10, key)  # nobody could come in
        checked = 10

        async def on_priority(priority: int) -> None:
            nonlocal checked
            if priority != checked:
                await self._capacity.check(priority, key)
                checked = priority

        async with received_form(request, self._settings.limits.max_bytes, on_priority) as form:
            wanted = _form_request(form)
            self._check(wanted.analyzers, wanted.options)
            await on_priority(wanted.priority)  # where it came behind the file, or not at all
            return await self._store_upload(form, wanted, key)

    async def _store_upload(self, form: UploadForm, wanted: AnalyzeRequest, key: str | None) -> tuple[JobRecord, bool]:
        id, created = new_id(), False
        with self._sources.reserved(id) as reserved:
            sha256 = await form.store(reserved.path)
            await asyncio.to_thread(reserved.flush)
            new = NewJob(
                source=JobSource(kind="upload", name=form.name, location=str(reserved.path)),
                analyzers=wanted.analyzers,
                priority=wanted.priority,
                options=wanted.options,
                idempotency_key=key,
                fingerprint=fingerprint(wanted, sha256),
                id=id,
            )
            record, created = await self._add(new)
        if not created:
            self._sources.discard(id)
        return record, created

    async def _add(self, new: NewJob) -> tuple[JobRecord, bool]:
        return await asyncio.to_thread(self._added, new)

    def _added(self, new: NewJob) -> tuple[JobRecord, bool]:
        try:
            return self._store.add(new, self._settings.jobs.max_queued)
        except Overloaded as error:  # others were quicker since the queue was looked at
            raise self._capacity.timed(error) from None

    def _check(self, analyzers: tuple[str, ...] | None, options: JobOptions) -> None:
        for name in analyzers or ():
            require_deployed(name, self._deployed)
        if options.callback_url is not None:
            check_callback(options.callback_url, self._settings.callbacks)


def fingerprint(wanted: AnalyzeRequest, sha256: str) -> str:
    """What makes two requests the same: all that was asked for, and an upload's bytes."""
    text = json.dumps([wanted.model_dump(mode="json"), sha256], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def split_names(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def preferences(headers: Iterable[str]) -> frozenset[str]:
    """Names of the preferences in ``Prefer`` headers (RFC 7240), in lower case; values and parameters do not matter."""
    named = (part.partition(";")[0].partition("=")[0] for header in headers for part in header.split(","))
    return frozenset(name.strip().lower() for name in named if name.strip())


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise InvalidRequest(f"the Idempotency-Key has {len(key)} characters; 1 to {MAX_KEY_LENGTH} are allowed")
    return key


async def _body(request: Request) -> bytes:
    """The request's bytes, which memory holds: no more of them are taken in than a request may have.

    Raises:
        TooLarge: More come in.
    """
    taken = bytearray()
    async for block in request.stream():
        taken += block
        if len(taken) > MAX_JSON_BYTES:
            text = f"a request without a form has at most {MAX_JSON_BYTES} bytes"
            raise TooLarge(text, "Send the video as the form field 'file', or name it by 'video_path'.")
    return bytes(taken)


def _parsed(body: bytes) -> AnalyzeRequest:
    return _validated(_loaded(body, "the body", "Send JSON, or a multipart form with the field 'file'."))


def _form_request(form: UploadForm) -> AnalyzeRequest:
    """The form as the request that JSON would make; the file's name stands where a path would."""
    fields: dict[str, Any] = {"video_path": form.name}
    if "analyzers" in form.texts:
        fields["analyzers"] = split_names(form.texts["analyzers"])
    if "priority" in form.texts:
        fields["priority"] = form.texts["priority"]
    if "options" in form.texts:
        fields["options"] = _loaded(form.texts["options"].encode(), "the field 'options'", "Send an object as JSON.")
    return _validated(fields)


def _loaded(text: bytes, what: str, action: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{what} is no JSON: {error}", action) from error
    except ValueError as error:  # Python's own bound
        raise InvalidRequest(f"{what} holds a whole number of thousands of digits") from error
    except RecursionError as error:
        raise InvalidRequest(f"{what}: the JSON is nested too deeply") from error


def _validated(fields: Any) -> AnalyzeRequest:
    try:
        return AnalyzeRequest.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequest(validation_text(error)) from error
