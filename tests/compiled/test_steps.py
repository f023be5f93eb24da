"""Compiled steps of a module: one program for what only numbers change, and memory that nobody else sees.

Random sequences of everything that a module can be asked are run in both backends, and everything that was handed out
is looked at again in the end.
"""

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tl_arrayapi as tl
from tests.libraries import load
from tl_arrayapi.errors import TLError

RNG = np.random.default_rng(0)
BATCHES = [
    (RNG.normal(size=(n, 3)).astype("float32"), RNG.normal(size=n).astype("float32"), RNG.normal(size=()).astype("f"))
    for n in (4, 4, 4, 2, 1)
]
OPTIMIZERS = [
    lambda: tl.optim.adam(0.05),
    lambda: tl.optim.adam(lambda step: 0.1 / (1 + step)),
    lambda: tl.optim.momentum(0.1),
    lambda: tl.optim.chain(tl.optim.clip_by_global_norm(0.5), tl.optim.sgd(0.1)),
    lambda: tl.optim.Optimizer(tl.optim.sgd(0.1).init, tl.optim.sgd(0.1).step),
    lambda: tl.optim.muon(0.02),
]


def loss(w, b, v, x, y, weight):
    xp = tl.array_namespace(w, b, v, x, y, weight)
    return xp.mean((xp.tanh(x @ w + b) @ v - y) ** 2) + weight * weight * xp.sum(w * w)


def definition(f=loss, **options):
    rng = np.random.default_rng(1)
    params = [rng.normal(size=shape) for shape in ((3, 5), (5,), (5,))]
    return tl.ScalarModuleDef(f, init_params=params, input_shapes=[(None, 3), (None,), ()], **options)


def counted():
    """Return a loss, and the list to which each run of it in Python adds."""
    runs = []

    def f(w, b, v, x, y, weight):
        runs.append(x.shape)
        return loss(w, b, v, x, y, weight)

    return f, runs


# ---------------------------------------------------------------- one program
def test_a_new_rate_makes_no_new_program():
    f, runs = counted()
    module = definition(f).instantiate(backend="compiled")
    for k in range(10):
        module.step(0.1 / (k + 1), BATCHES[k % 3])
    assert len(runs) == 1


@pytest.mark.parametrize("make", [OPTIMIZERS[i] for i in (0, 1, 2, 3, 5)])
def test_a_schedule_or_an_optimizer_made_anew_makes_no_new_program(make):
    f, runs = counted()
    module = definition(f).instantiate(backend="compiled")
    state = module.init_optim(make())
    for k in range(6):
        state = module.step_with(make(), state, BATCHES[k % 3])
    assert len(runs) == 1


def test_the_last_smaller_batch_makes_one_program_of_its_own():
    f, runs = counted()
    module = definition(f).instantiate(backend="compiled")
    for _ in range(3):
        for batch in BATCHES[:4]:
            module.step(0.01, batch)
    assert runs == [(4, 3), (2, 3)]


def test_forward_gradients_and_steps_are_programs_of_their_own():
    f, runs = counted()
    module = definition(f).instantiate(backend="compiled")
    for _ in range(3):
        module.forward(BATCHES[0])
        module.loss_and_grads(BATCHES[0])
        module.backward(BATCHES[0])
        module.step(0.1, BATCHES[0])
    assert len(runs) == 3


# ---------------------------------------------------------------- what was handed out
def test_parameters_handed_out_stay_as_they_were(xp):
    if xp.name in ("torch", "jax", "dask"):
        pytest.skip("their own compilers have tests of their own")
    module = definition().instantiate(backend="compiled", xp=xp.namespace, device=xp.variant.device)
    batch = module.asarrays(BATCHES[0])
    optimizer = tl.optim.adam(0.1)
    state, held = module.init_optim(optimizer), []
    for _ in range(4):
        held.append([(p, np.copy(xp.to_numpy(p))) for p in (*module.params, *state["m"], *state["v"])])
        module.step(0.1, batch)
        state = module.step_with(optimizer, state, batch)
    for rows in held:
        for p, before in rows:
            np.testing.assert_array_equal(xp.to_numpy(p), before)


def test_writing_to_what_was_handed_out_changes_no_module():
    module, twin = (definition().instantiate(backend="compiled") for _ in range(2))
    optimizer = tl.optim.adam(0.1)
    states = [m.init_optim(optimizer) for m in (module, twin)]
    for k in range(4):
        for p in (*module.params, *module.named_params.values(), *module.backward(BATCHES[k])):
            p[...] = np.nan
        value = module.step(0.1, BATCHES[k])
        value[...] = np.nan
        twin.step(0.1, BATCHES[k])
        states = [m.step_with(optimizer, s, BATCHES[k]) for m, s in zip((module, twin), states, strict=True)]
    for p, q in zip(module.params, twin.params, strict=True):
        np.testing.assert_array_equal(p, q)


def test_a_state_may_be_used_again():
    module = definition().instantiate(backend="compiled")
    optimizer = tl.optim.adam(0.1)
    start, state = module.params, module.init_optim(optimizer)
    ends = []
    for _ in range(3):
        module.set_params(start)
        now = state
        for batch in BATCHES[:3]:
            now = module.step_with(optimizer, now, batch)
        ends.append([*module.params, *now["m"], *now["v"]])
    for end in ends[1:]:
        for x, y in zip(end, ends[0], strict=True):
            np.testing.assert_array_equal(x, y)


