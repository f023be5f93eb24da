"""Modules whose parameters are described: without storage until they are used or given values, on every library."""

import pickle
import threading
import time
import tracemalloc

import cloudpickle
import numpy as np
import pytest

import tl_arrayapi as tl
from tests.libraries import load
from tl_arrayapi import init
from tl_arrayapi.errors import ArgumentError, PlanError, ShapeError

PLAN = init.Plan([(2, 3), (2,)], [init.xavier_for((2, 3), seed=1), init.ones()], names=["w", "b"])
SHAPES = [(2, 3), (2,)]
both = pytest.mark.usefixtures("backend")
"""Run a test in each backend."""

X, Y = np.asarray([1.0, 2.0, -1.0]), np.asarray([1.0, 0.0])


def loss(w, b, x, y):
    r = w @ x + b - y
    return tl.array_namespace(w, b, x, y).sum(r * r)


def described(xp, **more):
    definition = tl.ScalarModuleDef(loss, **{"plan": PLAN, "input_shapes": [(3,), (2,)], **more})
    return definition.instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device, lazy=True)


def eager(xp):
    definition = tl.ScalarModuleDef(loss, plan=PLAN, input_shapes=[(3,), (2,)])
    return definition.instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)


def values(xp, module):
    return [xp.to_numpy(p) for p in module.params]


def filled(xp):
    return [np.asarray(array) for array in PLAN.fill(dtype=xp.real)]


def inputs(xp):
    return xp.asarray(X), xp.asarray(Y)


def same(found, expected):
    return len(found) == len(expected) and all(map(np.array_equal, found, expected))


def refusing_to_fill(monkeypatch, module):
    """Have the module's library fail to fill and to take values from the host."""

    def refuse(*_, **__):
        raise AssertionError("storage was made")

    for name in ("fill", "from_host"):
        monkeypatch.setattr(type(module.backend), name, refuse)


# ---------------------------------------------------------------- described
def test_what_describes_a_module_gives_it_no_storage(xp, monkeypatch):
    module = described(xp, init_requires_grad=[True, False])
    refusing_to_fill(monkeypatch, module)
    assert module.param_shapes == SHAPES
    assert module.param_names == ["w", "b"]
    assert module.requires_grad == [True, False]
    assert "8 elements, 6 trainable" in module.summary()
    assert module.summary().endswith("not in memory yet")
    assert repr(module).endswith("not in memory yet>")
    module.requires_grad = [True, True]
    module.check_inputs(inputs(xp))
    assert module.programs == []
    assert module.options.lazy
    assert not module.is_materialized


def test_inputs_are_checked_as_those_of_a_filled_module_are(xp):
    lazy = described(xp)
    for module in (lazy, eager(xp)):
        assert [x.shape for x in module.asarrays((X, Y))] == [(3,), (2,)]
        with pytest.raises(ShapeError, match="input 0"):
            module.check_inputs((xp.asarray(Y), xp.asarray(Y)))
    assert not lazy.is_materialized


def test_a_module_that_is_not_lazy_has_its_storage(xp):
    assert eager(xp).is_materialized


# ---------------------------------------------------------------- the first use
FIRST_USES = {
    "forward": lambda m, xs: m.forward(xs),
    "backward": lambda m, xs: m.backward(xs),
    "losses": lambda m, xs: m.losses([x[None, :] for x in xs]),
    "params": lambda m, xs: m.params,
    "named_params": lambda m, xs: m.named_params,
    "host_params": lambda m, xs: m.host_params(),
    "digest": lambda m, xs: m.digest(),
    "init_optim": lambda m, xs: m.init_optim(tl.optim.adam(0.1)),
}


@both
@pytest.mark.parametrize("use", FIRST_USES)
def test_the_first_use_fills_the_parameters(use):
    numpy = load("numpy")
    module = described(numpy)
    FIRST_USES[use](module, inputs(numpy))
    assert module.is_materialized
    assert same(values(numpy, module), filled(numpy))
    assert "memory" not in module.summary() + repr(module)


