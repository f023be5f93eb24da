"""Optimisers: their rules against PyTorch's, their states, and what they refuse."""

import gc
import math
import pickle
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.libraries import load
from tl_arrayapi import backends, optim
from tl_arrayapi.autograd.namespace import Namespace
from tl_arrayapi.errors import ArgumentError, DTypeError, NamespaceError, ShapeError, StructureError, TLError

MAKERS = {
    "sgd": lambda **k: optim.sgd(0.01, **k),
    "momentum": lambda **k: optim.momentum(0.01, **k),
    "adagrad": lambda **k: optim.adagrad(0.05, **k),
    "rmsprop": lambda **k: optim.rmsprop(0.01, **k),
    "adam": lambda **k: optim.adam(0.01, **k),
    "adamw": lambda **k: optim.adamw(0.01, **k),
    "adadelta": lambda **k: optim.adadelta(1.0, **k),
    "lion": lambda **k: optim.lion(0.01, **k),
    "muon": lambda **k: optim.muon(0.01, **k),
    "chained": lambda: optim.chain(optim.clip_by_global_norm(1.0), optim.clip_by_value(0.5), optim.adam(0.01)),
    "decayed": lambda: optim.chain(optim.add_decayed_weights(0.1), optim.momentum(0.01)),
}
HOST = load("numpy")
SHAPES = [(3, 4), (4,), (), (0, 2), (2, 3, 2), (5, 2)]
# Enough where a library compiles, or builds a graph, for each.
FEW = [(3, 2), (), (0, 2)]

every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def host_values(shapes=SHAPES, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape)) for shape in shapes]


def gradients(step, shapes=SHAPES):
    """Gradients of changing sign and of sizes from 1e-3 to 1e3, the same for every library."""
    rng = np.random.default_rng(1000 + step)
    return [np.asarray(rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4, size=shape)) for shape in shapes]


def run(optimizer, steps, shapes=SHAPES):
    params = host_values(shapes)
    state = optimizer.init(params)
    for step in range(steps):
        params, state = optimizer.step(state, params, gradients(step, shapes))
    return params


def leaves(tree):
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
    if isinstance(tree, list | tuple):
        return [leaf for entry in tree for leaf in leaves(entry)]
    return [tree]


# ---------------------------------------------------------------- the rules
TORCH = {
    "sgd": lambda o, p: o.SGD(p, lr=0.01),
    "momentum": lambda o, p: o.SGD(p, lr=0.01, momentum=0.9),
    "adagrad": lambda o, p: o.Adagrad(p, lr=0.05),
    "rmsprop": lambda o, p: o.RMSprop(p, lr=0.01),
    "adam": lambda o, p: o.Adam(p, lr=0.01),
    "adamw": lambda o, p: o.AdamW(p, lr=0.01),
    "adadelta": lambda o, p: o.Adadelta(p, lr=1.0),
    "decayed": lambda o, p: o.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1),
}


def torch_run(make, steps, shapes=SHAPES):
    torch = pytest.importorskip("torch")
    params = [torch.nn.Parameter(torch.asarray(p)) for p in host_values(shapes)]
    optimizer = make(torch.optim, params)
    for step in range(steps):
        for p, g in zip(params, gradients(step, shapes), strict=True):
            p.grad = torch.asarray(g)
        optimizer.step()
    return [p.detach().numpy() for p in params]


