"""The error tree. Each class carries its stable code and HTTP status; the text is for the client, not for the log.

Every error survives pickling (Ray sends them between processes): all constructor arguments reach ``Exception``.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import ValidationError

from schema.base import SpokenModel


class ErrorBody(SpokenModel):
    """What a client gets for every error, whatever its cause."""

    status: str = "error"
    code: str
    """Stable and listed in the documentation; programs branch on this, not on the text."""
    error: str
    """Short text."""
    details: str
    """What was found, and what is allowed."""
    retry_possible: bool
    suggested_action: str
    id: str | None = None
    """The request's job id, once it has one."""


class AnalyzerSystemError(Exception):
    """Root of every error this system raises on purpose.

    Args:
        details: What was found, and what is allowed. Shown to the client.
        action: Remedy; the class's own when left out.
    """

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retry_possible: ClassVar[bool] = False
    default_action: ClassVar[str] = "Look at the server's log for this id; report it if it happens again."
    job_id: str | None = None
    """Set once the request has a job, so that the client can name it."""

    def __init__(self, details: str, action: str | None = None) -> None:
        super().__init__(details, action)
        self.details = details
        self.action = action or self.default_action

    def __str__(self) -> str:
        return self.details

    def body(self, request_id: str | None = None) -> ErrorBody:
        """The client's view of this error."""
        return ErrorBody(
            code=self.code,
            error=self.title,
            details=self.details,
            retry_possible=self.retry_possible,
            suggested_action=self.action,
            id=request_id,
        )


class InvalidRequest(AnalyzerSystemError):
    """The request does not have the documented form."""

    code, http_status, title = "invalid_request", 422, "The request is not valid"
    default_action = "Compare the request with /docs and send it again."


class UnknownAnalyzer(AnalyzerSystemError):
    """An analyzer was asked for that does not exist."""

    code, http_status, title = "unknown_analyzer", 422, "Unknown analyzer"
    default_action = "GET /analyzers lists the names."


class RetiredAnalyzer(AnalyzerSystemError):
    """An analyzer was asked for that earlier systems had and this one replaced."""

    code, http_status, title = "retired_analyzer", 422, "Retired analyzer"
    default_action = "Ask for its replacement; GET /analyzers lists the names."


class AnalyzerNotDeployed(AnalyzerSystemError):
    """An analyzer was asked for that exists and is not part of this application."""

    code, http_status, title = "analyzer_not_deployed", 422, "Analyzer not deployed"
    default_action = "Add it to args.analyzers in the Serve yaml; GET /analyzers lists those that are deployed."


class PathNotAllowed(AnalyzerSystemError):
    """The path lies outside the configured roots, also after links are resolved."""

    code, http_status, title = "path_not_allowed", 403, "Path not allowed"
    default_action = "Put the video below one of the configured roots, or upload it."


class FileMissing(AnalyzerSystemError):
    """There is no such file."""

    code, http_status, title = "file_not_found", 404, "File not found"
    default_action = "Check the path on the server; paths are resolved there, not on the client."


class NotAVideo(AnalyzerSystemError):
    """The bytes are no video or sound that may be opened."""

    code, http_status, title = "not_a_video", 422, "Not a video"
    default_action = "Send a video or sound file, for instance MP4, MOV, WebM, MKV, GIF, MP3 or WAV."


class TooLarge(AnalyzerSystemError):
    """Bytes, pixels or streams over the limit."""

    code, http_status, title = "too_large", 413, "Too large"
    default_action = "Send a smaller file or picture size; the limits are in serve_config.yaml."


class TooLong(AnalyzerSystemError):
    """The video lasts longer than the limit."""

    code, http_status, title = "too_long", 422, "Too long"
    default_action = "Cut the video; the limit is in serve_config.yaml."


class UnsupportedCodec(AnalyzerSystemError):
    """The container opens, but no decoder here reads its streams."""

    code, http_status, title = "unsupported_codec", 415, "Unsupported codec"
    default_action = "Re-encode the video as H.264 with AAC."


class Overloaded(AnalyzerSystemError):
    """As many jobs as allowed wait already."""

    code, http_status, title, retry_possible = "overloaded", 429, "Too many jobs wait", True
    default_action = "Try again after the seconds named in Retry-After."
    retry_after_s: float | None = None
    """Set where it is known how long a place takes to become free."""


class NotFound(AnalyzerSystemError):
    """No job or document has this id."""

    code, http_status, title = "not_found", 404, "Not found"
    default_action = "Check the id; documents live as long as the data folder keeps them."


class RequestTimeout(AnalyzerSystemError):
    """The work did not end within its time."""

    code, http_status, title, retry_possible = "timeout", 504, "Out of time", True
    default_action = "Try again when the server is less busy, or raise the deadline in the configuration."


class Cancelled(AnalyzerSystemError):
    """The client went away or asked to stop."""

    code, http_status, title, retry_possible = "cancelled", 499, "Cancelled", True
    default_action = "Send the request again."


