"""Threads that wait for jobs: the last one posted is done, whether they sleep or look on."""

from __future__ import annotations

import threading
import time

import pytest

from imcflow.runtime.execution.helpers import LOOKS, Helper, Number


@pytest.mark.parametrize("looks", [0, LOOKS])
@pytest.mark.parametrize("pause_s", [0.0, 0.02])
def test_every_job_that_is_waited_for_is_done(looks: int, pause_s: float):
    helper, done = Helper(looks), threading.Semaphore(0)
    for _ in range(50 if not pause_s else 3):
        time.sleep(pause_s)  # long enough to fall asleep
        helper.post(done.release)
        assert done.acquire(timeout=10)
    helper.post(None)
    helper.join(10)
    assert not helper.is_alive()


def test_a_later_job_takes_the_place_of_one_that_has_not_begun():
    helper, begun, held, order = Helper(0), threading.Event(), threading.Event(), []

    def first() -> None:
        begun.set()
        held.wait(10)
        order.append("first")

    helper.post(first)
    assert begun.wait(10)
    helper.post(lambda: order.append("second"))
    helper.post(lambda: order.append("third"))
    helper.post(None)
    held.set()
    helper.join(10)
    assert order == ["first"]


def test_a_change_ends_the_wait_and_so_does_patience():
    number = Number()
    number.wait_for_change(0, 1000)
    assert number.value == 0
    changer = threading.Timer(0.05, setattr, (number, "value", 7))
    changer.start()
    number.wait_for_change(0, 1 << 40)  # for ever, as it were
    assert number.value == 7