@both
def test_the_first_loss_is_that_of_the_plan(xp):
    module = described(xp)
    found = xp.to_numpy(module.forward(inputs(xp)))
    w, b = filled(xp)
    assert module.is_materialized
    assert np.allclose(found, np.sum((w @ X + b - Y) ** 2), rtol=100 * xp.tolerance)
    assert same(values(xp, module), [w, b])


@both
@pytest.mark.parametrize("values_from", ["plan", "init_params", "cast"])
def test_a_step_is_that_of_a_filled_module(xp, values_from):
    given = [np.asarray(array) for array in PLAN.fill(dtype="float64")]
    more = {} if values_from == "plan" else {"plan": None, "init_params": given}
    definition = tl.ScalarModuleDef(loss, **{"plan": PLAN, "input_shapes": [(3,), (2,)], **more})
    cast = (lambda x: np.asarray(2 * x, dtype=xp.real)[()]) if values_from == "cast" else None
    where = {"xp": xp.namespace, "dtype": xp.real, "device": xp.device}
    lazy, ready = (definition.instantiate(cast, **where, lazy=lazily) for lazily in (True, False))
    assert not lazy.is_materialized
    losses = [xp.to_numpy(module.step(0.1, inputs(xp))) for module in (lazy, ready)]
    assert losses[0] == losses[1]
    assert same(values(xp, lazy), values(xp, ready))
    assert lazy.steps_done == 1


def test_options_describe_modules_made_in_every_way(xp):
    options = tl.Options(xp=xp.namespace, dtype=xp.real, device=xp.device, lazy=True)
    definition = tl.ScalarModuleDef(loss, param_shapes=SHAPES)
    modules = [
        definition.instantiate_float_with_runtime_plan(options, PLAN),
        definition.instantiate_float_with_runtime_init(options, PLAN.to_list()),
        tl.ScalarModuleDef(loss, plan=PLAN).instantiate_with(None, options),
        tl.ScalarModule.create(loss, PLAN.fill(dtype="float64"), options=options),
    ]
    assert not any(module.is_materialized for module in modules[:3])
    assert all(same(values(xp, module), filled(xp)) for module in modules[:3])
    assert np.allclose(values(xp, modules[3])[0], filled(xp)[0], rtol=1e-6)


def test_lazy_is_true_or_false():
    with pytest.raises(ArgumentError, match="lazy is True or False"):
        tl.Options(lazy="yes")


# ---------------------------------------------------------------- values given instead
@both
def test_a_plan_that_is_applied_is_all_that_is_filled(xp):
    module = described(xp, plan=None, param_shapes=SHAPES)
    PLAN.apply(module)
    assert module.is_materialized
    assert same(values(xp, module), filled(xp))
    assert module.digest() == PLAN.digest(dtype=xp.real)


def test_another_plan_takes_the_place_of_the_definitions(xp):
    module = described(xp)
    init.apply_list(module, [init.zeros(), init.ones()])
    assert same(values(xp, module), [np.zeros((2, 3)), np.ones(2)])


@both
def test_set_params_gives_values_without_filling_first(xp):
    module = described(xp, plan=None, param_shapes=SHAPES)
    given = [xp.asarray(np.full(shape, 0.5)) for shape in SHAPES]
    with pytest.raises(ShapeError):
        module.set_params(given[::-1])
    assert not module.is_materialized
    module.set_params(given)
    assert same(values(xp, module), [np.full(shape, 0.5) for shape in SHAPES])


def test_a_checkpoint_is_loaded_without_filling_first(xp, tmp_path):
    saved, module = eager(xp), described(xp, plan=None, param_shapes=SHAPES, param_names=["w", "b"])
    saved.step(0.1, inputs(xp))
    saved.save(tmp_path / "w.safetensors", step=1)
    assert module.load(tmp_path / "w.safetensors") == (None, 1)
    assert same(values(xp, module), values(xp, saved))


