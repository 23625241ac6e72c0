"""Hostile files: playlists in disguise, picture bombs, endless work; bounded in time and memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import av
import psutil
import pytest

import media.probe
from media.limits import MediaLimits
from media.probe import Prober, probe
from schema.errors import DecodeFailed, NotAVideo, RequestTimeout, TooLarge
from tests.child_processes import WAIT_S, Child, is_alive, run_python
from tests.decoded import EVERY, decode
from tests.made_media import make_video, mux_png, png_matroska, read_number, reference_movie, zero_png
from tests.made_site import wait_for
from tests.test_probe import LIMITS, STEADY, refused

ROOT = Path(__file__).resolve().parents[1]


def _scripts(secret: Path) -> dict[str, str]:
    return {
        "ffconcat": f"ffconcat version 1.0\nfile '{secret.name}'\n",
        "ffconcat with spaces": f"\n \tffconcat version 1.0\nfile '{secret}'\n",
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "hls with mark": f"\ufeff#EXTM3U\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "hls with http": "#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        "dash": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{secret}</BaseURL></MPD>',
        "asx": f'<asx version="3"><entry><ref href="file://{secret}"/></entry></asx>',
        "smil": f'<smil><body><video src="{secret}"/></body></smil>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "ffmetadata": ";FFMETADATA1\ntitle=x\n",
        "lavfi": "testsrc=size=64x64",
    }


@pytest.mark.parametrize(
    ("kind", "ending"),
    [(kind, "mp4") for kind in sorted(_scripts(Path("x")))]
    + [("hls", "m3u8"), ("ffconcat", "ffconcat"), ("sdp", "sdp")],
)
def test_playlists_and_scripts_open_nothing_else(tmp_path: Path, kind: str, ending: str) -> None:
    secret = make_video(tmp_path / "secret.ts", STEADY[:5])
    path = tmp_path / f"innocent.{ending}"
    path.write_text(_scripts(secret)[kind])
    refused(path, NotAVideo, "playlist or script|cannot be opened")


def test_quicktime_reference_movie_opens_nothing_else(tmp_path: Path) -> None:
    path = reference_movie(tmp_path / "ref.mov", make_video(tmp_path / "secret.mov", STEADY[:5]))
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as container:
        frames = [read_number(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert frames == [0, 1, 2, 3, 4]  # the reference does work where it is followed
    with pytest.raises(DecodeFailed, match="no picture"):
        decode(path, EVERY)


_MEASURE = """
import resource, sys, time
from pathlib import Path
from media.limits import MediaLimits
from media.probe import Prober, probe
from schema.errors import AnalyzerSystemError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    probe(Path(sys.argv[1]), MediaLimits())
    code = "accepted"
except AnalyzerSystemError as error:
    code = error.code
