"""The model cache, over small real layers. A `move` that copies plays the device: what is there has another address."""

from __future__ import annotations

import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple

import pytest
import torch
from torch import Tensor, nn

from models.cache import Lender, ModelCache, OutOfBudget, default_device

MB = 1 << 20


class Rig(ModelCache):
    """A cache over linear layers of so many MB each, which notes what it loaded. Budgets are in MB."""

    def __init__(self, ram: int = 1000, vram: int | None = None, **sizes: int) -> None:
        super().__init__(
            {name: self.loader(name, size) for name, size in sizes.items()},
            torch.device("cpu"),
            ram * MB,
            None if vram is None else vram * MB,
            move=lambda tensor, _: tensor.clone(),
        )
        self.homes: dict[str, int] = {}  # name of each model loaded -> the address of its weight in RAM

    def loader(self, name: str, size: int) -> Callable[[], nn.Module]:
        def load() -> nn.Module:
            module = nn.Linear(256, size * MB // 1024, bias=False)
            self.homes[name] = address(module)
            return module

        return load

    def touch(self, *names: str, working: int = 0) -> None:
        with self.use(*names, working=working * MB):
            pass

    def names(self, **wanted: object) -> list[str]:
        return [row.name for row in self.snapshot() if all(getattr(row, k) == v for k, v in wanted.items())]


def address(module: nn.Module) -> int:
    return module.get_parameter("weight").data_ptr()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_lends_each_model_once_built_in_the_order_asked() -> None:
    rig = Rig(a=1, b=1)
    with pytest.raises(LookupError, match=r"^No model is called vgg. Known: a, b.$"):
        rig.touch("a", "vgg")
    with rig.use("b", "a", "b", working=0) as (b, a, again):
        assert b is again is not a and not b.training and not b.get_parameter("weight").requires_grad
        assert [row.pins for row in rig.snapshot()] == [1, 1]
    with rig.use("a", working=0) as (later,):
        assert later is a
    assert list(rig.homes) == ["b", "a"] and astuple(rig.stats) == (1, 2, 0, 0)
    row = rig.snapshot()[-1]
    assert (row.name, row.bytes, row.pins, row.resident, row.hits) == ("a", MB, 0, True, 1)
    assert row.load_seconds > 0 < row.move_seconds and not hasattr(row, "module")  # to keep a row keeps no model alive


def test_tied_weights_count_once_and_every_buffer_counts_and_moves() -> None:
    one, two = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
    two.weight = one.weight
    module = nn.Sequential(one, two)
    module.register_buffer("kept", torch.zeros(5))
    module.register_buffer("passing", torch.zeros(7), persistent=False)
    home = [t.data_ptr() for t in (one.weight, *module.buffers())]
    rig = Rig()
    rig.loaders = {"tied": lambda: module}
    with rig.use("tied", working=0):
        assert rig.snapshot()[0].bytes == 4 * (64 + 5 + 7) and two.weight is one.weight
        assert not set(home) & {t.data_ptr() for t in (*module.parameters(), *module.buffers())}
    rig.relieve()
    assert home == [t.data_ptr() for t in (two.weight, *module.buffers())]


def test_moving_is_a_pointer_swap_and_on_the_cpu_not_even_a_copy() -> None:
    rig = Rig(a=1)
    with rig.use("a", working=0) as (a,):
        before = a.get_parameter("weight").clone()
        assert address(a) != rig.homes["a"]
    rig.relieve()
    assert address(a) == rig.homes["a"] and rig.names(resident=True) == [] and astuple(rig.stats) == (0, 1, 1, 0)
    rig.move = ModelCache.move
    with rig.use("a", working=0) as (again,):
        assert again is a and address(a) == rig.homes["a"] and torch.equal(a.get_parameter("weight"), before)


def test_a_model_made_in_inference_mode_can_be_differentiated_through() -> None:
    rig, x = Rig(a=1), torch.ones(1, 256, requires_grad=True)
    with torch.inference_mode():
        rig.touch("a")
    with rig.use("a", working=0) as (a,):
        assert torch.autograd.grad(a(x).sum(), x)[0].any()


@pytest.mark.parametrize("level", ["ram", "vram"])
def test_the_least_recently_used_leaves_first(level: str) -> None:
    rig = Rig(a=4, b=4, c=4, **{level: 9})
    for name in ("a", "b", "a", "c"):
        rig.touch(name)
    assert rig.names(resident=True) == ["a", "c"]
    assert astuple(rig.stats) == ((1, 3, 0, 1) if level == "ram" else (1, 3, 1, 0))
    with rig.use("a", working=0):
        rig.touch("c")
    rig.touch("b")  # a was borrowed before c, but returned after it
    assert rig.names(resident=True) == ["a", "b"]


@pytest.mark.parametrize(("vram", "free"), [(10, 1000), (1000, 10), (None, 10)])
def test_the_device_budget_is_the_smaller_of_fixed_and_free_and_holds_working_memory(vram: int, free: int) -> None:
    rig = Rig(vram=vram, a=4, b=4)
    rig.free = lambda _: free * MB - sum(row.bytes for row in rig.snapshot() if row.resident)
    rig.touch("a", "b", working=2)
    rig.touch("b", working=6)
    assert rig.names(resident=True) == ["b"]
    with pytest.raises(OutOfBudget, match=r"VRAM has 6 MiB free of the 7 MiB needed; in use: b 4 MiB\. Choose"):
        rig.touch("b", working=7)


def test_nothing_pinned_is_evicted_and_nothing_idle_leaves_in_vain() -> None:
    rig = Rig(ram=12, vram=9, a=4, b=4, c=4, big=13)
    rig.touch("b")
    with rig.use("a", working=0) as (a,):
        there = address(a)
        for name, words in (("big", "RAM has 8 MiB free of the 13 MiB needed"), ("c", "VRAM has 5 MiB free of the 8")):
            with pytest.raises(OutOfBudget, match=words + ".*in use: a 4 MiB"):
                rig.touch(name, working=4)
            assert rig.names(resident=True) == ["b", "a"] and rig.stats.drops == 0
        rig.touch("c")
        assert address(a) == there and rig.names(resident=True) == ["a", "c"]


def test_out_of_memory_offloads_the_idle_and_tries_once_more() -> None:
    rig, moves = Rig(idle=1, a=1, b=1), iter([True, True, False, True, True, False, False])

    def move(tensor: Tensor, _: torch.device) -> Tensor:
        if next(moves, True):
            return tensor.clone()
        raise torch.OutOfMemoryError

    rig.move = move
    rig.touch("idle")
    rig.touch("a", "b")  # a moves, b fails, idle leaves, b moves
    assert rig.names(resident=True) == ["a", "b"] and astuple(rig.stats) == (0, 3, 1, 0)
    rig.drop("b")
    with pytest.raises(OutOfBudget, match="cpu ran out of memory: 2 MiB needed"):
        rig.touch("idle", "b")  # idle moves, b fails twice
    rig.touch("a", "b")  # the next run succeeds


def test_half_a_move_is_undone_and_an_error_in_the_body_returns_the_models() -> None:
    rig, module = Rig(), nn.Linear(4, 4)
    rig.loaders = {"a": lambda: module}
    rig.move = lambda tensor, _: torch.full_like(tensor, torch.nan) if tensor.ndim == 2 else tensor.new_zeros(-1)
    with pytest.raises(RuntimeError, match="negative dimension"):
        rig.touch("a")
    assert rig.names(pins=0, resident=False) == ["a"] and module.weight.isfinite().all()
    rig.move = ModelCache.move
    with pytest.raises(ZeroDivisionError), rig.use("a"):
        assert rig.names(pins=1) == ["a"]
        raise ZeroDivisionError
    assert rig.names(pins=0) == ["a"]


@pytest.mark.parametrize("fails", [True, False])
def test_eight_threads_share_one_load_or_its_failure_and_the_table_waits_for_neither(fails: bool) -> None:
    rig, gate, models = Rig(a=1, b=1), threading.Event(), []
    build = rig.loaders["a"]

    def load() -> nn.Module:
        module = build()
        models.append(weakref.ref(module))
        if gate.wait(10) and fails and len(models) == 1:
            raise ConnectionError("unplugged")
        return module

    rig.loaders = {**rig.loaders, "a": load}
    rig.touch("b")
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(rig.touch, "a") for _ in range(8)]
        until(lambda: models != [] and sys.getrefcount(rig._failures["a"]) == 10)  # all eight have queued
        rig.relieve()
        rig.drop("b")
        assert rig.names() == []
        gate.set()
        errors = {str(job.exception()) for job in jobs}
    assert errors == {"unplugged" if fails else "None"} and rig.names(pins=1) == []
    del jobs
    assert (models[0]() is None) == fails  # with no help from the garbage collector
    rig.touch("a")
    assert astuple(rig.stats) == (0 if fails else 8, 2, 1, 1)


