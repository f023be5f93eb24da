"""The handwritten digits and a model of them: data, split, loss, plan and accuracy. Nothing here knows a command line.

The images are the 1,797 of 8 x 8 pixels that scikit-learn ships: the test set of "Optical Recognition of Handwritten
Digits" (Alpaydin and Kaynak, UCI Machine Learning Repository, 1998). The model is an MLP with one hidden layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tl_arrayapi import backends
from tl_arrayapi.autograd import array_namespace, stop_gradient
from tl_arrayapi.init import Plan, xavier_for
from tl_arrayapi.init.splitmix64 import mix
from tl_arrayapi.module import ScalarModule, ScalarModuleDef
from tl_arrayapi.train import StackedSamples, shuffled, stack_samples

__all__ = ["Digits", "accuracy", "cross_entropy", "definition", "load", "plan", "scores"]

_PIXELS, _HIDDEN, _CLASSES = 64, 128, 10
_HELD_OUT = 360


@dataclass(frozen=True)
class Digits:
    """Hold the samples to train on and those held out: pixels in [0, 1], shape (n, 64), and labels 0 to 9, shape (n,).

    The arrays are NumPy's, float64 and int32.
    """

    training: StackedSamples
    held_out: StackedSamples

    @property
    def held_out_one_by_one(self) -> tuple[Any, Any]:
        """The samples held out as batches of one, shapes (n, 1, 64) and (n, 1), for a mean over samples."""
        pixels, labels = self.held_out.arrays
        return pixels[:, None, :], labels[:, None]


def load(seed: int) -> Digits:
    """Return the digits, split by ``seed``: the same way on every machine. Needs scikit-learn.

    >>> digits = load(seed=0)
    >>> len(digits.training), len(digits.held_out)
    (1437, 360)
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    # Mixed once, so that the split does not come from the stream that orders the first epoch.
    order = shuffled(len(labels), mix(seed), 0)
    # Pixels are integers from 0 to 16, so that the division is exact; every library has int32.
    samples = stack_samples(pixels / 16.0, labels.astype("int32"))
    training, held_out = samples.take(order[_HELD_OUT:]), samples.take(order[:_HELD_OUT])
    return Digits(stack_samples(*training), stack_samples(*held_out))


def scores(xp: Any, params: Sequence[Any], pixels: Any) -> Any:
    """Return the unnormalised log-probabilities of the ten digits, shape (n, 10), for pixels of shape (n, 64)."""
    hidden_weight, hidden_bias, output_weight, output_bias = params
    x = pixels @ hidden_weight + hidden_bias
    # SiLU (Elfwing, Uchibe and Doya, 2018): x times the logistic function of x. It is smooth, so that libraries that
    # round differently stay together; with the kink of a ReLU they part after some hundred steps.
    hidden = 0.5 * x * (1.0 + xp.tanh(0.5 * x))
    return hidden @ output_weight + output_bias


def cross_entropy(
    hidden_weight: Any, hidden_bias: Any, output_weight: Any, output_bias: Any, pixels: Any, labels: Any
) -> Any:
    """Return the mean negative log-probability of the right labels, 0-d, for (n, 64) pixels and (n,) labels."""
    xp = array_namespace(hidden_weight, pixels)
    logits = scores(xp, (hidden_weight, hidden_bias, output_weight, output_bias), pixels)
    # Any shift gives the same value; this one keeps exp from overflowing, and needs no gradient.
    shifted = logits - stop_gradient(xp.max(logits, axis=-1, keepdims=True))
    log_total = xp.log(xp.sum(xp.exp(shifted), axis=-1))
    classes = xp.arange(_CLASSES, dtype=labels.dtype, device=labels.device)
    right = xp.astype(labels[:, None] == classes, logits.dtype)
    return xp.mean(log_total - xp.sum(right * shifted, axis=-1))


def definition() -> ScalarModuleDef:
    """Return the definition of the 64-128-10 MLP with its cross-entropy, for any number of samples.

    >>> definition().param_shapes
    ((64, 128), (128,), (128, 10), (10,))
    """
    return ScalarModuleDef(
        cross_entropy,
        param_shapes=[(_PIXELS, _HIDDEN), (_HIDDEN,), (_HIDDEN, _CLASSES), (_CLASSES,)],
        input_shapes=[(None, _PIXELS), (None,)],
    )


def plan(seed: int) -> Plan:
    """Return how to fill the parameters: Xavier's uniform weights, each with a seed of its own, and zero biases.

    >>> plan(seed=0).names
    ('hidden_weight', 'hidden_bias', 'output_weight', 'output_bias')
    """
    return Plan.for_module(definition(), xavier_for, seed)


def accuracy(module: ScalarModule, samples: StackedSamples) -> float:
    """Return the share of samples, in [0, 1], whose label scores highest; it is computed with the module's library.

    ``samples`` are NumPy's, or the library's own.
    """
    pixels, labels = module.asarrays(samples.arrays)
    library = module.backend
    xp = library.namespace
    guesses = xp.argmax(scores(xp, module.params, pixels), axis=-1)
    right = library.to_host(guesses == xp.astype(labels, guesses.dtype))
    return int(backends.get(None).namespace.count_nonzero(right)) / len(samples)
