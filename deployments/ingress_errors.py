"""Every error as ``ErrorBody``: ours, FastAPI's validation, unknown routes, unexpected faults."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from schema.errors import (
    AnalyzerNotDeployed,
    AnalyzerSystemError,
    Cancelled,
    DecodeFailed,
    DiskFull,
    DownloadBlocked,
    DownloadDeleted,
    DownloadFailed,
    DownloadPrivate,
    ErrorBody,
    FileMissing,
    Forbidden,
    IdempotencyConflict,
    InternalError,
    InvalidRequest,
    NotAVideo,
    Overloaded,
    PathNotAllowed,
    RequestTimeout,
    RetiredAnalyzer,
    StoreUnavailable,
    TooLarge,
    TooLong,
    UnknownAnalyzer,
    UnsupportedCodec,
    UrlNotAllowed,
    WorkerLost,
)

logger = logging.getLogger("tiktok_analyzer.ingress")

RETRY_AFTER_S = 10
"""Seconds a client is asked to wait while no job is done yet, from whose time that could be told: about one video's
work on the embedded profile."""

UNEXPECTED_ACTION = "Report it, with this answer's header X-Request-ID: the server's log has the fault under that."

ANALYZE_ERRORS = (
    InvalidRequest,
    UnknownAnalyzer,
    RetiredAnalyzer,
    AnalyzerNotDeployed,
    IdempotencyConflict,
    PathNotAllowed,
    UrlNotAllowed,
    Forbidden,
    FileMissing,
    NotAVideo,
    TooLarge,
    TooLong,
    UnsupportedCodec,
    DecodeFailed,
    DownloadPrivate,
    DownloadDeleted,
    DownloadBlocked,
    DownloadFailed,
    Overloaded,
    Cancelled,
    RequestTimeout,
    DiskFull,
    WorkerLost,
    StoreUnavailable,
    InternalError,
)
"""What can become of a request for an analysis."""


def error_responses(*errors: type[AnalyzerSystemError]) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route for OpenAPI; errors of one status share an entry that names their codes. The entry
    for all others says the form, which is not that of FastAPI's own validation."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = by_status.setdefault(error.http_status, {"model": ErrorBody, "description": ""})
        entry["description"] += f"{', ' if entry['description'] else ''}`{error.code}`: {error.title}"
    if Overloaded in errors:
        wait = {"description": "Seconds after which to come again.", "schema": {"type": "integer", "minimum": 1}}
        by_status[Overloaded.http_status]["headers"] = {"Retry-After": wait}
    return by_status | {"default": {"model": ErrorBody, "description": "Every other error has this form too."}}


def install_error_handlers(app: FastAPI) -> None:
    """Gives every error of this application its documented form."""

    @app.exception_handler(AnalyzerSystemError)
    async def ours(request: Request, error: AnalyzerSystemError) -> JSONResponse:
        return _answer(error)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        return _answer(InvalidRequest(faults))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        names = {404: "not_found", 405: "method_not_allowed"}
        body = ErrorBody(
            code=names.get(error.status_code, "invalid_request"),
            error=str(error.detail),
            details=f"{request.method} {request.url.path}",
            retry_possible=False,
            suggested_action="/docs lists the routes.",
        )
        return JSONResponse(body.model_dump(), error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _answer(InternalError("an unexpected fault; the log has it", UNEXPECTED_ACTION))


def _answer(error: AnalyzerSystemError) -> JSONResponse:
    wait_s = (error.retry_after_s or RETRY_AFTER_S) if isinstance(error, Overloaded) else None
    headers = {"Retry-After": f"{wait_s:.0f}"} if wait_s else None
    return JSONResponse(error.body(error.job_id).model_dump(), error.http_status, headers=headers)
