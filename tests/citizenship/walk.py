"""Evaluate the calls of `tests.citizenship.scipy_calls` on traced arrays of one library; print the outcomes as JSON.

SciPy decides when it is imported whether its functions take arrays of other libraries. This is therefore a program of
its own: ``python -m tests.citizenship.walk array_api_strict first scipy``.
"""

import importlib
import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.citizenship.scipy_calls import CONSTANTS, LEARNED, LEARNED_REFUSED, OPERANDS, REFUSED, RIGHT, imprecise

STEP = 1e-5

_LEARN = ("metrics", "metrics.pairwise", "preprocessing", "decomposition", "linear_model")
_MODULES = (
    *("special", "stats", "integrate", "differentiate", "optimize", "optimize.elementwise", "fft", "signal"),
    *("cluster.vq", "cluster.hierarchy", "interpolate", "ndimage", "linalg", "spatial", "spatial.distance"),
    *("spatial.transform", "constants"),
)


def scipy_names() -> dict[str, Any]:
    """Import SciPy, and return its modules by the last part of their names."""
    found = {name.rpartition(".")[2]: importlib.import_module(f"scipy.{name}") for name in _MODULES}
    transform = found["transform"]
    return found | {name: getattr(transform, name) for name in ("Rotation", "RigidTransform", "Slerp")}


def learn_names() -> dict[str, Any]:
    """Import scikit-learn, have it take arrays of any library, and return its modules."""
    importlib.import_module("sklearn").set_config(array_api_dispatch=True)
    return {name.rpartition(".")[2]: importlib.import_module(f"sklearn.{name}") for name in _LEARN}


def helpers(xp: Any) -> dict[str, Any]:
    """Return the functions that some calls pass on."""
    return {
        "xp": xp,
        "mean": lambda x, axis=-1: xp.mean(x, axis=axis),
        "difference": lambda x, y, axis=-1: xp.mean(x, axis=axis) - xp.mean(y, axis=axis),
        "product": lambda x: x[0] * x[1],
        "sine": lambda x: xp.sin(x),
        "bracket": (xp.full(3, -3.0), xp.full(3, 0.1), xp.full(3, 9.0)),
    }


def evaluate(code: Any, names: dict[str, Any], xp: Any, operands: dict[str, Any]) -> Any:
    """Return the result of a call; constants are those of ``xp``."""
    constants = {name: xp.asarray(value) for name, value in CONSTANTS.items() if name in code.co_names}
    return eval(code, names | helpers(xp) | constants | operands)


def as_real(xp: Any, out: Any) -> Any:
    return xp.real(out) + 2 * xp.imag(out) if xp.isdtype(out.dtype, "complex floating") else out


