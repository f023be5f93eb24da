"""Ctrl-C between steps: the first is noted, the second interrupts."""

import signal
import subprocess
import sys
import threading

import pytest

from tl_arrayapi.cli.interrupt import interruption, sheltered_children


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


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="the system cannot block signals")
def test_a_sheltered_child_does_not_hear_ctrl_c():
    code = "import signal; signal.raise_signal(signal.SIGINT); print('lives')"
    with sheltered_children():
        sheltered = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    open_to_it = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert sheltered.stdout == "lives\n"
    assert open_to_it.stdout == ""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="the system cannot block signals")
def test_who_shelters_children_still_hears_ctrl_c():
    with interruption() as asked:
        with sheltered_children():
            signal.raise_signal(signal.SIGINT)
        assert asked.is_set()