def test_a_step_that_fails_changes_nothing():
    broken = [False]

    def schedule(step):
        return float("nan") if broken[0] else 0.1

    def f(w, b, v, x, y, weight):
        if x.shape[0] == 2:
            raise ValueError("mine")
        return loss(w, b, v, x, y, weight)

    module = definition(f).instantiate(backend="compiled")
    optimizer = tl.optim.adam(schedule)
    state = module.step_with(optimizer, module.init_optim(optimizer), BATCHES[0])
    module.step(0.1, BATCHES[0])
    before, steps = module.params, module.steps_done
    held = [np.copy(x) for x in (*state["m"], *state["v"])]
    failing = [
        lambda: module.step(0.1, BATCHES[3]),
        lambda: module.step(-1.0, BATCHES[0]),
        lambda: module.step_with(optimizer, state, BATCHES[3]),
        lambda: module.step_with(optimizer, None, BATCHES[0]),
        lambda: module.step(0.1, BATCHES[0][:2]),
    ]
    for call in failing:
        with pytest.raises((TLError, ValueError)):
            call()
    broken[0] = True
    with pytest.raises(TLError, match="schedule"):
        module.step_with(optimizer, state, BATCHES[0])
    for p, q in zip((*module.params, *state["m"], *state["v"]), (*before, *held), strict=True):
        np.testing.assert_array_equal(p, q)
    assert module.steps_done == steps


# ---------------------------------------------------------------- anything in any order
class Both:
    """A module in both backends, which does everything twice and compares."""

    def __init__(self, flags):
        made = definition(init_requires_grad=flags)
        self.modules = [made.instantiate(backend=backend) for backend in ("compiled", "eager")]
        self.states = {}
        self.held = []

    def do(self, what, k, n):
        got, expected = (getattr(self, f"_{what}")(module, i, k, n) for i, module in enumerate(self.modules))
        self._compare(got, expected)
        self._compare(*([m.params, m.steps_done, m.requires_grad] for m in self.modules))

    def _compare(self, got, expected):
        if isinstance(expected, list | tuple):
            assert len(got) == len(expected)
            for one, another in zip(got, expected, strict=True):
                self._compare(one, another)
        elif isinstance(expected, dict):
            assert got.keys() == expected.keys()
            for key in expected:
                self._compare(got[key], expected[key])
        elif isinstance(expected, np.ndarray):
            assert type(got) is np.ndarray
            assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_allclose(got, expected, rtol=5e-4, atol=5e-5)
            self.held.append((got, np.copy(got)))
        else:
            assert got == expected

    def check_held(self):
        for x, before in self.held:
            np.testing.assert_array_equal(x, before)

    # ---- what can be done
    def _forward(self, module, i, k, n):
        return module.forward(BATCHES[k])

    def _gradients(self, module, i, k, n):
        return module.loss_and_grads(BATCHES[k])

    def _step(self, module, i, k, n):
        return module.step(0.02 * n, BATCHES[k])

    def _begin(self, module, i, k, n):
        self.states[i, n] = [module.init_optim(OPTIMIZERS[n]())]
        return self.states[i, n]

    def _step_with(self, module, i, k, n):
        optimizer = OPTIMIZERS[n]()
        known = self.states.setdefault((i, n), [])
        try:
            state = known[-1 - k % len(known)] if known else module.init_optim(optimizer)
            state, value = module.step_with_loss(optimizer, state, BATCHES[k])
        except TLError as error:
            return str(error)
        known.append(state)
        return state, value

    def _apply(self, module, i, k, n):
        optimizer = OPTIMIZERS[n]()
        grads = [np.cos(np.arange(p.size, dtype="float32")).reshape(p.shape) * (k - 2) for p in module.params]
        return module.apply_gradients(optimizer, module.init_optim(optimizer), grads)

    def _set(self, module, i, k, n):
        module.set_params([p * np.float32(0.5 + 0.1 * n) for p in module.params])

    def _adopt(self, module, i, k, n):
        module.adopt([np.array(p + np.float32(0.01 * n)) for p in module.params])

    def _freeze(self, module, i, k, n):
        module.requires_grad = [(n >> j) % 2 == 0 for j in range(3)]

    def _pickle(self, module, i, k, n):
        self.modules[i] = pickle.loads(pickle.dumps(module))

    def _mean(self, module, i, k, n):
        return round(float(module.mean_loss([BATCHES[k], BATCHES[(k + 1) % 3]])), 3)

    def _train(self, module, i, k, n):
        return module.train_sgd(0.01, 1 + n, [BATCHES[k], BATCHES[0]], log=None).step


DEEDS = [name[1:] for name in vars(Both) if name.startswith("_") and not name.startswith(("__", "_compare"))]
deeds = st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=12)
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def run(flags, todo):
    both = Both(flags)
    for what, k, n in todo:
        both.do(what, k, n)
    both.check_held()


@settings(max_examples=25, derandomize=True, **QUIET)
@given(st.sampled_from([None, [True, False, True], [False, True, False], [False] * 3]), deeds)
def test_anything_in_any_order_does_the_same_in_both_backends(flags, todo):
    run(flags, todo)


@pytest.mark.slow
@settings(max_examples=400, **QUIET)
@given(st.sampled_from([None, [True, False, True], [False, True, False], [False] * 3]), deeds)
def test_anything_in_any_order_does_the_same_in_both_backends_many_times(flags, todo):
    run(flags, todo)


def test_a_module_may_be_used_by_threads_in_turn():
    import threading

    module, twin = (definition().instantiate(backend="compiled") for _ in range(2))

    def work():
        for _ in range(20):
            module.step(0.01, BATCHES[0])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = [module.forward(BATCHES[0])]
    for _ in range(60):
        twin.step(0.01, BATCHES[0])
    values.append(twin.forward(BATCHES[0]))
    assert all(np.isfinite(v) for v in values)
    assert values[0] <= load("numpy").asarray(loss(*definition().instantiate().params, *BATCHES[0]))
