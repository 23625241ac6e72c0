"""Only files below the roots are found, whatever the path looks like."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from media.source import locate, sha256_of
from schema.errors import AnalyzerSystemError, FileMissing, InvalidRequest, NotAVideo, PathNotAllowed


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
    (tmp_path / "two" / "sub" / "clip.mp4").write_bytes(b"x")
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (tmp_path / "one" / "out.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "one" / "across.mp4").symlink_to(tmp_path / "two" / "sub" / "clip.mp4")
    (tmp_path / "one" / "loop.mp4").symlink_to(tmp_path / "one" / "loop.mp4")
    return tmp_path / "one", tmp_path / "two"


def test_absolute_relative_and_linked_paths(roots: tuple[Path, Path]) -> None:
    clip = roots[1] / "sub" / "clip.mp4"
    assert locate(str(clip), roots) == clip
    assert locate("sub/clip.mp4", roots) == clip
    assert locate("across.mp4", roots) == clip  # a link from one root into another


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("../secret.mp4", PathNotAllowed),
        ("sub/../../secret.mp4", PathNotAllowed),
        ("out.mp4", PathNotAllowed),
        ("/etc/passwd", PathNotAllowed),
        ("/no/such/thing", PathNotAllowed),
        ("nothing.mp4", FileMissing),
        ("sub", NotAVideo),
        (".", NotAVideo),
        ("a\0b", InvalidRequest),
        ("x" * 5000, InvalidRequest),
    ],
)
def test_what_is_refused(roots: tuple[Path, Path], path: str, error: type[AnalyzerSystemError]) -> None:
    with pytest.raises(error):
        locate(path, roots)


def test_a_link_to_itself_is_refused(roots: tuple[Path, Path]) -> None:
    with pytest.raises(AnalyzerSystemError):
        locate("loop.mp4", roots)


def test_a_root_with_the_same_prefix_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos-private").mkdir()
    (tmp_path / "videos-private" / "clip.mp4").write_bytes(b"x")
    with pytest.raises(PathNotAllowed):
        locate("../videos-private/clip.mp4", [tmp_path / "videos"])


def test_hash(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000  # more than one block
    (tmp_path / "x").write_bytes(content)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(content).hexdigest()