@pytest.mark.parametrize("name", TORCH)
def test_a_hundred_steps_equal_those_of_torch(name):
    for got, expected in zip(run(MAKERS[name](), 100), torch_run(TORCH[name], 100), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_defaults_are_those_of_torch():
    pairs = [
        (optim.adam(), lambda o, p: o.Adam(p)),
        (optim.adamw(), lambda o, p: o.AdamW(p)),
        (optim.rmsprop(), lambda o, p: o.RMSprop(p)),
        (optim.adagrad(), lambda o, p: o.Adagrad(p)),
        (optim.adadelta(), lambda o, p: o.Adadelta(p)),
        (optim.sgd(), lambda o, p: o.SGD(p)),
    ]
    for ours, theirs in pairs:
        for got, expected in zip(run(ours, 5), torch_run(theirs, 5), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)


def test_a_hundred_steps_of_muon_equal_those_of_torch(monkeypatch):
    torch = pytest.importorskip("torch")
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this torch has no Muon")
    # Torch iterates in bfloat16; without that cast its own code runs in float64.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    shapes = [(4, 4), (7, 3), (3, 7), (1, 5)]
    expected = torch_run(lambda o, p: o.Muon(p), 100, shapes)
    for got, want in zip(run(optim.muon(), 100, shapes), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)


def test_lion_follows_its_paper():
    # Chen et al., algorithm 2, with Optax's defaults, in NumPy.
    params, means = host_values(), [0.0] * len(SHAPES)
    for step in range(100):
        for k, g in enumerate(gradients(step)):
            move = np.sign(0.9 * means[k] + 0.1 * g)
            means[k] = 0.99 * means[k] + 0.01 * g
            params[k] = params[k] - 0.01 * (move + 1e-3 * params[k])
    for got, expected in zip(run(optim.lion(0.01), 100), params, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_muon_steps_what_is_no_matrix_by_the_other_optimizer():
    params, grads = host_values(), gradients(0)
    new, _ = (opt := optim.muon(0.01, others=optim.sgd(0.5))).step(opt.init(params), params, grads)
    for x, y, g in zip(params, new, grads, strict=True):
        assert x.ndim == 2 or np.array_equal(y, x - 0.5 * g)


def test_muon_moves_a_matrix_along_an_orthogonal_direction():
    opt, zero, g = optim.muon(1.0), np.zeros((4, 4)), np.random.default_rng(0).normal(size=(4, 4))
    (new,), _ = opt.step(opt.init([zero]), [zero], [g])
    singular = np.linalg.svd(new, compute_uv=False)
    assert 0.6 < singular[-1] <= singular[0] < 1.3
    assert np.sum(new * g) < 0


# ---------------------------------------------------------------- every library
@every
def test_two_steps_agree_with_numpy(xp, make):
    optimizer = make()
    params, expected = [xp.asarray(p) for p in host_values(FEW)], host_values(FEW)
    state, expected_state = optimizer.init(params), optimizer.init(expected)
    for step in range(2):
        params, state = optimizer.step(state, params, [xp.asarray(g) for g in gradients(step, FEW)])
        expected, expected_state = optimizer.step(expected_state, expected, gradients(step, FEW))
    for got, want in zip(params, expected, strict=True):
        # Muon's iteration is not a contraction: it enlarges the differences of matrix products between libraries.
        np.testing.assert_allclose(xp.to_numpy(got), want, rtol=200 * xp.tolerance, atol=200 * xp.tolerance)


@every
def test_parameters_and_state_keep_shape_dtype_and_kind(xp, make):
    for dtype in filter(xp.has, ("float16", "bfloat16", "float32")):
        optimizer, params = make(), [xp.asarray(p, dtype) for p in host_values(FEW)]
        state = optimizer.init(params)
        new, after = optimizer.step(state, params, [xp.asarray(g / 1e3, dtype) for g in gradients(0, FEW)])
        assert isinstance(new, list)
        for x, y in zip(params, new, strict=True):
            assert (y.shape, y.dtype, type(y)) == (x.shape, x.dtype, type(x))
            assert getattr(y, "device", None) == getattr(x, "device", None)
        for x, y in zip(leaves(state), leaves(after), strict=True):
            assert type(y) is type(x)
            assert isinstance(x, int) or (y.shape, y.dtype) == (x.shape, x.dtype)


@every
def test_a_step_writes_to_nothing_it_was_given(xp, make):
    optimizer, values, grads = make(), host_values(FEW), gradients(0, FEW)
    params, slopes = [xp.asarray(p) for p in values], [xp.asarray(g) for g in grads]
    _, state = optimizer.step(optimizer.init(params), params, slopes)
    held = [xp.to_numpy(leaf).copy() for leaf in leaves(state)]
    optimizer.step(state, params, slopes)
    for before, leaf in zip(held, leaves(state), strict=True):
        np.testing.assert_array_equal(xp.to_numpy(leaf), before)
    for before, leaf in zip([*values, *grads], [*params, *slopes], strict=True):
        assert np.array_equal(xp.to_numpy(leaf), before.astype(xp.to_numpy(leaf).dtype))


@every
def test_there_may_be_no_parameters(make):
    optimizer = make()
    state = optimizer.init([])
    params, after = optimizer.step(state, [], [])
    assert params == []
    assert len(leaves(after)) == len(leaves(state))


@every
def test_the_state_is_plain_data(make):
    params = host_values()

    def plain(tree):
        if isinstance(tree, dict):
            return all(type(key) is str and plain(value) for key, value in tree.items())
        if type(tree) in (list, tuple):
            return all(map(plain, tree))
        return type(tree) in (int, float, np.ndarray)

    optimizer = make()
    state = optimizer.init(params)
    assert plain(state)
    assert plain(optimizer.step(state, params, gradients(0))[1])


@every
def test_an_optimizer_can_be_pickled(make):
    optimizer = make()
    again = pickle.loads(pickle.dumps(optimizer))
    for x, y in zip(run(again, 2), run(optimizer, 2), strict=True):
        np.testing.assert_array_equal(x, y)


@every
def test_new_arrays_share_no_memory_with_old_ones(make):
    optimizer, params, grads = make(), host_values(), gradients(0)
    state = optimizer.init(params)
    new, after = optimizer.step(state, params, grads)
    old = [x for x in [*params, *grads, *leaves(state)] if isinstance(x, np.ndarray)]
    for x in [*new, *leaves(after)]:
        assert isinstance(x, int) or not any(np.shares_memory(x, y) for y in old)


@pytest.mark.parametrize(
    "make", [optim.adam, optim.adagrad, optim.rmsprop, optim.adadelta], ids=lambda make: make.__name__
)
def test_a_zero_gradient_does_not_move_a_half_precision_parameter(xp, make):
    x, zero = xp.asarray([1.0, -2.0], "float16"), xp.asarray([0.0, 0.0], "float16")
    optimizer = make()
    (new,), _ = optimizer.step(optimizer.init([x]), [x], [zero])
    np.testing.assert_array_equal(xp.to_numpy(new), [1.0, -2.0])


def test_a_small_half_precision_gradient_moves_adam_by_no_more_than_the_rate():
    # The square of 1e-4 is 0 in float16: without a larger eps the step would be a hundred times the rate.
    x, g = np.ones(1, "float16"), np.full(1, 1e-4, "float16")
    optimizer = optim.adam(0.01)
    (new,), _ = optimizer.step(optimizer.init([x]), [x], [g])
    assert abs(float(new[0]) - 1) <= 0.0101


# ---------------------------------------------------------------- learning rates
def test_a_schedule_is_asked_for_the_step_counted_from_zero():
    asked = []

    def schedule(step):
        asked.append(step)
        return np.float32(0.5) / (step + 1)

    optimizer, params = optim.sgd(schedule), [np.zeros(1, "float32")]
    state = optimizer.init(params)
    for _ in range(3):
        params, state = optimizer.step(state, params, [np.ones(1, "float32")])
    assert asked == [0, 1, 2]
    assert params[0].dtype == np.float32
    np.testing.assert_allclose(params[0], -0.5 * (1 + 1 / 2 + 1 / 3), rtol=1e-6)


def test_every_optimizer_takes_a_schedule():
    for make in (
        optim.momentum,
        optim.adagrad,
        optim.rmsprop,
        optim.adam,
        optim.adamw,
        optim.adadelta,
        optim.lion,
        optim.muon,
    ):
        for x, y in zip(run(make(lambda step: 0.125), 3), run(make(0.125), 3), strict=True):
            np.testing.assert_array_equal(x, y)


BAD_RATES = [math.nan, math.inf, -math.inf, -1e-9, True, "0.1", None, 1j, [0.1]]


@pytest.mark.parametrize("make", [optim.sgd, optim.adam, optim.lion, optim.muon], ids=lambda make: make.__name__)
@pytest.mark.parametrize("lr", BAD_RATES, ids=repr)
def test_a_learning_rate_that_is_no_finite_number_from_zero_up_is_refused(make, lr):
    with pytest.raises(ArgumentError, match="lr must be"):
        make(lr)


@pytest.mark.parametrize("lr", BAD_RATES, ids=repr)
def test_what_a_schedule_returns_is_refused_likewise_and_names_the_step(lr):
    optimizer, params = optim.adam(lambda step: 0.1 if step < 2 else lr), [np.ones(2)]
    state = optimizer.init(params)
    for _ in range(2):
        params, state = optimizer.step(state, params, [np.ones(2)])
    with pytest.raises(ArgumentError, match="schedule gives for step 2"):
        optimizer.step(state, params, [np.ones(2)])


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.momentum(momentum=1.0),
        lambda: optim.momentum(momentum=-0.1),
        lambda: optim.adam(betas=(1.0, 0.999)),
        lambda: optim.adam(betas=(0.9, 1.0)),
        lambda: optim.adam(betas=(0.9, math.nan)),
        lambda: optim.adam(betas=(0.9,)),
        lambda: optim.adam(betas=0.9),
        lambda: optim.adam(eps=-1e-8),
        lambda: optim.adamw(weight_decay=-0.1),
        lambda: optim.adagrad(eps=math.inf),
        lambda: optim.rmsprop(alpha=1.0),
        lambda: optim.adadelta(rho=2.0),
        lambda: optim.lion(betas=(0.9, -0.1)),
        lambda: optim.muon(momentum=1.0),
        lambda: optim.muon(weight_decay=math.nan),
        lambda: optim.clip_by_global_norm(0.0),
        lambda: optim.clip_by_value(-1.0),
        lambda: optim.add_decayed_weights(-1.0),
    ],
)
def test_a_number_outside_its_range_is_refused(make):
    with pytest.raises(ArgumentError, match="must be"):
        make()