class UrlNotAllowed(AnalyzerSystemError):
    """The address, or one that it redirects to, is not http(s), not of an allowed host, or not public."""

    code, http_status, title = "url_not_allowed", 403, "Address not allowed"
    default_action = "Send the address of a video on an allowed host; fetch.allowed_hosts in the yaml lists them."


class DownloadPrivate(AnalyzerSystemError):
    """The site shows the video only to accounts that may see it."""

    code, http_status, title = "download_private", 403, "The video is private"
    default_action = "Ask its owner to publish it, or upload the file; fetch.cookies_file holds an account's cookies."


class DownloadDeleted(AnalyzerSystemError):
    """The site has no such video, or no longer."""

    code, http_status, title = "download_deleted", 404, "The video is not available"
    default_action = "Open the address in a browser; if it plays there, upload the file."


class DownloadBlocked(AnalyzerSystemError):
    """The site refuses this server: its address, its country, or what it takes for a robot."""

    code, http_status, title = "download_blocked", 502, "The site refuses the download"
    default_action = "Upload the file, or set fetch.proxy or fetch.cookies_file in the yaml."


class DownloadFailed(AnalyzerSystemError):
    """The download did not come to its end; the next one may."""

    code, http_status, title, retry_possible = "download_failed", 502, "The download failed", True
    default_action = "Try again later, or upload the file."


class Unauthorized(AnalyzerSystemError):
    """No token, or one that is not valid."""

    code, http_status, title = "unauthorized", 401, "A valid token is needed"
    default_action = "Send the header Authorization: Bearer TOKEN; `tiktok-analyzer tokens add` makes a token."


class Forbidden(AnalyzerSystemError):
    """The token is valid, yet its role is not enough."""

    code, http_status, title = "forbidden", 403, "The token's role is not enough"
    default_action = "Use a token of a higher role; the roles are read, submit and admin."


class DecodeFailed(AnalyzerSystemError):
    """The container opened, yet not one frame or sample came out."""

    code, http_status, title = "decode_failed", 422, "The video could not be decoded"
    default_action = "Play the file to the end in a video player; export it again if that fails too."


class IdempotencyConflict(AnalyzerSystemError):
    """The Idempotency-Key was used before, for another request."""

    code, http_status, title = "idempotency_conflict", 422, "The idempotency key stands for another request"
    default_action = "Use a new Idempotency-Key for a new request; send the old request unchanged to get its job."


class WorkerLost(AnalyzerSystemError):
    """Every worker that took the job up has died."""

    code, http_status, title = "worker_lost", 500, "The work on this video ended its process each time"
    default_action = "Play the file in a video player and export it again; report it if the file is sound."


class StoreUnavailable(AnalyzerSystemError):
    """The job store's database cannot be reached."""

    code, http_status, title, retry_possible = "store_unavailable", 503, "The job store cannot be reached", True
    default_action = "Try again; if it stays, look at the database that jobs.store_url names."


class DiskFull(AnalyzerSystemError):
    """The disk of the data folder has no room for new work."""

    code, http_status, title, retry_possible = "disk_full", 507, "The disk is full", True
    default_action = "Free space on the server (`tiktok-analyzer cleanup --days N` does) and send the request again."


class InternalError(AnalyzerSystemError):
    """A fault of ours. The details never hold a stack trace; the log does."""


ALL_ERRORS: tuple[type[AnalyzerSystemError], ...] = (
    InvalidRequest,
    UnknownAnalyzer,
    RetiredAnalyzer,
    AnalyzerNotDeployed,
    PathNotAllowed,
    FileMissing,
    NotAVideo,
    TooLarge,
    TooLong,
    UnsupportedCodec,
    Overloaded,
    NotFound,
    RequestTimeout,
    Cancelled,
    DecodeFailed,
    IdempotencyConflict,
    WorkerLost,
    StoreUnavailable,
    DiskFull,
    UrlNotAllowed,
    DownloadPrivate,
    DownloadDeleted,
    DownloadBlocked,
    DownloadFailed,
    Unauthorized,
    Forbidden,
    InternalError,
)
"""Every error that can reach a client; the documentation and the contract tests run over it."""


def error_from(body: ErrorBody) -> AnalyzerSystemError:
    """The error that a stored body was made of."""
    kind = next((kind for kind in ALL_ERRORS if kind.code == body.code), InternalError)
    error = kind(body.details, body.suggested_action)
    error.job_id = body.id
    return error


def validation_text(error: ValidationError) -> str:
    """All faults of a request or of settings in one line: where, what, what it got."""
    faults = []
    for fault in error.errors(include_url=False, include_context=False):
        place = ".".join(map(str, fault["loc"])) or "body"
        faults.append(f"{place}: {fault['msg']} (got {str(fault['input'])[:80]!r})")
    return "; ".join(faults)
