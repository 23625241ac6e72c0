"""URLs on the command line, in this process."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

import cli
from deployments.settings import GraphArgs
from media.fetch import FetchPolicy
from ops.local import LocalRunner
from ops.render import post_line
from ops.urls import analyze_url, is_url
from schema.document import PostCounts, PostFacts, PostSound
from schema.errors import NotAVideo
from tests.made_media import make_video
from tests.made_site import running_site, serve

RUN = ("color_analysis",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://www.tiktok.com/@a/video/1", True),
        ("HTTP://a.example/x.mp4", True),
        ("clip.mp4", False),
        ("/videos/http/clip.mp4", False),
        ("file:///etc/passwd", False),
    ],
)
def test_urls_are_told_from_files(text: str, expected: bool) -> None:
    assert is_url(text) is expected


def test_a_url_is_analysed_here_and_its_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    clip = make_video(tmp_path / "clip.mp4", [0.0, 0.1, 0.2]).read_bytes()
    runner = LocalRunner(GraphArgs(analyzers=RUN))
    with running_site({"/a/clip.mp4": serve(clip), "/text.mp4": serve(b"text " * 99, "video/mp4")}) as site:
        policy = FetchPolicy(test_hosts=(site.host,), socket_timeout_s=60.0)
        document = analyze_url(runner, site.url("/a/clip.mp4"), policy, RUN, lambda progress: None)
        with pytest.raises(NotAVideo):
            analyze_url(runner, site.url("/text.mp4"), policy, RUN, lambda progress: None)
    assert (document.source.kind, document.source.name) == ("url", "clip.mp4")
    assert document.source.url == site.url("/a/clip.mp4")
    assert document.source.size_bytes == len(clip)
    assert document.source.post is not None
    assert document.sections["color_analysis"].status == "ok"
    assert list((tmp_path / "scratch").glob("analyze-url-*")) == []


def test_a_host_that_is_not_listed_is_told_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        cli.main(["analyze", "http://a.example/x.mp4", "--local", "--analyzers", "color_analysis"]) == cli.EXIT_REFUSED
    )
    error = capsys.readouterr().err
    assert "a.example" in error
    assert "tiktok.com" in error


def test_the_line_about_a_post_says_only_what_is_known() -> None:
    post = PostFacts(
        extractor="TikTok",
        author="dancer",
        caption="First\nsteps  #dance",
        sound=PostSound(title="original sound"),
        counts=PostCounts(views=1200, saves=0),
        uploaded_at=datetime(2022, 6, 9, tzinfo=timezone.utc),
    )
    expected = "@dancer · 2022-06-09 · 1,200 views · 0 saves · sound: original sound · First steps #dance"
    assert post_line(post) == expected
    assert post_line(PostFacts(extractor="Generic", page_url="http://a.example/x.mp4")) == "from http://a.example/x.mp4"
    assert post_line(PostFacts(extractor="Generic")) == "from Generic"