# ---------------------------------------------------------------- a step in two parts
SCHEDULED = {
    **MAKERS,
    "scheduled": lambda: optim.adamw(lambda step: 0.1 / (1 + step)),
    "scheduled muon": lambda: optim.muon(lambda step: 0.1 / (1 + step), others=optim.lion(lambda step: 0.01 * step)),
    "scheduled chain": lambda: optim.chain(
        optim.add_decayed_weights(0.1), optim.clip_by_value(1.0), optim.momentum(lambda step: 0.1 / (1 + step))
    ),
    "chain of a chain": lambda: optim.chain(
        optim.clip_by_value(1.0), optim.chain(optim.clip_by_global_norm(2.0), optim.adam(lambda step: 0.1 / (1 + step)))
    ),
}
scheduled = pytest.mark.parametrize("make", SCHEDULED.values(), ids=SCHEDULED)


def assert_same_bits(xp, got, expected):
    assert len(leaves(got)) == len(leaves(expected))
    for x, y in zip(leaves(got), leaves(expected), strict=True):
        assert type(x) is type(y)
        if isinstance(x, int):
            assert x == y
        else:
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            assert xp.to_numpy(x).tobytes() == xp.to_numpy(y).tobytes()


def two_steps(xp, optimizer, dtype, as_scalar):
    """Take two steps, each whole and in two parts, and compare them."""
    params = [xp.asarray(p, dtype) for p in host_values(FEW)]
    state = optimizer.init(params)
    for step in range(2):
        grads = [xp.asarray(g, dtype) for g in gradients(step, FEW)]
        whole = optimizer.step(state, params, grads)
        scalars = tuple(as_scalar(number) for number in optimizer.scalars(state))
        assert_same_bits(xp, optimizer.update(scalars, state, params, grads), whole)
        params, state = whole


