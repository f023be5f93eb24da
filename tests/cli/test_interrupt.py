"""Ctrl-C between steps: the first is noted, the second interrupts."""

import signal
import threading

import pytest

from tl_arrayapi.cli.interrupt import interruption


def test_the_first_interruption_is_noted():
    with interruption() as asked:
        assert not asked.is_set()
        signal.raise_signal(signal.SIGINT)
        assert asked.is_set()


def test_the_second_one_interrupts_at_once():
    with interruption():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_handler_before_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with interruption():
        assert signal.getsignal(signal.SIGINT) is not before
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_get_an_event_and_leave_signals_alone():
    before, found = signal.getsignal(signal.SIGINT), []

    def work():
        with interruption() as asked:
            found.append((asked.is_set(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]
