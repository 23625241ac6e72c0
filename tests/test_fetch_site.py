"""What yt-dlp's TikTok extractor says, as our errors and as facts about the post; raised and made by its own code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yt_dlp.networking.exceptions import CertificateVerifyError, IncompleteRead, ProxyError, TransportError
from yt_dlp.utils import (
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    UnsupportedError,
    UserNotLive,
    YoutubeDLError,
)

from media.fetch import site as fetch_site
from media.fetch.guard import Guard
from media.fetch.outcomes import Outcome, outcome_of, retry_after_s
from media.fetch.policy import FetchPolicy
from media.fetch.post import hashtags_in, post_facts
from schema.document import PostCounts, PostFacts, PostSound
from schema.errors import (
    AnalyzerSystemError,
    DownloadBlocked,
    DownloadDeleted,
    DownloadFailed,
    DownloadPrivate,
    NotAVideo,
    TooLarge,
    TooLong,
    UrlNotAllowed,
)
from tests.made_site import Canned, canned_ydl, tiktok_page

PAGE = "https://www.tiktok.com/@dancer/video/7106594312292453675"
FILE = "https://v16-webapp-prime.tiktok.com/video/tos/abc/?mime_type=video_mp4"
POLICY = FetchPolicy()

ITEM: dict[str, Any] = {
    "id": "7106594312292453675",
    "desc": "First steps 💃 #dance #DanceChallenge #हिंदी_गीत #dance",
    "createTime": "1654805899",
    "author": {"id": "6582536342634676230", "uniqueId": "dancer", "nickname": "The Dancer", "secUid": "MS4wLjAB"},
    "music": {"id": "1", "title": "original sound", "authorName": "The Dancer, A Band & Another", "duration": 20},
    "stats": {"playCount": 1200, "diggCount": 34, "commentCount": 5, "shareCount": 6, "collectCount": 0},
    "video": {"width": 576, "height": 1024, "duration": 12, "playAddr": FILE},
}
"""A post in the form that TikTok's page holds it; the names are the page's."""


def loaded(
    answers: Mapping[str, Canned], folder: Path, monkeypatch: pytest.MonkeyPatch, url: str = PAGE
) -> tuple[Path, str, PostFacts]:
    monkeypatch.setattr(fetch_site, "GuardedYoutubeDL", canned_ydl(answers))
    guard = Guard(POLICY.rules, POLICY.max_bytes, folder.resolve())
    return fetch_site.load(url, folder.resolve(), POLICY, guard, None)


def detail(**fields: Any) -> dict[str, Canned]:
    return {PAGE: Canned(tiktok_page(fields)), FILE: Canned(b"\0" * 1000, "video/mp4")}


def test_a_post_with_all_that_comes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, name, post = loaded(detail(statusCode=0, itemInfo={"itemStruct": ITEM}), tmp_path, monkeypatch)
    assert path.read_bytes() == b"\0" * 1000
    assert name == "7106594312292453675.mp4"
    assert post == PostFacts(
        extractor="TikTok",
        id="7106594312292453675",
        page_url=PAGE,
        author="dancer",
        author_name="The Dancer",
        author_id="6582536342634676230",
        caption="First steps 💃 #dance #DanceChallenge #हिंदी_गीत #dance",
        hashtags=("dance", "DanceChallenge", "हिंदी_गीत"),
        sound=PostSound(title="original sound", artists=("The Dancer", "A Band", "Another")),
        counts=PostCounts(views=1200, likes=34, comments=5, shares=6, saves=0),
        uploaded_at=datetime(2022, 6, 9, 20, 18, 19, tzinfo=timezone.utc),
        declared_duration_s=12.0,
    )


def test_a_post_that_says_little_leaves_nulls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = {"desc": "", "video": {"playAddr": FILE}}
    _, _, post = loaded(detail(statusCode=0, itemInfo={"itemStruct": bare}), tmp_path, monkeypatch)
    assert post == PostFacts(extractor="TikTok", id="7106594312292453675", page_url=PAGE)


def test_a_short_link_leads_to_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = "https://vm.tiktok.com/ZTR45GpSF"
    answers = {**detail(statusCode=0, itemInfo={"itemStruct": ITEM}), short: Canned(url=PAGE)}
    _, _, post = loaded(answers, tmp_path, monkeypatch, short)
    assert (post.extractor, post.page_url) == ("TikTok", PAGE)


def outcome(answers: Mapping[str, Canned], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    with pytest.raises(YoutubeDLError) as caught:
        loaded(answers, folder, monkeypatch)
    return outcome_of(caught.value)


LOGIN = Canned(b"<!DOCTYPE html><html></html>", url="https://www.tiktok.com/login")


@pytest.mark.parametrize(
    ("answers", "kind", "again", "said"),
    [
        (detail(statusCode=10216), DownloadPrivate, False, "do not have permission to view this post"),
        (detail(statusCode=10222), DownloadPrivate, False, "do not have permission to view this post"),
        ({PAGE: LOGIN}, DownloadPrivate, False, "requiring login"),
        (
            detail(statusCode=0, itemInfo={"itemStruct": {"id": "1", "isContentClassified": True}}),
            DownloadPrivate,
            False,
            "may not be comfortable for some audiences",
        ),
        (detail(statusCode=10204), DownloadBlocked, False, "IP address is blocked"),
        (detail(statusCode=10231), DownloadDeleted, False, "Video not available, status code 10231"),
        (detail(statusCode=100004), DownloadDeleted, False, "status code 100004"),
        (detail(statusCode=0), DownloadBlocked, True, "status code 0"),
        ({PAGE: Canned(b"<html>Please wait...</html>")}, DownloadBlocked, True, "challenge data"),
        ({PAGE: Canned(b"<html>Hello</html>")}, DownloadBlocked, True, "Unexpected response from webpage"),
        ({}, DownloadDeleted, False, "404"),
        ({PAGE: Canned(status=403)}, DownloadBlocked, False, "403"),
        ({PAGE: Canned(status=429, headers={"Retry-After": "7"})}, DownloadFailed, True, "wait 7 s"),
        ({PAGE: Canned(status=502)}, DownloadFailed, True, "502"),
        (
            {**detail(statusCode=0, itemInfo={"itemStruct": ITEM}), FILE: Canned(status=403)},
            DownloadBlocked,
            False,
            "403",
        ),
        (
            detail(statusCode=0, itemInfo={"itemStruct": {**ITEM, "video": {}}}),
            NotAVideo,
            False,
            "No video formats found",
        ),
    ],
)
def test_what_tiktok_answers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: Mapping[str, Canned],
    kind: type[AnalyzerSystemError],
    again: bool,
    said: str,
) -> None:
    found = outcome(answers, tmp_path, monkeypatch)
    assert (type(found.error), found.again) == (kind, again), found.error
    assert said in str(found.error)
    assert "yt-dlp" not in str(found.error)
    assert found.retry_after_s == (7.0 if "wait 7" in said else None)


def test_too_long_and_too_large_by_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = {**ITEM, "video": {**ITEM["video"], "duration": 301}}
    with pytest.raises(TooLong, match="301 s; allowed are 300 s"):
        loaded(detail(statusCode=0, itemInfo={"itemStruct": long}), tmp_path, monkeypatch)
    place = {"PlayAddr": {"UrlList": [FILE], "DataSize": "500000001", "UrlKey": "v_h264_540p_1"}}
    large = {**ITEM, "video": {"bitrateInfo": [place]}}
    with pytest.raises(TooLarge, match="500000001 bytes"):
        loaded(detail(statusCode=0, itemInfo={"itemStruct": large}), tmp_path, monkeypatch)
    assert not list(tmp_path.iterdir())


def raised(make: Callable[[], BaseException]) -> BaseException:
    """The exception as ``YoutubeDL`` hands it on: a ``DownloadError`` with what was raised inside."""
    try:
        raise make()
    except BaseException as error:  # noqa: BLE001 - whatever the case makes
        wrapped: BaseException = DownloadError(f"ERROR: {error}", sys.exc_info())
        return wrapped


@pytest.mark.parametrize(
    ("make", "kind", "again"),
    [
        (lambda: GeoRestrictedError("not here", countries=["DE"]), DownloadBlocked, False),
        (lambda: UnsupportedError("https://a.example/"), NotAVideo, False),
        (lambda: UserNotLive(video_id="x"), TooLong, False),
        (lambda: ExtractorError("This video is private", expected=True), DownloadPrivate, False),
        (lambda: ExtractorError("Video unavailable. It has been removed by the uploader"), DownloadDeleted, False),
        (lambda: ExtractorError("Sign in to confirm you're not a bot"), DownloadBlocked, False),
        (lambda: ExtractorError("Unable to parse x"), DownloadFailed, False),
        (lambda: ExtractorError("no page", cause=TransportError("timed out"), expected=True), DownloadFailed, True),
        (lambda: IncompleteRead(partial=3, expected=5), DownloadFailed, True),
        (lambda: CertificateVerifyError("expired"), DownloadFailed, False),
        (lambda: ProxyError("refused"), DownloadFailed, False),
        (lambda: KeyError("title"), DownloadFailed, False),
    ],
)
def test_what_other_sites_answer(
    make: Callable[[], BaseException], kind: type[AnalyzerSystemError], again: bool
) -> None:
    found = outcome_of(raised(make))
    assert (type(found.error), found.again) == (kind, again)
    assert str(found.error)
    assert "please report this issue" not in str(found.error)


def test_an_url_that_nothing_handles() -> None:
    assert type(outcome_of(YoutubeDLError('Unsupported url scheme: "file"')).error) is UrlNotAllowed


# RFC 9110, section 10.2.3 gives the two forms; the date is the one of its section 5.6.7.
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0),
        ("Sun, 06 Nov 1994 08:48:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    now_s = datetime(1994, 11, 6, 8, 49, 0, tzinfo=timezone.utc).timestamp()
    assert retry_after_s(value, now_s) == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("#fyp #für_dich", ["fyp", "für_dich"]),
        ("a#b c #d", ["d"]),
        ("#one#two", ["one"]),
        ("#", []),
        ("# x", []),
        ("#日本語 #العربية #हिन्दी", ["日本語", "العربية", "हिन्दी"]),
        ("#fun🎉 #100", ["fun", "100"]),
        ("no tags & none #, here", []),
    ],
)
def test_hashtags(caption: str, expected: list[str]) -> None:
    assert hashtags_in(caption) == expected


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [
    "id",
    "extractor_key",
    "webpage_url",
    "uploader",
    "channel",
    "uploader_id",
    "description",
    "tags",
    "track",
    "artists",
    "artist",
    "album",
    "view_count",
    "like_count",
    "comment_count",
    "repost_count",
    "save_count",
    "timestamp",
    "duration",
]


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON_VALUES)))
def test_whatever_a_site_says_becomes_facts_that_json_holds(info: dict[str, Any]) -> None:
    facts = post_facts(info)
    assert PostFacts.model_validate(json.loads(json.dumps(facts.model_dump(mode="json")))) == facts


def test_texts_and_lists_are_bounded() -> None:
    facts = post_facts({"description": "x" * 100_000 + "\0", "tags": [f"t{i}" for i in range(1000)], "like_count": -1})
    assert (len(facts.caption or ""), len(facts.hashtags), facts.counts) == (5000, 100, None)


def test_names_of_files_are_harmless() -> None:
    assert fetch_site.name_of({"id": "../../x\0", "ext": "sh;rm"}) == "_x_.sh_rm"
    assert fetch_site.name_of({}) == "video.mp4"