@scheduled
def test_a_step_is_its_update_with_its_scalars_to_the_bit(xp, make):
    two_steps(xp, make(), xp.real, lambda number: number)


LIBRARIES = pytest.mark.parametrize("library", ["numpy", "torch", "array_api_strict", "strict-device1"])


@scheduled
@LIBRARIES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scalars_may_be_arrays_of_the_parameters_dtype(library, make, dtype):
    xp = load(library)
    two_steps(xp, make(), dtype, lambda number: xp.asarray(number, dtype))


@scheduled
@LIBRARIES
def test_scalars_may_be_arrays_of_a_wider_dtype_than_the_parameters(library, make):
    xp = load(library)
    two_steps(xp, make(), "float32", lambda number: xp.asarray(number, "float64"))


@scheduled
def test_scalars_are_floats_that_do_not_depend_on_the_arrays(make):
    optimizer, params = make(), host_values()
    state = optimizer.init(params)
    for step in range(3):
        scalars = optimizer.scalars(state)
        assert type(scalars) is tuple
        assert all(type(number) is float for number in scalars)
        params, state = optimizer.step(state, params, gradients(step))
    assert optimizer.scalars(with_zeros(state)) == optimizer.scalars(state)


def with_zeros(tree):
    if isinstance(tree, dict):
        return {key: with_zeros(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map(with_zeros, tree))
    return tree if isinstance(tree, int) else np.zeros_like(tree)


@scheduled
def test_an_update_does_the_same_to_arrays_at_every_step(make):
    # A program made of one update is used for all steps: what they count must not reach the arrays.
    optimizer, params = make(), host_values()
    state, scalars = optimizer.init(params), optimizer.scalars(optimizer.init(params))
    new, after = optimizer.update(scalars, state, params, gradients(0))
    later, after_later = optimizer.update(scalars, counted(state, 7), params, gradients(0))
    for x, y in zip(new, later, strict=True):
        np.testing.assert_array_equal(x, y)
    assert_same_bits(HOST, after_later, counted(after, 7))


def counted(tree, steps):
    """Return a state whose step counts are so many more."""
    if isinstance(tree, dict):
        return {key: counted(value, steps) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(counted(entry, steps) for entry in tree)
    return tree + steps if isinstance(tree, int) else tree


@scheduled
def test_an_update_writes_to_nothing_it_was_given(make):
    optimizer, params, grads = make(), host_values(), gradients(0)
    _, state = optimizer.step(optimizer.init(params), params, grads)
    given = [np.asarray(number) for number in optimizer.scalars(state)]
    held = [np.copy(x) for x in [*given, *params, *grads, *leaves(state)]]
    optimizer.update(tuple(given), state, params, grads)
    for before, x in zip(held, [*given, *params, *grads, *leaves(state)], strict=True):
        np.testing.assert_array_equal(x, before)


@scheduled
def test_an_update_reads_no_value(make):
    # Under `jax.jit` arrays have none; the reads that NumPy would forgive raise there.
    jax = pytest.importorskip("jax")
    optimizer, params, grads = make(), host_values(FEW), gradients(0, FEW)
    state = optimizer.init(params)
    arrays, ints = (lambda leaf: not isinstance(leaf, int)), optimizer.scalars(state)
    held = [leaf for leaf in leaves(state) if arrays(leaf)]

    def run(scalars, held, params, grads):
        rest = iter(held)
        return optimizer.update(scalars, refilled(state, rest), params, grads)[0]

    got = jax.jit(run)(ints, held, params, grads)
    for x, y in zip(got, optimizer.step(state, params, grads)[0], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


def refilled(tree, rest):
    if isinstance(tree, dict):
        return {key: refilled(tree[key], rest) for key in sorted(tree)}
    if isinstance(tree, list | tuple):
        return type(tree)([refilled(entry, rest) for entry in tree])
    return tree if isinstance(tree, int) else next(rest)


def test_a_namespace_that_a_trace_makes_for_itself_is_not_kept():
    made = {}
    for name, make in SCHEDULED.items():
        fresh, optimizer = Namespace(backends.get(None)), make()
        params, grads = ([fresh.asarray(x) for x in values(FEW)] for values in (host_values, lambda s: gradients(0, s)))
        state = optimizer.init(params)
        optimizer.update(optimizer.scalars(state), state, params, grads)
        made[name] = weakref.ref(fresh)
    del fresh, params, grads, state
    gc.collect()
    assert [name for name, kept in made.items() if kept() is not None] == []


OTHER_RATES = {
    "sgd": lambda lr: optim.sgd(lr),
    "adam": lambda lr: optim.adam(lr),
    "muon": lambda lr: optim.muon(lr),
    "muon of others": lambda lr: optim.muon(0.1, others=optim.lion(lr)),
    "chain": lambda lr: optim.chain(optim.clip_by_value(1.0), optim.clip_by_global_norm(2.0), optim.momentum(lr)),
}


@pytest.mark.parametrize("make", OTHER_RATES.values(), ids=OTHER_RATES)
def test_updates_that_differ_in_the_learning_rate_alone_are_equal(make):
    # Programs are kept by their updates: an optimiser made anew at every step must not make one at every step.
    first, *others = (make(lr) for lr in (0.1, 0.1, 0.2, lambda step: 0.1))
    for other in others:
        assert other.update == first.update
        assert hash(other.update) == hash(first.update)
        assert other != first


def test_updates_that_do_something_else_to_arrays_differ():
    updates = [
        *(make().update for make in MAKERS.values()),
        optim.adam(betas=(0.8, 0.999)).update,
        optim.adam(eps=1e-3).update,
        optim.adamw(weight_decay=0.5).update,
        optim.muon(others=optim.sgd()).update,
        optim.chain(optim.clip_by_value(0.7), optim.adam()).update,
        optim.chain(optim.clip_by_global_norm(0.7), optim.adam()).update,
        optim.chain(optim.add_decayed_weights(0.7), optim.adam()).update,
    ]
    for i, one in enumerate(updates):
        assert all(one != other for other in updates[:i])


def test_what_is_built_with_two_functions_has_no_parts_and_neither_has_a_chain_of_it():
    halve = optim.Transformation(lambda params: (), lambda state, params, grads: ([g / 2 for g in grads], state))
    own = optim.Optimizer(optim.sgd(1.0).init, optim.sgd(1.0).step)
    wholes = [
        own,
        optim.chain(halve, optim.sgd(1.0)),
        optim.chain(optim.clip_by_value(1.0), own),
        optim.muon(others=own),
    ]
    for whole in (halve, *wholes):
        assert whole.scalars is None
        assert whole.update is None
    params = [np.zeros((2, 2)), np.zeros(2)]
    for whole in wholes:
        new, _ = whole.step(whole.init(params), params, [np.ones((2, 2)), np.ones(2)])
        assert all(np.all(x < 0) for x in new)


def test_an_own_transformation_in_two_parts_takes_part_in_a_chain():
    def update(scalars, state, params, grads):
        return [g * scalars[0] + scalars[1] for g in grads], {"step": state["step"] + 1}

    def scalars(state):
        return float(state["step"]), 0.5

    grow = optim.Transformation(
        lambda params: {"step": 2},
        lambda state, params, grads: update(scalars(state), state, params, grads),
        scalars,
        update,
    )
    chained, params, grads = optim.chain(grow, grow, optim.sgd(0.25)), [np.zeros(2)], [np.ones(2)]
    state = chained.init(params)
    assert chained.scalars(state) == (2.0, 0.5, 2.0, 0.5, 0.25)
    got = chained.update(chained.scalars(state), state, params, grads)
    assert got[1] == ({"step": 3}, {"step": 3}, {"step": 1})
    np.testing.assert_array_equal(got[0][0], [-0.25 * ((1 * 2 + 0.5) * 2 + 0.5)] * 2)
    assert_same_bits(HOST, got, chained.step(state, params, grads))


@every
def test_an_update_refuses_what_a_step_refuses(make):
    optimizer, params, grads = make(), host_values(), gradients(0)
    state = optimizer.init(params)
    scalars = optimizer.scalars(state)
    for bad_state, bad_grads in ((state, grads[:-1]), (state, [grads[0].T, *grads[1:]]), (None, grads)):
        with pytest.raises(TLError) as whole:
            optimizer.step(bad_state, params, bad_grads)
        with pytest.raises(type(whole.value)) as parted:
            optimizer.update(scalars, bad_state, params, bad_grads)
        assert str(parted.value) == str(whole.value)


@pytest.mark.parametrize(
    "make", [MAKERS[name] for name in ("adam", "muon", "chained")], ids=["adam", "muon", "chained"]
)
def test_scalars_refuse_the_state_of_another_optimizer_as_a_step_does(make):
    optimizer, params = make(), host_values()
    for state in (None, [1], {"step": 0}, {"a": 1}):
        with pytest.raises(StructureError) as whole:
            optimizer.step(state, params, gradients(0))
        with pytest.raises(StructureError) as scalars:
            optimizer.scalars(state)
        assert str(scalars.value) == str(whole.value)


def test_scalars_name_the_step_for_which_a_schedule_fails():
    with pytest.raises(ArgumentError, match="schedule gives for step 2"):
        optim.sgd(lambda step: math.nan).scalars({"step": 2})


# ---------------------------------------------------------------- clipping and chains
def test_clipping_by_the_global_norm_equals_torch():
    torch = pytest.importorskip("torch")
    grads = [np.asarray([[3.0, -4.0]]), np.asarray(12.0)]
    params = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = torch.tensor(g)  # a copy, for torch clips in place
    torch.nn.utils.clip_grad_norm_(params, 1.0)
    clipped, _ = optim.clip_by_global_norm(1.0).step((), grads, grads)
    for got, p in zip(clipped, params, strict=True):
        np.testing.assert_allclose(got, p.grad.numpy(), rtol=1e-6)  # torch adds 1e-6 to the norm


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5), st.floats(1e-3, 1e3))
def test_the_norm_after_clipping_is_the_smaller_of_norm_and_limit(values, limit):
    grads = [np.asarray(v) for v in values]
    clipped, _ = optim.clip_by_global_norm(limit).step((), grads, grads)
    assert np.isclose(np.linalg.norm(clipped), min(np.linalg.norm(values), limit), rtol=1e-12, atol=1e-300)


def test_gradients_within_the_limit_keep_their_bits(xp):
    grads = [xp.asarray([0.1, 0.2, 0.3]), xp.asarray(0.7)]
    for clip in (optim.clip_by_global_norm(1.0), optim.clip_by_value(1.0)):
        clipped, _ = clip.step((), grads, grads)
        for got, g in zip(clipped, grads, strict=True):
            np.testing.assert_array_equal(xp.to_numpy(got), xp.to_numpy(g))


def test_the_global_norm_of_half_precision_gradients_does_not_overflow(xp):
    grads = [xp.asarray([3e3, 4e3], "float16")]
    (clipped,), _ = optim.clip_by_global_norm(1.0).step((), grads, grads)
    np.testing.assert_allclose(xp.to_numpy(clipped), [0.6, 0.8], rtol=1e-3)
    assert clipped.dtype == grads[0].dtype


def test_gradients_of_two_dtypes_have_one_norm_and_keep_their_dtypes():
    grads = [np.asarray([3.0], "float32"), np.asarray([4.0])]
    clipped, _ = optim.clip_by_global_norm(1.0).step((), grads, grads)
    assert [g.dtype.name for g in clipped] == ["float32", "float64"]
    np.testing.assert_allclose(np.concatenate(clipped), [0.6, 0.8], rtol=1e-6)


def test_a_nan_gradient_is_not_hidden_by_clipping():
    grads = [np.asarray([math.nan, 1.0]), np.asarray([1.0])]
    clipped, _ = optim.clip_by_global_norm(1.0).step((), grads, grads)
    assert all(np.isnan(g).all() for g in clipped)


def test_transformations_apply_in_the_order_given():
    grads, params = [np.asarray([3.0, 4.0])], [np.zeros(2)]
    value, norm = optim.clip_by_value(1.0), optim.clip_by_global_norm(1.0)
    first = optim.chain(value, norm, optim.sgd(1.0))
    second = optim.chain(norm, value, optim.sgd(1.0))
    np.testing.assert_allclose(first.step(first.init(params), params, grads)[0][0], [-(0.5**0.5)] * 2)
    np.testing.assert_allclose(second.step(second.init(params), params, grads)[0][0], [-0.6, -0.8])


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (optim.clip_by_value(1.0),),
        (optim.sgd(0.1), optim.sgd(0.1)),
        (optim.sgd(0.1), optim.clip_by_value(1.0)),
        (None, optim.sgd(0.1)),
    ],
)
def test_a_chain_needs_its_one_optimizer_at_the_end(parts):
    with pytest.raises(StructureError, match="chain"):
        optim.chain(*parts)