def test_jobs_on_a_full_device_never_take_what_another_holds() -> None:
    rig = Rig(ram=7, vram=4, a=1, b=1, c=1, d=1, e=1, f=1, g=1, h=1)

    def job(seed: int) -> int:
        chance, done = random.Random(seed), 0
        for turn in range(100):
            names = chance.sample("abcdefgh", 2)
            with suppress(OutOfBudget), rig.use(*names, working=0) as modules:  # refused while others hold too much
                there = [address(m) for m in modules]
                rig.drop(names[0]) if turn % 3 else rig.relieve()
                time.sleep(0.0005)
                assert there == [address(m) for m in modules] and not {*there} & {rig.homes[n] for n in names}
                assert sum(row.bytes for row in rig.snapshot() if row.resident) <= 4 * MB
                done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        assert min(pool.map(job, range(4))) > 0 and rig.names(pins=0) == rig.names()


def test_a_dropped_model_is_lent_until_its_last_user_returns_it() -> None:
    rig = Rig(a=1)
    with rig.use("a", working=0) as (a,):
        rig.drop("a")
        with rig.use("a", working=0) as (same,):
            assert same is a and address(a) != rig.homes["a"]
        assert rig.names() == ["a"] and rig.stats.drops == 0
    assert rig.names() == [] and astuple(rig.stats) == (1, 1, 0, 1)
    assert address(a) == rig.homes["a"]  # the device has its memory back, whoever still refers to the model
    with rig.use("a", working=0) as (fresh,):
        assert fresh is not a
    assert rig.names() == ["a"]  # that drop was not of this one


