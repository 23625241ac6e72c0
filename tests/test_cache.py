"""The section cache: what is found again, what goes first, and what damage and competition do to it."""

from __future__ import annotations

import logging
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.cache import CacheSettings, CacheState, SectionCache
from tests.child_processes import Child
from tests.made_sections import cache_of, database_of, size_of, stored

ROOT = Path(__file__).resolve().parents[1]


def present(cache: SectionCache, path: Path) -> set[str]:
    """The keys there are, without using them."""
    if cache.is_empty():
        return set()
    database = sqlite3.connect(database_of(path))
    rows = database.execute("SELECT key FROM sections").fetchall()
    database.close()
    return {key for (key,) in rows}


def test_what_is_put_is_found_again_as_it_was(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    assert cache.is_empty()
    assert cache.get(["a"]) == {}
    cache.put({"a": stored(1), "b": stored(2)})
    assert not cache.is_empty()
    assert cache.get(["a", "b", "c", "a"]) == {"a": stored(1), "b": stored(2)}
    assert cache_of(tmp_path).get(["b"]) == {"b": stored(2)}
    cache.put({"a": stored(3)})
    assert cache.get(["a"]) == {"a": stored(3)}
    assert cache.state() == CacheState(2, size_of(stored(3)) + size_of(stored(2)), 0)
    cache.drop(["a", "x"])
    assert cache.get(["a", "b"]) == {"b": stored(2)}


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    sections = {name: stored(i) for i, name in enumerate("abcd")}
    cache = cache_of(tmp_path, sum(size_of(sections[n]) for n in "abc"))
    for name in "abc":
        cache.put({name: sections[name]})
    assert present(cache, tmp_path) == set("abc")
    cache.get(["a"])
    cache.put({"d": stored(3)})
    assert present(cache, tmp_path) == set("acd")


def test_a_section_larger_than_the_cache_is_left_out(tmp_path: Path) -> None:
    small, large = stored(1), stored(2, 5000)
    cache = cache_of(tmp_path, size_of(small))
    cache.put({"small": small})
    cache.put({"large": large})
    assert present(cache, tmp_path) == {"small"}


def test_kept_sections_stay_and_the_others_have_their_share(tmp_path: Path) -> None:
    sections = [stored(i) for i in range(8)]
    room = max(map(size_of, sections))
    cache = cache_of(tmp_path, 4 * room)
    for i in range(3):
        cache.put({f"kept{i}": sections[i]}, keep=True)
    for i in range(3, 8):
        cache.put({f"other{i}": sections[i]})
    assert present(cache, tmp_path) >= {"kept0", "kept1"}
    assert "kept2" not in present(cache, tmp_path)  # half of the cache was kept already
    assert {"other6", "other7"} <= present(cache, tmp_path)


def test_keep_is_taken_over_by_a_use_and_not_lost_by_another(tmp_path: Path) -> None:
    cache = cache_of(tmp_path, 3 * size_of(stored(0)) + 20)
    cache.put({"a": stored(0)})
    cache.get(["a"], keep=True)
    cache.get(["a"])
    cache.put({"a": stored(0)})
    for i in range(1, 6):
        cache.put({f"b{i}": stored(i)})
    assert "a" in present(cache, tmp_path)
    assert cache.state().kept_bytes == size_of(stored(0))


def test_what_is_unused_for_long_is_forgotten_unless_kept(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    cache.put({"old": stored(1)})
    cache.put({"kept": stored(2)}, keep=True)
    border = time.time() + 0.001
    while time.time() <= border:
        pass
    cache.put({"new": stored(3)})
    assert cache.unused_since(border) == CacheState(1, size_of(stored(1)), 0)
    assert present(cache, tmp_path) == {"old", "kept", "new"}
    assert cache.forget_unused(border).sections == 1
    assert present(cache, tmp_path) == {"kept", "new"}
    assert cache.forget_unused(border) == CacheState(0, 0, 0)


@pytest.mark.parametrize("column", ["payload", "digest"])
def test_a_damaged_entry_is_dropped_and_the_others_stay(
    tmp_path: Path, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_of(tmp_path)
    cache.put({"a": stored(1), "b": stored(2)})
    database = sqlite3.connect(database_of(tmp_path))
    (value,) = database.execute(f"SELECT {column} FROM sections WHERE key = 'a'").fetchone()
    turned = bytes([value[0], value[1] ^ 0x10, *value[2:]])
    database.execute(f"UPDATE sections SET {column} = ? WHERE key = 'a'", (turned,))
    database.commit()
    database.close()
    assert cache.get(["a", "b"]) == {"b": stored(2)}
    assert present(cache, tmp_path) == {"b"}
    assert "damaged entry" in caplog.text
    cache.put({"a": stored(1)})
    assert cache.get(["a"]) == {"a": stored(1)}


def test_an_entry_of_another_form_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib
    import zlib

    cache = cache_of(tmp_path)
    with monkeypatch.context() as patch:
        payload = zlib.compress(b'{"section": {"verdict": "of version 0"}}')
        patch.setattr("jobs.cache._packed", lambda stored: (payload, hashlib.sha256(payload).digest()))
        cache.put({"a": stored(1)})
    assert present(cache, tmp_path) == {"a"}
    assert cache.get(["a"]) == {}
    assert present(cache, tmp_path) == set()


@pytest.mark.parametrize("damage", ["noise", "cut", "emptied"])
def test_a_damaged_file_costs_what_it_held_and_no_more(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_of(tmp_path)
    cache.put({f"k{i}": stored(i, 4000) for i in range(20)})
    file = database_of(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(
        {"noise": random.Random(0).randbytes(len(whole)), "cut": whole[: len(whole) // 2], "emptied": b""}[damage]
    )
    with caplog.at_level(logging.WARNING):
        found = cache.get([f"k{i}" for i in range(20)])
        assert all(section == stored(int(key[1:]), 4000) for key, section in found.items())
        cache.put({"new": stored(99)})
        cache.put({"new": stored(99)})
    assert cache.get(["new"]) == {"new": stored(99)}
    if damage != "emptied":
        assert "starts anew" in caplog.text


def test_a_folder_that_cannot_be_written_costs_no_analysis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = cache_of(tmp_path)
    assert cache.is_empty()
    cache.put({"a": stored(1)})
    assert cache.get(["a"]) == {}
    assert "could not be written" in caplog.text


def test_a_writer_that_does_not_come_to_an_end_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = SectionCache(tmp_path, CacheSettings(busy_timeout_s=0.05))
    cache.put({"a": stored(1)})
    other = sqlite3.connect(database_of(tmp_path), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert cache.get(["a"]) == {}
    cache.put({"b": stored(2)})
    other.execute("ROLLBACK")
    other.close()
    assert "could not be read: database is locked" in caplog.text
    assert cache.get(["a", "b"]) == {"a": stored(1)}


WRITER = """
import sys
from pathlib import Path
from tests.made_sections import cache_of, stored
path, me, budget = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cache = cache_of(path, budget)
for turn in range(25):
    keys = {f"k{(7 * turn + me + step) % 30}": stored((7 * turn + me + step) % 30, 2000) for step in range(3)}
    cache.put(keys)
    found = cache.get([f"k{i}" for i in range(30)])
    assert found, "the own entries at least were there"
    for key, section in found.items():
        assert section == stored(int(key[1:]), 2000), key
    assert cache.state().bytes <= budget
"""


def test_processes_write_at_once_and_nobody_reads_anything_half(tmp_path: Path) -> None:
    budget = 12 * max(size_of(stored(i, 2000)) for i in range(30))
    with ExitStack() as together:
        arguments = ("-W", "error", "-c", WRITER, str(tmp_path))
        writers = [together.enter_context(Child(*arguments, str(number), str(budget))) for number in range(4)]
        ended = [(writer.wait(), writer.errors()) for writer in writers]
    assert ended == [(0, "")] * 4  # no warning either: every write came through
    database = sqlite3.connect(database_of(tmp_path))
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    state = cache_of(tmp_path, budget).state()
    assert 0 < state.bytes <= budget
    assert state.sections >= 11


ENDLESS_WRITER = """
import itertools, sys
from pathlib import Path
from tests.made_sections import cache_of, stored
cache = cache_of(Path(sys.argv[1]), 40_000)
sections = [stored(i, 2000) for i in range(30)]
for turn in itertools.count():
    cache.put({f"k{(turn + step) % 30}": sections[(turn + step) % 30] for step in range(5)})
    print("written", flush=True)
"""


def test_a_writer_that_is_killed_leaves_a_sound_file(tmp_path: Path) -> None:
    delays = random.Random(0)
    for _ in range(4):
        with Child("-c", ENDLESS_WRITER, str(tmp_path), talks=True) as writer:
            assert writer.line() == "written"
            time.sleep(delays.uniform(0.01, 0.08))
    cache = cache_of(tmp_path, 40_000)
    found = cache.get([f"k{i}" for i in range(30)])
    assert found
    assert all(section == stored(int(key[1:]), 2000) for key, section in found.items())
    assert cache.state().bytes <= 40_000
    database = sqlite3.connect(database_of(tmp_path))
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


KEYS = st.sampled_from("abcdef")
LENGTHS = st.dictionaries(KEYS, st.integers(0, 400), min_size=1, max_size=3)
CALLS = st.lists(st.tuples(st.sampled_from(["put", "get"]), LENGTHS, st.booleans()), max_size=12)


class Model:
    """The same in the plainest way: a list of [key, size, kept] in order of use."""

    def __init__(self, max_bytes: int, max_kept: int) -> None:
        self.max_bytes, self.max_kept = max_bytes, max_kept
        self.entries: list[tuple[str, int, bool]] = []

    def put(self, items: Iterable[tuple[str, int]], keep: bool) -> None:
        fitting = [(key, size) for key, size in items if size <= self.max_bytes]
        for key, size in fitting:
            self._use(key, size, keep)
        while fitting and sum(size for _, size, _ in self.entries) > self.max_bytes:
            self.entries.remove(next(entry for entry in self.entries if not entry[2]))

    def get(self, keys: Iterable[str], keep: bool) -> list[str]:
        found = [key for key in keys if any(entry[0] == key for entry in self.entries)]
        for key in found:
            self._use(key, next(size for name, size, _ in self.entries if name == key), keep)
        return found

    def _use(self, key: str, size: int, keep: bool) -> None:
        was_kept = any(name == key and kept for name, _, kept in self.entries)
        self.entries = [entry for entry in self.entries if entry[0] != key]
        kept_bytes = sum(entry[1] for entry in self.entries if entry[2])
        kept = (keep or was_kept) and kept_bytes + size <= self.max_kept
        self.entries.append((key, size, kept))


@settings(max_examples=40)
@given(calls=CALLS, max_bytes=st.integers(400, 2600), share=st.sampled_from([0.0, 0.5, 1.0]))
def test_the_bound_holds_and_the_last_used_stay(
    calls: list[tuple[str, dict[str, int], bool]], max_bytes: int, share: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        cache, model = cache_of(path, max_bytes, share), Model(max_bytes, round(max_bytes * share))
        for call, lengths, keep in calls:
            if call == "put":
                sections = {key: stored(ord(key), length) for key, length in lengths.items()}
                cache.put(sections, keep)
                model.put([(key, size_of(section)) for key, section in sections.items()], keep)
            else:
                assert sorted(cache.get(lengths, keep)) == model.get(sorted(lengths), keep)
            state = cache.state()
            assert state.bytes <= max_bytes
            assert state.kept_bytes <= max_bytes * share + 1
            assert present(cache, path) == {key for key, _, _ in model.entries}
            assert state.bytes == sum(size for _, size, _ in model.entries)
