"""The Hessian of Rosenbrock's function against other libraries', and what each derivative costs beside a gradient.

All in float64. `torch.func` and JAX differentiate forwards over backwards; HIPS autograd pulls back one row at a time.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import tl_arrayapi as tl
from benchmarks.check import near, norm
from benchmarks.peers import TITLES
from benchmarks.timing import interleave

__all__ = ["DIMENSIONS", "measure", "measure_costs"]

DIMENSIONS = 200
TOLERANCE = 1e-12

Step = Callable[[], Any]


def rosenbrock(x: Any) -> Any:
    """Return the sum of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2."""
    total = tl.array_namespace(x).sum
    return total(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def residuals(x: Any) -> Any:
    """Return what Rosenbrock's function squares and adds."""
    return tl.array_namespace(x).concat([10.0 * (x[1:] - x[:-1] ** 2), 1.0 - x[:-1]])


def hessian_by_hand(x: np.ndarray) -> np.ndarray:
    diagonal = np.zeros(x.size)
    diagonal[:-1] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    diagonal[1:] += 200
    beside = -400 * x[:-1]
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


# ---- the peers: each makes its arrays, and returns a step
def ours(x: np.ndarray) -> Step:
    hessian = tl.hessian(rosenbrock)
    return lambda: hessian(x)


def hips(x: np.ndarray) -> Step:
    import autograd
    import autograd.numpy as anp

    hessian = autograd.hessian(lambda x: anp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))
    return lambda: hessian(x)


def torch_func(x: np.ndarray) -> Step:
    import torch

    given = torch.tensor(x)
    hessian = torch.func.hessian(lambda x: torch.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))
    return lambda: hessian(given)


def _jax() -> tuple[Any, Callable[[Any], Any]]:
    import jax

    jax.config.update("jax_enable_x64", True)
    total = jax.numpy.sum
    return jax, lambda x: total(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def jax_eager(x: np.ndarray) -> Step:
    jax, f = _jax()
    given = jax.numpy.asarray(x)
    return lambda: jax.hessian(f)(given).block_until_ready()


def jax_jit(x: np.ndarray) -> Step:
    jax, f = _jax()
    given = jax.numpy.asarray(x)
    hessian = jax.jit(jax.hessian(f))
    return lambda: hessian(given).block_until_ready()


def jax_first(x: np.ndarray) -> Step:
    """Compile anew each time: a new function is traced and compiled again."""
    jax, f = _jax()
    given = jax.numpy.asarray(x)
    return lambda: jax.jit(jax.hessian(lambda x: f(x)))(given).block_until_ready()


PEERS: dict[str, Callable[[np.ndarray], Step]] = {
    "ours": ours,
    "hips": hips,
    "torch_func": torch_func,
    "jax_eager": jax_eager,
    "jax_jit": jax_jit,
    "jax_first": jax_first,
}


def measure(rounds: int, peers: tuple[str, ...] = tuple(PEERS)) -> dict[str, Any]:
    """Check every peer's Hessian, then time them in turn: seconds for one, one number a round."""
    x = np.random.default_rng(3).standard_normal(DIMENSIONS)
    truth = hessian_by_hand(x)
    steps, notes = {}, {}
    for peer in peers:
        try:
            step = PEERS[peer](x)
        except ImportError as error:
            notes[peer] = f"not installed: {error}"
            continue
        near(f"{TITLES[peer]}: Hessian", [step()], [truth], [TOLERANCE * norm(truth)])
        steps[peer] = step
    return {"seconds": interleave(steps, rounds), "notes": notes}


def measure_costs(rounds: int) -> dict[str, Any]:
    """Time the value and the derivatives of Rosenbrock's function, and those of a network's loss (W2), in turn."""
    from benchmarks.workloads import tanh_mlp, workload

    x, v = np.random.default_rng(3).standard_normal((2, DIMENSIONS))
    gradient, jacobian, hessian = tl.grad(rosenbrock), tl.jacobian(residuals), tl.hessian(rosenbrock)
    made = workload("W2")
    params, inputs = tuple(made.params), tuple(made.inputs)

    def of_params(*params: Any) -> Any:
        return tanh_mlp(*params, *inputs)

    gradients = tl.grad(of_params, tuple(range(len(params))))
    return {
        "Rosenbrock's function": interleave(
            {
                "value": lambda: rosenbrock(x),
                "gradient": lambda: gradient(x),
                "jvp": lambda: tl.jvp(rosenbrock, (x,), (v,)),
                "hvp": lambda: tl.hvp(rosenbrock, (x,), (v,)),
                "jacobian": lambda: jacobian(x),
                "hessian": lambda: hessian(x),
            },
            rounds,
        ),
        "W2": interleave(
            {
                "value": lambda: of_params(*params),
                "gradient": lambda: gradients(*params),
                "jvp": lambda: tl.jvp(of_params, params, params),
                "hvp": lambda: tl.hvp(of_params, params, params),
            },
            rounds,
        ),
    }
