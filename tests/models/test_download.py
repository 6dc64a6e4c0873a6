"""Fetching weights, from a real HTTP server on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from file_server import BODY, FILE, WRONG, Answer, Server, isolate, names, put, record, serving

from models import download, weights
from models.weights import Weights, WeightsError, WeightsMissing


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return isolate(tmp_path, monkeypatch)


def test_fresh_download_reports_growing_progress_and_leaves_only_the_file(server: Server, cache: Path) -> None:
    w = record(server.url("a", Answer()))
    seen: list[tuple[int, int]] = []
    path = weights.fetch(w, lambda done, total: seen.append((done, total)))
    assert path == cache / FILE and path.read_bytes() == BODY
    assert names(cache) == {FILE}
    done = [value for value, _ in seen]
    assert done == sorted(done) and done[0] == 0 and done[-1] == len(BODY)
    assert {total for _, total in seen} == {len(BODY)}
    assert weights.find(w) == weights.locate(w) == weights.fetch(w) == path
    assert len(server.seen) == 1


def test_cut_connection_is_resumed_with_range_and_if_range(server: Server) -> None:
    tag = {"ETag": '"v1"'}
    w = record(server.url("a", Answer(cut_at=200_000, headers=tag), Answer(headers=tag)))
    assert weights.fetch(w).read_bytes() == BODY
    assert server.seen == [("/a", None, None), ("/a", "bytes=200000-", '"v1"')]


def test_a_file_that_changed_on_the_server_is_not_glued_to_the_old_half(server: Server) -> None:
    old = Answer(body=WRONG, cut_at=200_000, headers={"ETag": '"old"'})
    w = record(server.url("a", old, Answer(headers={"ETag": '"new"'})))
    assert weights.fetch(w).read_bytes() == BODY
    assert server.seen[1:] == [("/a", "bytes=200000-", '"old"')]


def test_weak_tag_is_not_used_for_resuming(server: Server) -> None:
    tag = {"ETag": 'W/"v1"'}
    w = record(server.url("a", Answer(cut_at=200_000, headers=tag), Answer(headers=tag)))
    assert weights.fetch(w).read_bytes() == BODY
    assert server.seen[1:] == [("/a", "bytes=200000-", None)]


def test_server_without_range_makes_it_start_anew(server: Server) -> None:
    w = record(server.url("a", Answer(cut_at=200_000), Answer(ranges=False)))
    assert weights.fetch(w).read_bytes() == BODY
    assert server.ranges == [None, "bytes=200000-"]


def test_server_that_always_cuts_and_cannot_resume_is_given_up(server: Server, cache: Path) -> None:
    w = record(server.url("a", Answer(cut_at=200_000, ranges=False)))
    with pytest.raises(WeightsMissing, match="no download from http"):
        weights.fetch(w)
    assert len(server.seen) == 1 + download.FRUITLESS_TRIES
    assert names(cache) == {f"{FILE}.part"}


def test_cancelling_keeps_the_part_and_the_next_call_goes_on_from_there(server: Server, cache: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, _total: int) -> None:
        if done:
            raise Stop

    w = record(server.url("a", Answer()))
    with pytest.raises(Stop):
        weights.fetch(w, stop)
    assert weights.find(w) is None
    have = (cache / f"{FILE}.part").stat().st_size
    assert 0 < have < len(BODY)
    seen: list[int] = []
    assert weights.fetch(w, lambda done, _total: seen.append(done)).read_bytes() == BODY
    assert server.ranges == [None, f"bytes={have}-"] and seen[0] == have


@pytest.mark.parametrize("wrong", [WRONG, BODY[:-1], BODY + b"x"], ids=["same size", "shorter", "longer"])
@pytest.mark.parametrize("length", [True, False], ids=["length", "no length"])
def test_wrong_file_once_then_right(server: Server, wrong: bytes, length: bool) -> None:
    answers = [Answer(body=wrong, length=length), Answer(ranges=False)]
    assert weights.fetch(record(server.url("a", *answers))).read_bytes() == BODY
    assert len(server.seen) == 2


@pytest.mark.parametrize("wrong", [WRONG, BODY[:-1], BODY + b"x"], ids=["same size", "shorter", "longer"])
def test_wrong_file_twice_is_an_error_and_leaves_nothing(server: Server, cache: Path, wrong: bytes) -> None:
    w = record(server.url("a", Answer(body=wrong)))
    with pytest.raises(WeightsError, match="gives another file"):
        weights.fetch(w)
    assert names(cache) == set() and len(server.seen) == 2


def test_wrong_first_source_gives_way_to_the_second(server: Server) -> None:
    w = record(server.url("a", Answer(body=WRONG)), server.url("b", Answer()))
    assert weights.fetch(w).read_bytes() == BODY
    assert [path for path, _, _ in server.seen] == ["/a", "/b"]


def test_a_login_page_does_not_cost_the_part(server: Server, cache: Path) -> None:
    put(cache, BODY[:300_000]).rename(cache / f"{FILE}.part")
    w = record(server.url("a", Answer(body=b"<html>", ranges=False), Answer()))
    assert weights.fetch(w).read_bytes() == BODY
    assert server.ranges == ["bytes=300000-", "bytes=300000-"]


def test_damaged_part_is_thrown_away(server: Server, cache: Path) -> None:
    put(cache, WRONG[:300_000]).rename(cache / f"{FILE}.part")
    assert weights.fetch(record(server.url("a", Answer()))).read_bytes() == BODY
    assert server.ranges == ["bytes=300000-", None]


def test_missing_on_the_first_source_then_second_works(server: Server) -> None:
    w = record(server.url("a", Answer(status=404, body=b"no")), server.url("b", Answer()))
    assert weights.fetch(w).read_bytes() == BODY
    assert [path for path, _, _ in server.seen] == ["/a", "/b"]


def test_no_source_answers(server: Server) -> None:
    closed = server.url("a", Answer()).replace(str(server.server_port), "9")
    with pytest.raises(WeightsMissing) as caught:
        weights.fetch(record(closed, server.url("b", Answer(status=503, body=b""))))
    text = str(caught.value)
    assert "\n" not in text and "503" in text and ":9/a" in text and "ATELIER_WEIGHTS" in text


def test_threads_share_one_download_and_the_waiting_see_its_progress(server: Server) -> None:
    w = record(server.url("a", Answer(piece_seconds=0.15)))

    def keeper(mine: list[int]) -> Callable[[int, int], None]:
        return lambda done, _total: mine.append(done)

    seen: list[list[int]] = [[], [], []]
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(weights.fetch, w, keeper(mine)) for mine in seen]
        assert {job.result(20).read_bytes() for job in jobs} == {BODY}
    assert len(server.seen) == 1
    assert all(mine and mine[-1] == len(BODY) for mine in seen)


def test_processes_share_one_download(server: Server, cache: Path) -> None:
    w = record(server.url("a", Answer(piece_seconds=0.1)))
    code = (
        "import sys; from pathlib import Path; from models.download import download\n"
        "download([sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3]), lambda part: None, lambda done, size: None)"
    )
    arguments = [sys.executable, "-c", code, w.urls[0], str(cache / FILE), str(w.bytes)]
    with subprocess.Popen(arguments, cwd=Path(__file__).parents[2]) as child:
        deadline = time.monotonic() + 30
        while not server.seen and time.monotonic() < deadline:
            time.sleep(0.02)
        assert weights.fetch(w).read_bytes() == BODY
        assert child.wait(20) == 0
    assert len(server.seen) == 1


def test_too_little_room_is_said_before_any_request(server: Server, cache: Path) -> None:
    url = server.url("a", Answer())
    huge = Weights("net", FILE, "0" * 64, 1 << 60, "CC0-1.0", "this test", "none", (url,))
    with pytest.raises(WeightsError, match="MB free") as caught:
        weights.fetch(huge)
    assert str(cache) in str(caught.value) and server.seen == []


def test_cache_folder_that_cannot_be_made(server: Server, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(WeightsError, match="cannot be made"):
        weights.fetch(record(server.url("a", Answer())))
    assert server.seen == []


@pytest.mark.parametrize("variable", ["ATELIER_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_makes_no_request(server: Server, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(WeightsMissing, match=f"{variable}=1 forbids the download"):
        weights.fetch(record(server.url("a", Answer())))
    assert weights.offline() and server.seen == []
    monkeypatch.setenv(variable, "0")
    assert not weights.offline()


def test_clean_removes_only_stale_parts(cache: Path) -> None:
    cache.mkdir()
    for name in ("old.pth.part", "old.pth.part.etag", "new.pth.part", "kept.pth"):
        (cache / name).write_bytes(b"x")
        if not name.startswith("new"):
            os.utime(cache / name, (time.time() - 2 * 86400,) * 2)
    assert weights.clean() == [cache / "old.pth.part"]
    assert names(cache) == {"new.pth.part", "kept.pth"}


def test_clean_without_a_cache_folder(cache: Path) -> None:
    assert weights.clean() == [] and not cache.exists()
