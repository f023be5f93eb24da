"""Replicas of a module: what a process loads, and keeps for the next one."""

import gc
import importlib
import pickle
import sys
import weakref

import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi.distributed.replica import Replica, Version, forget_loaded


@pytest.fixture(autouse=True)
def _nothing_kept():
    forget_loaded()
    yield
    forget_loaded()


def received(module):
    """Return a replica as a worker gets it."""
    return pickle.loads(pickle.dumps(Replica(module)))


def loaded(replica, module):
    """Return what a replica loads, and its loss of the input 1."""
    with replica.at(Version.of(module)) as own:
        return own, float(own.mapped_losses((np.ones(64),), 64, steady=True)[0])


def linear(factor=1.0, w=2.0, **options):
    return tl.ScalarModuleDef(lambda w, x: factor * w * x, init_params=[w]).instantiate(dtype="float64", **options)


def test_the_next_replica_of_the_same_module_takes_over_what_the_last_one_loaded():
    first = received(linear())
    own, loss = loaded(first, linear())
    assert loss == 2.0
    del first
    again, loss = loaded(received(linear(w=3.0)), linear(w=3.0))
    assert again is own
    assert loss == 3.0


def test_replicas_that_live_at_the_same_time_have_modules_of_their_own():
    first, second = received(linear()), received(linear())
    assert loaded(first, linear())[0] is not loaded(second, linear(w=3.0))[0]
    assert loaded(first, linear())[1] == 2.0
    assert loaded(second, linear(w=3.0))[1] == 3.0


@pytest.mark.parametrize("other", [{"factor": 2.0}, {"backend": "compiled"}])
def test_another_loss_or_other_options_are_loaded_anew(other):
    other = linear(**other)
    own = loaded(received(linear()), linear())[0]
    assert loaded(received(other), other)[0] is not own


LOSS = """
def loss(w, x):
    from numbers_of_test_replica import factor
    return factor * w * x
"""


@pytest.mark.parametrize("again", ["loss_of_test_replica", "numbers_of_test_replica"])
def test_modules_that_were_imported_again_are_loaded_anew(tmp_path, monkeypatch, again):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sources = {"loss_of_test_replica": LOSS, "numbers_of_test_replica": "factor = 1"}
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)

    def found():
        loss = importlib.import_module("loss_of_test_replica").loss
        m = tl.ScalarModuleDef(loss, init_params=[2.0]).instantiate(dtype="float64")
        return loaded(received(m), m)

    try:
        assert found()[1] == 2.0
        kept = found()[0]
        assert found()[0] is kept
        new = sources[again].replace("factor = 1", "factor = 1000").replace("factor * w", "1000 * w")
        (tmp_path / f"{again}.py").write_text(new)
        importlib.reload(sys.modules[again])
        assert found()[1] == 2000.0
    finally:
        for name in sources:
            sys.modules.pop(name, None)


def test_only_the_last_few_are_kept():
    seen = []
    for i in range(6):
        m = linear(factor=float(i))
        seen.append(weakref.ref(loaded(received(m), m)[0]))
    gc.collect()
    assert [ref() is not None for ref in seen] == [False, False, True, True, True, True]


def test_a_large_module_is_not_kept():
    def loss(w, x):
        return tl.array_namespace(w).sum(w) * x

    m = tl.ScalarModuleDef(loss, param_shapes=[(2**21 + 1,)]).instantiate(dtype="float64", lazy=True)
    large = received(m)
    zeros = Version((np.zeros(2**21 + 1),), 0)
    with large.at(zeros) as own:
        seen = weakref.ref(own)
    del large, own
    gc.collect()
    assert seen() is None


def test_a_loss_that_could_not_be_mapped_is_tried_anew():
    def loss(w, x):
        return w * x if x > 0 else w

    m = tl.ScalarModuleDef(loss, init_params=[2.0]).instantiate(dtype="float64")
    replica = received(m)
    with replica.at(Version.of(m)) as own:
        with pytest.raises(tl.errors.TLError):
            own.mapped_losses((np.ones(64),), 64, steady=True)
        assert not own.is_mapped
    del replica, own
    with received(m).at(Version.of(m)) as own:
        assert own.is_mapped
