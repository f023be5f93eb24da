"""Optimisers: pairs of pure functions over lists of arrays, on any library.

>>> import numpy as np
>>> opt, params = adam(0.1), [np.asarray([1.0, -1.0])]
>>> state = opt.init(params)
>>> for _ in range(100):
...     params, state = opt.step(state, params, [2 * params[0]])  # the gradient of sum(x^2)
>>> print(bool(np.all(np.abs(params[0]) < 0.05)))
True
"""

from tl_arrayapi.optim.clipping import add_decayed_weights, clip_by_global_norm, clip_by_value
from tl_arrayapi.optim.muon import muon
from tl_arrayapi.optim.optimizer import Optimizer, Transformation, chain
from tl_arrayapi.optim.rules import adadelta, adagrad, adam, adamw, lion, momentum, rmsprop, sgd

__all__ = [
    "Optimizer",
    "Transformation",
    "adadelta",
    "adagrad",
    "adam",
    "adamw",
    "add_decayed_weights",
    "chain",
    "clip_by_global_norm",
    "clip_by_value",
    "lion",
    "momentum",
    "muon",
    "rmsprop",
    "sgd",
]
