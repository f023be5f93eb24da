"""The hand-written gradients are held to finite differences, and the losses to them."""

import numpy as np
import pytest

import tl_arrayapi as tl
from benchmarks import by_hand, workloads

RNG = np.random.default_rng(5)


def normal(*shape):
    return RNG.standard_normal(shape)


MLP = [normal(4, 5), normal(5), normal(5, 5), normal(5), normal(5, 3), normal(3)]
SMALL = {
    "linear": ([normal(1, 4), normal(1)], [normal(6, 4), normal(6, 1)]),
    "tanh_mlp": (MLP, [normal(6, 4), normal(6, 3)]),
    "relu_mlp": (MLP, [normal(6, 4), np.asarray([0, 2, 1, 1, 0, 2])]),
    "wave": ([normal(9), normal(9)], [normal(9)]),
    "attention": ([normal(4, 4) for _ in range(4)], [normal(2, 3, 4), normal(2, 3, 4)]),
}


@pytest.mark.parametrize("name", SMALL)
def test_gradients_by_hand_agree_with_central_differences(name):
    params, inputs = SMALL[name]
    f = getattr(by_hand, name)
    _, grads = f(params, inputs)
    step = 1e-6
    directions = [np.random.default_rng(i).standard_normal(p.shape) for i, p in enumerate(params)]
    for i, v in enumerate(directions):
        up, down = (f([*params[:i], params[i] + s * step * v, *params[i + 1 :]], inputs)[0] for s in (1, -1))
        assert np.sum(grads[i] * v) == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", SMALL)
def test_losses_and_their_gradients_agree_with_those_by_hand(xp, name):
    params, inputs = SMALL[name]
    value, grads = getattr(by_hand, name)(params, inputs)
    arrays = [xp.asarray(a, dtype=xp.real if a.dtype.kind == "f" else None) for a in (*params, *inputs)]
    found = tl.value_and_grad(getattr(workloads, name), argnums=tuple(range(len(params))))(*arrays)
    np.testing.assert_allclose(xp.to_numpy(found[0]), value, rtol=xp.tolerance)
    for got, expected in zip(found[1], grads, strict=True):
        np.testing.assert_allclose(xp.to_numpy(got), expected, rtol=xp.tolerance, atol=xp.tolerance)


def test_adam_by_hand_moves_by_the_learning_rate_first():
    step = by_hand.adam([np.zeros(3)], [np.asarray([2.0, -5.0, 0.1])], 0.01)
    _, _, params = step()
    np.testing.assert_allclose(params[0], [-0.01, 0.01, -0.01], rtol=1e-6)
