"""The faults known of the reference system, one test each: remove the guard against one, and its test fails.

Faults of the initialisers are in tests/init/, those of the operation set in tests/autograd/test_namespace.py.
"""

import subprocess
import sys

import numpy as np
import pytest

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backend")


def square(w, x):
    return tl.array_namespace(w, x).sum((w - x) ** 2)


def new(xp, values, **more):
    definition = tl.ScalarModuleDef(square, init_params=[values], **more)
    return definition.instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)


def test_eager_gives_frozen_parameters_the_zero_gradients_that_every_backend_gives(xp):
    m = new(xp, [1.0, 2.0], init_requires_grad=[False])
    assert xp.to_numpy(m.backward((xp.asarray([0.0, 0.0]),))[0]).tolist() == [0.0, 0.0]


def test_training_runs_the_forward_pass_once_a_step(backend):
    calls = []

    def counted(w, x):
        calls.append(1)
        return square(w, x)

    m = tl.ScalarModuleDef(counted, init_params=[[1.0]]).instantiate()
    m.train_sgd(0.1, 4, [(np.zeros(1, np.float32),)], log=None)
    opt = tl.optim.adam()
    m.train_with(opt, m.init_optim(opt), 4, [(np.zeros(1, np.float32),)], log=None)
    assert len(calls) == (8 if backend == "eager" else 2)  # a program runs without the function that it was traced from


@pytest.mark.parametrize("optimizer", [tl.optim.sgd(0.5), tl.optim.adam(0.5), tl.optim.momentum(0.5)])
def test_an_optimizer_starts_from_what_the_plan_filled_and_not_from_zeros(xp, optimizer):
    definition = tl.ScalarModuleDef(square, param_shapes=[(2,)])
    options = tl.Options(xp=xp.namespace, dtype=xp.real, device=xp.device)
    m = definition.instantiate_float_with_runtime_plan(options, tl.init.Plan([(2,)], [tl.init.flat([3.0, 5.0])]))
    x = (xp.asarray([3.0, 5.0]),)
    _, value = m.step_with_loss(optimizer, m.init_optim(optimizer), x)
    assert float(xp.to_numpy(value)) == 0.0
    assert xp.to_numpy(m.params[0]).tolist() == [3.0, 5.0]
    tl.init.Plan([(2,)], [tl.init.ones()]).apply(m)
    assert xp.to_numpy(m.params[0]).tolist() == [1.0, 1.0]


def test_parts_that_the_loss_does_not_depend_on_make_no_nan(xp):
    def loss(w, x):
        space = tl.array_namespace(w, x)
        _ = 1.0 / (w * 0.0)  # infinite, and not used
        return space.sum((w - x) ** 2)

    m = tl.ScalarModuleDef(loss, init_params=[[1.0, 2.0]]).instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)
    with np.errstate(divide="ignore"):
        assert xp.to_numpy(m.backward((xp.asarray([0.0, 0.0]),))[0]).tolist() == [2.0, 4.0]


def test_sgd_follows_a_schedule(xp):
    m, opt = new(xp, [1.0]), tl.optim.sgd(lambda step: 0.25 if step == 0 else 0.0)
    state, x = m.init_optim(opt), (xp.asarray([0.0]),)
    seen = []
    for _ in range(3):
        state = m.step_with(opt, state, x)
        seen.append(float(xp.to_numpy(m.params[0])[0]))
    assert seen == [0.5, 0.5, 0.5]


def test_a_dropout_mask_is_fresh_at_every_step(xp):
    def loss(w, *, key):
        space = tl.array_namespace(w)
        if key is None:
            return space.sum(w)
        keep = tl.random.bernoulli(key, 0.5, (64,))
        return space.sum(space.where(keep, w, space.zeros_like(w)))

    m = tl.ScalarModuleDef(loss, init_params=[2.0 ** np.arange(64)]).instantiate(
        xp=xp.namespace, dtype=xp.real, device=xp.device
    )

    def mask():
        return xp.to_numpy(m.backward(())[0]).tolist()

    first, again = mask(), mask()
    kept = [float(xp.to_numpy(m.step(0.0, ()))) for _ in range(3)]
    assert first == again  # no step lies between them
    assert set(first) == {0.0, 1.0}
    assert kept[0] == pytest.approx(float(np.dot(first, 2.0 ** np.arange(64))), rel=1e-5)
    assert len(set(kept)) == 3
    assert float(xp.to_numpy(m.forward(()))) == pytest.approx(2.0**64, rel=1e-5)


# In a process of its own: what other threads allocate meanwhile would count, too.
LONG_LOOP = """
import gc
import sys
import tracemalloc

import numpy as np

import tl_arrayapi as tl


def square(w, x):
    return tl.array_namespace(w, x).sum((w - x) ** 2)


m = tl.ScalarModuleDef(square, init_params=[np.ones(1000)]).instantiate(dtype="float64", backend=sys.argv[1])
opt, x = tl.optim.adam(1e-3), (np.zeros(1000),)
state = m.init_optim(opt)


def run(steps):
    global state
    for _ in range(steps):
        state = m.step_with(opt, state, x)
        m.forward(x)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


tracemalloc.start()
run(20)
before = run(20)
print(run(300) - before)
"""


@pytest.mark.slow
def test_memory_does_not_grow_over_a_long_loop(backend):
    command = [sys.executable, "-c", LONG_LOOP, "eager" if backend == "eager" else "compiled"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8000, "less than one parameter more after 300 steps"


def test_on_dask_the_graph_of_a_step_does_not_grow_with_the_number_of_steps():
    dask = pytest.importorskip("dask")
    array = pytest.importorskip("dask.array")
    m = tl.ScalarModuleDef(square, init_params=[np.ones(8)]).instantiate(xp=array, dtype="float64")
    opt, x = tl.optim.adam(1e-3), (array.zeros(8, chunks=4),)
    with dask.config.set(scheduler="synchronous"):
        state = m.init_optim(opt)
        sizes = []
        for _ in range(6):
            state, value = m.step_with_loss(opt, state, x)
            sizes.append((len(dict(m.params[0].dask)), len(dict(state["m"][0].dask)), len(dict(value.dask))))
    assert sizes[1] == sizes[-1]


def test_on_dask_the_loss_and_the_step_are_computed_in_one_run():
    dask = pytest.importorskip("dask")
    array = pytest.importorskip("dask.array")
    runs = []

    def noted(block):
        if block.size:  # dask calls it on an empty array to learn its dtype
            runs.append(1)
        return block

    def loss(w, x):
        return tl.array_namespace(w, x).sum((w - x) ** 2)

    m = tl.ScalarModuleDef(loss, init_params=[np.ones(4)]).instantiate(xp=array, dtype="float64")
    x = array.map_blocks(noted, array.zeros(4, chunks=4), dtype="float64", meta=np.empty(0))
    opt = tl.optim.adam()
    with dask.config.set(scheduler="synchronous"):
        state, value = m.step_with_loss(opt, m.init_optim(opt), (x,))
        assert float(value) == 4.0
        _ = [p.compute() for p in m.params]
    assert len(runs) == 1
    assert state["step"] == 1