child = resource.getrusage(resource.RUSAGE_CHILDREN)
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(code, child.ru_maxrss // 1024, own // 1024, child.ru_utime + child.ru_stime)
"""


def measured(path: Path) -> tuple[str, int, int, float]:
    """(code, peak MB of the child, growth in MB of the parent, processor seconds of the child)."""
    code, child, own, cpu = run_python("-c", _MEASURE, str(path)).split()
    return code, int(child), int(own), float(cpu)


# FFmpeg itself refuses 16k x 16k; 14k x 14k is for our limit to refuse.
@pytest.mark.parametrize("side", [16_384, 14_000])
@pytest.mark.parametrize("header", [64, None])
@pytest.mark.parametrize("name", ["bomb.mov", "bomb.mkv", "bomb.avi"])
def test_a_picture_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, side: int, header: int | None, name: str
) -> None:
    size = (header or side, header or side)
    write = png_matroska if name.endswith("mkv") else mux_png
    path = write(tmp_path / name, size, [zero_png(side, side)] * 3)
    assert path.stat().st_size < 12_000_000
    code, child_mb, own_mb, cpu_s = measured(path)
    assert code == "too_large"
    assert child_mb < 200  # unpacked it takes 0.6 GB and more
    assert own_mb < 20
    assert cpu_s < 1.5


def test_an_endless_probe_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY[:3])
    stuck = "import time\ntime.sleep(60)\n"
    monkeypatch.setattr("media.probe.sys.executable", str(_fake_python(tmp_path, stuck)))
    started = time.monotonic()
    refused(path, RequestTimeout, "not probed within", MediaLimits(probe_timeout_s=0.1))
    assert time.monotonic() - started < 55


def _fake_python(folder: Path, code: str) -> Path:
    fake = folder / "python"
    fake.write_text(f"#!{sys.executable}\n{code}")
    fake.chmod(0o755)
    return fake


def test_processor_time_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY[:3])
    monkeypatch.setattr(media.probe, "BUSY_FACTOR", 1e4)
    refused(path, TooLarge, "processor time", MediaLimits(probe_timeout_s=0.01))


def test_memory_is_bounded(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY[:3])
    limits = json.dumps({**MediaLimits().model_dump(), "probe_memory_mb": 40})  # less than Python with PyAV takes
    command = [sys.executable, "-m", "media.probe_child", limits]
    child = subprocess.run(command, cwd=ROOT, input=json.dumps(str(path)).encode(), capture_output=True, timeout=WAIT_S)
    assert child.returncode != 0 or b"TooLarge" in child.stdout


def test_the_parent_stays_light() -> None:
    heavy = "import sys, media.probe; print([m for m in ('av', 'numpy', 'cv2') if m in sys.modules])"
    assert run_python("-c", heavy).strip() == "[]"


def test_the_child_imports_neither_numpy_nor_pydantic(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", STEADY[:3])
    code = (
        "import io, json, sys\n"
        "sys.argv, sys.stdin = ['probe_child', sys.argv[2]], io.StringIO(json.dumps(sys.argv[1]))\n"
        "from media.probe_child import main; main()\n"
        "print([m for m in ('numpy', 'cv2', 'pydantic') if m in sys.modules])"
    )
    limits = LIMITS.model_dump_json()
    facts, imported = run_python("-c", code, str(path), limits).strip().splitlines()
    assert json.loads(facts)["width"] == 96
    assert imported == "[]"


def test_this_process_keeps_its_limits(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    probe(make_video(tmp_path / "a.mp4", STEADY[:3]), LIMITS)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def _children() -> dict[int, psutil.Process]:
    return {child.pid: child for child in psutil.Process().children() if is_alive(child)}


def test_one_child_waits_ready_and_each_file_gets_its_own(tmp_path: Path) -> None:
    path, before = make_video(tmp_path / "a.mp4", STEADY[:3]), set(_children())
    prober = Prober(LIMITS)
    try:
        waited = []
        for _ in range(3):
            [child] = set(_children()) - before
            waited.append(child)
            assert prober(path) == probe(path, LIMITS)
        assert len(set(waited)) == 3
    finally:
        prober.close()
    assert set(_children()) == before


def test_a_file_that_ends_its_child_leaves_the_next_one_whole(tmp_path: Path) -> None:
    good, bad = make_video(tmp_path / "a.mp4", STEADY[:3]), tmp_path / "b.mp4"
    bad.write_bytes(b"no video" * 100)
    prober = Prober(LIMITS)
    try:
        with pytest.raises(NotAVideo):
            prober(bad)
        assert prober(good).width == 96
    finally:
        prober.close()
    assert prober(good).width == 96  # starts what it needs
    prober.close()


def test_a_waiting_child_that_was_killed_costs_nothing(tmp_path: Path) -> None:
    path, before = make_video(tmp_path / "a.mp4", STEADY[:3]), set(_children())
    prober = Prober(LIMITS)
    try:
        [child] = [process for pid, process in _children().items() if pid not in before]
        child.kill()
        assert wait_for(lambda: not is_alive(child))
        assert prober(path).width == 96
    finally:
        prober.close()


def test_the_waiting_child_ends_with_its_parent() -> None:
    code = (
        "import os, psutil\nfrom media.limits import MediaLimits\nfrom media.probe import Prober\n"
        "prober = Prober(MediaLimits())\n"
        "print(psutil.Process().children()[0].pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    with Child("-c", code, talks=True) as parent:
        waiting = int(parent.line())
        parent.wait()
        assert wait_for(lambda: not psutil.pid_exists(waiting) or not is_alive(psutil.Process(waiting)))