# ---------------------------------------------------------------- what is refused
def test_integer_parameters_are_refused(xp):
    with pytest.raises(DTypeError, match=r"params\[1\] is .*int32"):
        optim.adam().init([xp.asarray([1.0]), xp.asarray([1], "int32")])


@every
@pytest.mark.parametrize(
    ("grads", "error", "named"),
    [
        (lambda g: g[:-1], StructureError, "grads has 5 entries for 6 parameters"),
        (lambda g: [g[0].T, *g[1:]], ShapeError, r"grads\[0\] has shape \(4, 3\)"),
        (lambda g: [g[0], g[1].astype("float32"), *g[2:]], DTypeError, r"grads\[1\] is float32"),
        (lambda g: [None, *g[1:]], StructureError, r"grads\[0\] is a NoneType"),
    ],
)
def test_gradients_that_do_not_fit_the_parameters_are_refused(make, grads, error, named):
    optimizer, params = make(), host_values()
    with pytest.raises(error, match=named):
        optimizer.step(optimizer.init(params), params, grads(gradients(0)))


@pytest.mark.parametrize(
    ("spoil", "error", "named"),
    [
        (lambda s: {**s, "m": s["m"][:-1]}, StructureError, r"state\['m'\] has 5 entries for 6"),
        (lambda s: {**s, "v": [s["v"][0].T, *s["v"][1:]]}, ShapeError, r"state\['v'\]\[0\] has shape \(4, 3\)"),
        (lambda s: {**s, "m": [x.astype("float32") for x in s["m"]]}, DTypeError, r"state\['m'\]\[0\] is float32"),
        (lambda s: {**s, "m": None}, StructureError, r"state\['m'\] is a NoneType"),
        (lambda s: {**s, "m": ["?"] * 6}, StructureError, r"state\['m'\]\[0\] is a str"),
        (lambda s: {**s, "step": -1}, ArgumentError, r"state\['step'\]"),
        (lambda s: {**s, "step": 0.5}, ArgumentError, r"state\['step'\]"),
        (lambda s: {**s, "more": []}, StructureError, "more"),
        (lambda s: {"step": 0}, StructureError, "'m', 'step', 'v'"),
        (lambda s: (), StructureError, "tuple"),
        (lambda s: None, StructureError, "init"),
    ],
)
def test_the_state_of_another_module_or_optimizer_is_refused_by_the_entry(spoil, error, named):
    optimizer, params = optim.adam(), host_values()
    with pytest.raises(error, match=named):
        optimizer.step(spoil(optimizer.init(params)), params, gradients(0))


def test_the_state_of_another_chain_is_refused():
    optimizer, params = MAKERS["chained"](), host_values()
    for state in ((), optim.adam().init(params), (*optimizer.init(params), ())):
        with pytest.raises(StructureError, match="entries"):
            optimizer.step(state, params, gradients(0))


def test_the_state_of_another_muon_is_refused():
    optimizer, params = optim.muon(), host_values()
    with pytest.raises(StructureError, match="Muon"):
        optimizer.step(optim.adam().init(params), params, gradients(0))


def test_gradients_of_another_library_are_refused():
    strict = pytest.importorskip("array_api_strict")
    optimizer, params = optim.sgd(), [np.ones(2)]
    with pytest.raises(NamespaceError):
        optimizer.step(optimizer.init(params), params, [strict.ones(2)])