# ---------------------------------------------------------------- what goes wrong
def test_a_module_without_values_says_what_to_do_and_stays_described(xp):
    module = described(xp, plan=None, param_shapes=SHAPES)
    for use in FIRST_USES.values():
        with pytest.raises(PlanError, match=r"apply a plan .*set_params or load"):
            use(module, inputs(xp))
    with pytest.raises(PlanError, match="apply a plan"):
        module.step(0.1, inputs(xp))
    assert not module.is_materialized
    assert module.steps_done == 0
    PLAN.apply(module)
    module.step(0.1, inputs(xp))


def test_a_definition_without_values_is_refused_unless_it_is_lazy():
    with pytest.raises(PlanError, match="lazily"):
        tl.ScalarModuleDef(loss, param_shapes=SHAPES).instantiate()


def test_a_cast_without_values_is_refused():
    for definition in (tl.ScalarModuleDef(loss, param_shapes=SHAPES), tl.ScalarModuleDef(loss, plan=PLAN)):
        with pytest.raises(PlanError, match="cast"):
            definition.instantiate(np.float32, lazy=True)


def test_a_plan_that_the_dtype_cannot_hold_is_refused_when_the_module_is_made():
    plan = init.Plan(SHAPES, [init.ones(), init.constant(1e6)], ["w", "b"])
    with pytest.raises(PlanError, match=r"'b'.*float16"):
        tl.ScalarModuleDef(loss, plan=plan).instantiate(dtype="float16", lazy=True)
    definition = tl.ScalarModuleDef(loss, param_shapes=[(2, 3), (3,)])
    with pytest.raises(PlanError, match="shapes"):
        definition.instantiate_float_with_runtime_plan(tl.Options(lazy=True), plan)


