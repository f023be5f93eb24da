"""The digits and their model: the split, the loss, the plan and the accuracy."""

import numpy as np
import pytest
from scipy.special import logsumexp

import tl_arrayapi as tl
from tests.libraries import Library
from tl_arrayapi.cli import digits

pytestmark = pytest.mark.usefixtures("backend")


def rows(samples):
    pixels, labels = samples.arrays
    return sorted(zip(map(bytes, pixels), labels.tolist(), strict=True))


def test_the_split_loses_no_digit_and_shares_none():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    data = digits.load(seed=0)
    assert (len(data.training), len(data.held_out)) == (1437, 360)
    together = sorted(rows(data.training) + rows(data.held_out))
    assert together == rows(tl.stack_samples(pixels / 16.0, labels))


def test_the_split_depends_on_the_seed_alone():
    assert rows(digits.load(seed=1).held_out) == rows(digits.load(seed=1).held_out)
    assert rows(digits.load(seed=1).held_out) != rows(digits.load(seed=2).held_out)


def test_the_split_is_the_same_everywhere():
    labels = digits.load(seed=0).held_out.arrays[1]
    assert labels[:12].tolist() == [2, 1, 1, 9, 6, 1, 2, 4, 7, 7, 5, 7]


def test_pixels_are_exact_and_between_0_and_1():
    pixels, labels = digits.load(seed=0).training.arrays
    assert pixels.min() == 0.0
    assert pixels.max() == 1.0
    assert np.array_equal(pixels * 16.0, np.round(pixels * 16.0))
    assert np.array_equal(pixels.astype("float16").astype("float64"), pixels)
    assert set(labels.tolist()) == set(range(10))


def test_every_class_is_held_out():
    assert set(digits.load(seed=0).held_out.arrays[1].tolist()) == set(range(10))


def module_on(xp: Library, seed: int = 3):
    options = tl.Options(xp=xp.namespace, dtype=xp.real, device=xp.device)
    return digits.definition().instantiate_float_with_runtime_plan(options, digits.plan(seed))


def by_hand(params, pixels, labels):
    hidden_weight, hidden_bias, output_weight, output_bias = (np.asarray(p, dtype="float64") for p in params)
    x = pixels @ hidden_weight + hidden_bias
    logits = (x / (1 + np.exp(-x))) @ output_weight + output_bias
    return logits, np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels])


def test_the_loss_is_the_cross_entropy_of_the_right_labels(xp):
    module = module_on(xp)
    pixels, labels = (x[:7] for x in digits.load(seed=0).training.arrays)
    expected = by_hand(map(xp.to_numpy, module.params), pixels, labels)[1]
    found = module.forward(module.asarrays((pixels, labels)))
    assert float(xp.to_numpy(found)) == pytest.approx(expected, rel=max(xp.tolerance, 1e-6 * (xp.real == "float32")))


def test_the_gradient_of_the_loss_is_that_of_finite_differences(xp):
    if xp.real != "float64":
        pytest.skip("finite differences need float64")
    module = module_on(xp)
    xs = module.asarrays([x[:4] for x in digits.load(seed=0).training.arrays])
    gradients = [xp.to_numpy(g) for g in module.backward(xs)]
    params = [xp.to_numpy(p).copy() for p in module.params]
    for k, place in ((0, (20, 5)), (1, (17,)), (2, (64, 3)), (3, (9,))):
        losses = []
        for move in (1e-6, -1e-6):
            moved = [p.copy() for p in params]
            moved[k][place] += move
            module.set_params(module.asarrays(moved))
            losses.append(float(xp.to_numpy(module.forward(xs))))
        slope = (losses[0] - losses[1]) / 2e-6
        assert gradients[k][place] == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_loss_stays_finite_for_scores_far_apart(dtype):
    module = digits.definition().instantiate_float_with_runtime_plan(tl.Options(dtype=dtype), digits.plan(0))
    module.set_params(module.asarrays([np.asarray(p, dtype="float64") * 40.0 for p in module.params]))
    xs = module.asarrays([x[:8] for x in digits.load(seed=0).training.arrays])
    loss, gradients = module.loss_and_grads(xs)
    assert np.isfinite(loss)
    assert loss > 1.0
    assert all(np.all(np.isfinite(g)) for g in gradients)


def test_a_mean_over_samples_one_by_one_is_the_mean_of_the_batch():
    data, module = (
        digits.load(seed=0),
        digits.definition().instantiate_float_with_runtime_plan(tl.Options(dtype="float64"), digits.plan(0)),
    )
    pixels, labels = data.held_out_one_by_one
    assert pixels.shape == (360, 1, 64)
    assert labels.shape == (360, 1)
    one_by_one = [float(module.forward((x, y))) for x, y in zip(pixels, labels, strict=True)]
    assert np.mean(one_by_one) == pytest.approx(float(module.forward(data.held_out.arrays)), rel=1e-12)


def test_parameters_come_from_the_seed_with_zero_biases():
    first, second = digits.plan(0).fill(), digits.plan(1).fill()
    assert [p.shape for p in first] == [(64, 128), (128,), (128, 10), (10,)]
    assert not first[1].any()
    assert not first[3].any()
    assert not np.array_equal(first[0], second[0])


def test_accuracy_is_the_share_of_right_guesses(xp):
    module = module_on(xp)
    pixels, labels = (x[:40] for x in digits.load(seed=0).held_out.arrays)
    guesses = np.argmax(by_hand(map(xp.to_numpy, module.params), pixels, labels)[0], axis=1)
    wrong = (guesses + 1) % 10
    mixed = np.where(np.arange(40) < 13, guesses, wrong).astype("int32")
    assert digits.accuracy(module, tl.stack_samples(pixels, mixed)) == 13 / 40