def weights(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(3).uniform(0.5, 1.5, shape)


class Walk:
    """The outcomes of calls on the arrays of one library."""

    def __init__(self, library: str, names: dict[str, Any]) -> None:
        import tl_arrayapi as tl

        self.tl = tl
        self.host = importlib.import_module("array_api_compat.numpy")
        self.xp = importlib.import_module(library)
        self.names = names

    def difference(self, code: Any, operands: dict[str, Any], direction: dict[str, Any]) -> float:
        """Return the derivative along ``direction`` by central differences of SciPy on NumPy's arrays."""

        def at(k: int) -> float:
            moved = {name: x + k * STEP * direction[name] for name, x in operands.items()}
            out = np.asarray(as_real(self.host, np.asarray(evaluate(code, self.names, self.host, moved))))
            return float(np.sum(out * weights(out.shape)))

        return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)

    def loss(self, code: Any, names: list[str]) -> Callable[..., Any]:
        """Return the weighted sum of the result of a call, as a function of its operands."""

        def loss(*values: Any) -> Any:
            xp = self.tl.array_namespace(*values)
            out = evaluate(code, self.names, xp, dict(zip(names, values, strict=True)))
            assert type(out).__name__ == "Array", f"the result is detached: a {type(out).__name__}"
            out = xp.astype(as_real(xp, out), values[0].dtype)
            return xp.sum(out * xp.asarray(weights(out.shape).tolist(), dtype=values[0].dtype))

        return loss

    def slope(self, loss: Callable[..., Any], direction: dict[str, Any]) -> Callable[..., Any]:
        """Return the derivative of ``loss`` along ``direction``, by our gradient."""

        def slope(*values: Any) -> Any:
            xp = self.tl.array_namespace(*values)
            grads = self.tl.grad(loss, tuple(range(len(values))))(*values)
            pairs = zip(grads, direction.values(), strict=True)
            return sum(xp.sum(g * xp.asarray(v.tolist(), dtype=g.dtype)) for g, v in pairs)

        return slope

    def outcome(self, call: str, mode: str) -> str:
        """Return "right", "wrong: ..." or "refused: ..." with the error."""
        code = compile(call, "<call>", "eval")
        names = set(code.co_names) | {name for inner in code.co_consts for name in getattr(inner, "co_names", ())}
        operands = {name: x for name, x in OPERANDS.items() if name in names}
        rngs = (np.random.default_rng(9 + i) for i in range(len(operands)))
        direction = {
            name: rng.uniform(-1.0, 1.0, x.shape) for (name, x), rng in zip(operands.items(), rngs, strict=True)
        }
        try:
            # What SciPy raises is what it meets in an Array that it cannot use: the tests say which calls may.
            found, expected = getattr(self, mode)(code, operands, direction)
        except (self.tl.errors.TLError, AttributeError, NotImplementedError, TypeError, ValueError) as error:
            return f"refused: {type(error).__name__}: {error}"
        close = abs(found - expected) <= (1e-4 if imprecise(call) else 1e-6) * (1 + abs(expected))
        return "right" if close else f"wrong: {found!r}, and not {expected!r}"

    # ---- modes: what is found, and what is expected
    def first(self, code: Any, operands: dict[str, Any], direction: dict[str, Any]) -> tuple[float, float]:
        """The gradient, against central differences of SciPy on NumPy's arrays."""
        loss = self.loss(code, list(operands))
        found = self.slope(loss, direction)(*(self.xp.asarray(x) for x in operands.values()))
        return float(found), self.difference(code, operands, direction)

    def second(self, code: Any, operands: dict[str, Any], direction: dict[str, Any]) -> tuple[float, float]:
        """The gradient of the gradient, against central differences of the gradient."""
        slope = self.slope(self.loss(code, list(operands)), direction)

        def at(k: int) -> float:
            return float(slope(*(self.xp.asarray(x + k * STEP * direction[name]) for name, x in operands.items())))

        found = self.slope(slope, direction)(*(self.xp.asarray(x) for x in operands.values()))
        return float(found), (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)

    def mapped(self, code: Any, operands: dict[str, Any], direction: dict[str, Any]) -> tuple[float, float]:
        """The difference of two examples under vmap, against that of two calls."""
        loss = self.loss(code, list(operands))
        pairs = [(self.xp.asarray(x), self.xp.asarray(x * 1.01)) for x in operands.values()]
        both = self.tl.vmap(loss)(*(self.xp.stack(pair) for pair in pairs))
        one, other = (self.tl.value_and_grad(loss)(*(pair[i] for pair in pairs))[0] for i in (0, 1))
        return float(both[0] - both[1]), float(one - other)


def main(library: str, mode: str, package: str) -> None:
    os.environ.update(SCIPY_ARRAY_API="1", JAX_ENABLE_X64="1")
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    names, tables = (
        (scipy_names(), (RIGHT, REFUSED)) if package == "scipy" else (learn_names(), (LEARNED, LEARNED_REFUSED))
    )
    walk = Walk(library, names)
    if library == "array_api_compat.torch":
        # SciPy makes constants in the default dtype.
        importlib.import_module("torch").set_default_dtype(walk.xp.float64)
    calls = [call for table in tables for group in table.values() for call in group]
    json.dump({call: walk.outcome(call, mode) for call in calls}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