def test_a_borrower_keeps_account_also_in_a_generator_closed_on_another_thread() -> None:
    rig = Rig(a=1, b=1)
    borrower = rig.borrower()

    def steps(lender: Lender) -> Generator[float, None, None]:
        with lender.use("b", working=0), lender.use("a", "b", working=0):
            while True:
                yield borrower.seconds

    job = steps(borrower)
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        waited = one.submit(next, job).result()
        assert waited >= sum(row.load_seconds + row.move_seconds for row in rig.snapshot())
        assert two.submit(next, job).result() == waited and rig.names(pins=1) == ["a"] and rig.names(pins=2) == ["b"]
        two.submit(job.close).result()
    assert borrower.names == ("b", "a") and borrower.seconds == waited and rig.names(pins=0) == ["a", "b"]


def test_the_device_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_DEVICE", "cpu")
    assert default_device() == torch.device("cpu")
    monkeypatch.setenv("ATELIER_DEVICE", "gpu")
    with pytest.raises(ValueError, match=r"ATELIER_DEVICE is 'gpu', but this machine has: .*cpu\.$"):
        default_device()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda() -> None:
    rig, before = Rig(a=64, b=64), torch.cuda.memory_allocated()
    rig.device, rig.move = torch.device("cuda"), ModelCache.move
    with rig.use("a", "b", working=0) as (a, _):
        assert a.get_parameter("weight").is_cuda and torch.cuda.memory_allocated() - before == 128 * MB
        with pytest.raises(OutOfBudget, match="VRAM has"):
            rig.touch("a", working=1 << 30)
    rig.relieve()
    assert torch.cuda.memory_allocated() == before and address(a) == rig.homes["a"]


def test_activations_that_ram_has_no_room_for_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.device.available_bytes", lambda: 63 * MB)
    rig = Rig(a=1)
    rig.touch("a", working=63)
    with pytest.raises(OutOfBudget, match="need 64 MiB of memory, and 63 MiB can be had: choose a smaller size"):
        rig.touch("a", working=64)
    assert [row.pins for row in rig.snapshot()] == [0]