@both
def test_an_error_in_filling_leaves_the_module_described(xp, monkeypatch):
    module = described(xp)
    with monkeypatch.context() as broken:
        broken.setattr(init.Plan, "fill", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            module.forward(inputs(xp))
        assert not module.is_materialized
    module.forward(inputs(xp))
    assert same(values(xp, module), filled(xp))


def test_threads_that_come_at_once_fill_once(xp, monkeypatch):
    module, fill, fills = described(xp), init.Plan.fill, []
    together, results = threading.Barrier(4), []

    def slowly(self, *args, **keywords):
        fills.append(1)
        time.sleep(0.02)  # so that the others come meanwhile
        return fill(self, *args, **keywords)

    monkeypatch.setattr(init.Plan, "fill", slowly)

    def use():
        together.wait()
        results.append(values(xp, module))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fills == [1]
    assert len(results) == 4
    assert all(same(found, filled(xp)) for found in results)


def test_values_that_are_set_while_another_thread_fills_are_the_ones_that_stay(monkeypatch):
    numpy = load("numpy")
    module, fill, begun = described(numpy), init.Plan.fill, threading.Event()

    def slowly(self, *args, **keywords):
        begun.set()
        time.sleep(0.05)
        return fill(self, *args, **keywords)

    monkeypatch.setattr(init.Plan, "fill", slowly)
    thread = threading.Thread(target=module.forward, args=(inputs(numpy),))
    thread.start()
    begun.wait()
    module.set_params([np.zeros((2, 3)), np.zeros(2)])
    thread.join()
    assert same(values(numpy, module), [np.zeros((2, 3)), np.zeros(2)])


# ---------------------------------------------------------------- pickles
@both
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_a_described_module_is_pickled_as_a_description(xp, dumps):
    module = described(xp, plan=init.Plan([(2, 3), (2,)], [init.normal(0, 1), init.zeros()], ["w", "b"]))
    module.requires_grad = [False, True]
    again = pickle.loads(dumps(module))
    assert not module.is_materialized
    assert not again.is_materialized
    assert again.requires_grad == [False, True]
    assert same(values(xp, again), values(xp, module))


def test_a_pickle_does_not_grow_with_the_parameters():
    plan = init.Plan([(1000, 1000), (2,)], [init.normal(0, 1), init.zeros()])
    module = tl.ScalarModuleDef(loss, plan=plan).instantiate(lazy=True)
    assert len(pickle.dumps(module)) < 5000


def test_a_filled_module_is_pickled_with_its_values_and_without_the_cast(xp):
    definition = tl.ScalarModuleDef(loss, init_params=PLAN.fill(dtype="float64"), input_shapes=[(3,), (2,)])
    where = {"xp": xp.namespace, "dtype": xp.real, "device": xp.device}
    module = definition.instantiate(lambda x: np.asarray(x, dtype=xp.real)[()], **where, lazy=True)
    module.step(0.1, inputs(xp))
    again = pickle.loads(pickle.dumps(module))
    assert again.is_materialized
    assert same(values(xp, again), values(xp, module))


# ---------------------------------------------------------------- the host's copy
@both
def test_host_params_are_the_present_values(xp):
    module = described(xp)
    first = module.host_params()
    assert all(type(p) is np.ndarray and p.dtype == xp.real for p in first)
    assert same(first, filled(xp))
    opt = tl.optim.adam(0.1)
    changes = [
        lambda: module.step(0.1, inputs(xp)),
        lambda: module.step(0.1, inputs(xp)),
        lambda: module.step_with(opt, module.init_optim(opt), inputs(xp)),
        lambda: module.set_params([xp.asarray(np.full(shape, 0.5)) for shape in SHAPES]),
        lambda: init.apply_list(module, [init.zeros(), init.ones()]),
    ]
    read = [first]
    for change in changes:
        before = [p.copy() for p in read[-1]]
        change()
        read.append(module.host_params())
        assert same(read[-1], values(xp, module))
        assert not same(read[-1], before)
        # What was read stays as it was.
        assert same(read[-2], before)


def test_writing_to_what_was_read_changes_no_parameter(xp):
    module = described(xp)
    for p in module.host_params():
        p[...] = 7.0
    assert same(values(xp, module), filled(xp))


def test_bfloat16_is_read_as_float32(xp):
    if not xp.has("bfloat16"):
        pytest.skip(f"{xp.name} has no bfloat16")
    module = tl.ScalarModuleDef(loss, plan=PLAN).instantiate(xp=xp.namespace, dtype="bfloat16", lazy=True)
    host = module.host_params()
    assert all(p.dtype == np.float32 for p in host)
    assert same(host, [xp.to_numpy(xp.astype(p, xp.float32)) for p in module.params])
    assert module.digest() == PLAN.digest(xp.namespace, "bfloat16")
    assert same(pickle.loads(pickle.dumps(module)).host_params(), host)


def test_the_digest_of_a_module_is_that_of_its_plan_until_it_steps(xp):
    module = described(xp)
    assert module.digest() == PLAN.digest(dtype=xp.real)
    module.step(0.1, inputs(xp))
    values_now = [init.flat(p.ravel()) for p in module.host_params()]
    assert module.digest() == init.Plan(SHAPES, values_now, ["w", "b"]).digest(dtype=xp.real)
    assert module.digest() != PLAN.digest(dtype=xp.real)


# ---------------------------------------------------------------- memory
def test_a_plan_is_filled_without_a_second_array_on_the_host():
    shape = (1000, 500)
    plan = init.Plan([shape, (2,)], [init.uniform(-1, 1, seed=1), init.ones()])
    tl.ScalarModuleDef(loss, plan=plan).instantiate()  # imports, and probes of the library
    tracemalloc.start()
    try:
        module = tl.ScalarModuleDef(loss, plan=plan).instantiate(lazy=True)
        described_in = tracemalloc.get_traced_memory()[1]
        module.host_params()
        filled_in = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = 4 * 1000 * 500
    assert described_in < 100_000
    # The parameters, their copy, and the blocks that fills are made in.
    assert filled_in < 4 * size
