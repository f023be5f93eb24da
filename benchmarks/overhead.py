"""What one operation costs a peer beyond the arithmetic: a chain of multiply, add and tanh on 16 float32 elements.

``start() -> pullback`` runs the chain and records it; ``pullback() -> gradient`` runs it back from ones.
x is differentiated; the factors and terms of the chain are constants.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.check import near, norm
from benchmarks.peers import TITLES
from benchmarks.timing import TURN

__all__ = ["measure"]

REPEATS = 100
LENGTH = 3 * REPEATS

Start = Callable[[], Callable[[], Any]]

_rng = np.random.default_rng(7)
X = _rng.uniform(-0.5, 0.5, 16).astype(np.float32)
W = _rng.uniform(0.95, 1.05, 16).astype(np.float32)
B = _rng.uniform(-0.02, 0.02, 16).astype(np.float32)
ONES = np.ones(16, np.float32)


def chain(x: Any, w: Any, b: Any, tanh: Callable[[Any], Any]) -> Any:
    for _ in range(REPEATS):
        x = tanh(x * w + b)
    return x


def expected() -> np.ndarray:
    """Work out the gradient in float64: the product of the derivatives w (1 - tanh^2)."""
    x, w, b = (a.astype(np.float64) for a in (X, W, B))
    gradient = np.ones(16)
    for _ in range(REPEATS):
        x = np.tanh(x * w + b)
        gradient *= w * (1 - x * x)
    return gradient


def ours() -> Start:
    import tl_arrayapi as tl

    def f(x: Any) -> Any:
        return chain(x, W, B, tl.array_namespace(x).tanh)

    def start() -> Callable[[], Any]:
        _, pullback = tl.vjp(f, X)
        return lambda: pullback(ONES)[0]

    return start


def naive() -> Start:
    """Run the chain and its derivative by hand: the arithmetic alone."""

    def start() -> Callable[[], Any]:
        x, outs = X, []
        for _ in range(REPEATS):
            x = np.tanh(x * W + B)
            outs.append(x)

        def pullback() -> Any:
            g = ONES
            for out in reversed(outs):
                g = g * (1 - out * out) * W
            return g

        return pullback

    return start


def torch_eager() -> Start:
    import torch

    x, w, b, ones = (torch.tensor(a) for a in (X, W, B, ONES))
    x.requires_grad_()

    def start() -> Callable[[], Any]:
        out = chain(x, w, b, torch.tanh)
        return lambda: torch.autograd.grad(out, x, ones)[0]

    return start


def hips() -> Start:
    import autograd.numpy as anp
    from autograd.core import make_vjp

    def start() -> Callable[[], Any]:
        pullback, _ = make_vjp(lambda x: chain(x, W, B, anp.tanh), X)
        return lambda: pullback(ONES)

    return start


def mygrad_eager() -> Start:
    import mygrad as mg

    def start() -> Callable[[], Any]:
        x = mg.tensor(X)
        out = chain(x, W, B, mg.tanh)

        def pullback() -> Any:
            out.backward(ONES)
            return x.grad

        return pullback

    return start


def jax_eager() -> Start:
    import jax
    import jax.numpy as jnp

    x, w, b, ones = (jnp.asarray(a) for a in (X, W, B, ONES))

    def start() -> Callable[[], Any]:
        _, pullback = jax.vjp(lambda x: chain(x, w, b, jnp.tanh), x)
        return lambda: pullback(ones)[0].block_until_ready()

    return start


PEERS: dict[str, Callable[[], Start]] = {
    "ours": ours,
    "naive": naive,
    "torch_eager": torch_eager,
    "hips": hips,
    "mygrad_eager": mygrad_eager,
    "jax_eager": jax_eager,
}


def measure(rounds: int) -> dict[str, Any]:
    """Check every peer's gradient, then time them in turn: seconds an operation, one number a round and direction."""
    truth = expected()
    starts: dict[str, Start] = {}
    notes = {}
    for peer, make in PEERS.items():
        try:
            starts[peer] = make()
        except ImportError as error:
            notes[peer] = f"not installed: {error}"
            continue
        near(f"{TITLES[peer]} on the chain: gradient", [starts[peer]()()], [truth], [1e-4 * norm(truth)])
    seconds: dict[str, dict[str, list[float]]] = {peer: {"forward": [], "backward": []} for peer in starts}
    for _ in range(rounds):
        for peer, start in starts.items():
            forward, backward = _passes(start)
            seconds[peer]["forward"].append(forward)
            seconds[peer]["backward"].append(backward)
    return {"seconds": seconds, "notes": notes}


def _passes(start: Start) -> tuple[float, float]:
    """Return the seconds of an operation forward, recording included, and backward: the fastest in one turn."""
    forward, backward = [], []
    start()()
    end = perf_counter() + TURN
    while not forward or perf_counter() < end:
        t0 = perf_counter()
        pullback = start()
        t1 = perf_counter()
        pullback()
        t2 = perf_counter()
        forward.append(t1 - t0)
        backward.append(t2 - t1)
    return min(forward) / LENGTH, min(backward) / LENGTH
