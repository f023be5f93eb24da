"""The checks of one call on one library: value, first and second derivative, another library's gradient, maps.

Each returns the name under which it is counted, and fails by an assertion. Derivatives are held against central
differences of the function itself, computed by NumPy in double precision.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest
from array_api_compat import is_array_api_obj

import tl_arrayapi as tl
from tests.libraries import Library, installed, load
from tests.proof.calls import Call, Function, Holds, outputs
from tests.proof.shapes import arranged
from tl_arrayapi.autograd.array import bottom
from tl_arrayapi.errors import NoRuleError, TLError

__all__ = ["CHECKS", "checks_of"]

Host = np.ndarray[Any, Any]

CHECKS = {
    "value": "equals the library's own result, in value, shape and dtype",
    "host": "equals NumPy's result, where the library has none, or one that is not the standard's",
    "refused": "is refused with an error that says so: the library cannot do it",
    "gradient": "the first derivative agrees with central differences",
    "second": "the second derivative agrees with central differences of the first",
    "oracle": "the gradient agrees with PyTorch's or JAX's own",
    "zero": "the gradient is zero, as promised",
    "map": "vmap agrees with a loop over the examples",
    "unmapped": "vmap refuses it, with an error that says so",
}

STEP = 1e-6
EXAMPLES = 3

Check = Callable[[Library, Function, Call], str]


def checks_of(function: Function, call: Call) -> list[Check]:
    """Return what there is to check of a call."""
    found: list[Check] = [check_value]
    if function.holds is Holds.DIFFERENTIABLE and call.watched:
        found += [check_gradient, check_second]
        if function.oracle and installed(function.oracle):
            found.append(check_oracle)
    if function.holds is Holds.ZERO and call.operands:
        found.append(check_zero)
    if call.operands and function.maps is not None:
        found.append(check_map if function.maps else check_unmapped)
    return found


def _is_double(call: Call) -> bool:
    return not any(x.dtype.name in ("float32", "complex64") for x in call.operands)


def _arrays(xp: Library, call: Call) -> list[Any]:
    return [arranged(xp, x, call.layout) for x in call.operands]


# ---- values
def check_value(xp: Library, function: Function, call: Call) -> str:
    """Compare with the library's own function, or NumPy's where ours mends it; and what each of them refuses."""
    if xp.name in function.refused:
        with pytest.raises(TLError, match=xp.name):
            _value(xp, call)
        return "refused"
    if xp.name in function.mended:
        return _check_against_host(xp, call)
    arrays = _arrays(xp, call)
    expected, refusal = _attempt(lambda: _on_host(xp, call.run(xp.namespace, *arrays)))
    if refusal is None:
        _assert_alike(_value(xp, call), expected)
        return "value"
    _, error = _attempt(lambda: _value(xp, call))
    if error is None:
        return _check_against_host(xp, call)
    if not isinstance(error, TLError | type(refusal)):
        raise AssertionError(f"what {xp.name} refuses with {refusal!r} raises {error!r}") from error
    return "refused"


def _check_against_host(xp: Library, call: Call) -> str:
    # Observed: two libraries choose signs and phases as they like.
    ours, host = tl.namespace(xp.namespace), load("numpy")
    got = _on_host(xp, call.observe(ours, *map(ours.lift, _arrays(xp, call))))
    _assert_alike(got, _on_host(host, call.observe(host.namespace, *call.operands)))
    return "host"


def _value(xp: Library, call: Call) -> Any:
    """Return what the differentiable namespace makes of the call."""
    ours = tl.namespace(xp.namespace)
    return _on_host(xp, call.run(ours, *map(ours.lift, _arrays(xp, call))))


def _attempt(run: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """Return the result, or the error: a library may raise what it likes where it cannot do what the standard says."""
    try:
        return run(), None
    except Exception as error:  # noqa: BLE001  (whatever a library may raise)
        return None, error


def _on_host(xp: Library, found: Any) -> Any:
    """Return arrays as NumPy's, in tuples where there are several, and everything else as it is."""
    found = bottom(found)
    if isinstance(found, tuple | list):
        return tuple(_on_host(xp, part) for part in found)
    return xp.to_numpy(found) if is_array_api_obj(found) else found


def _assert_alike(got: Any, expected: Any) -> None:
    """Compare arrays in value, shape and dtype, and everything else (dtypes, numbers) by equality."""
    if isinstance(expected, tuple):
        assert len(got) == len(expected)
        for one, another in zip(got, expected, strict=True):
            _assert_alike(one, another)
    elif isinstance(expected, np.ndarray):
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        tolerance = 64 * np.finfo(got.dtype).eps if got.dtype.kind in "fc" else 0
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    else:
        assert got == expected


# ---- derivatives
def check_gradient(xp: Library, function: Function, call: Call) -> str:
    """Compare the derivative along a direction with central differences."""
    grads = _gradient(xp, call)
    directions = _directions(call, 1)
    for g, i in zip(grads, call.watched, strict=True):
        assert g.shape == call.operands[i].shape
        assert g.dtype == call.operands[i].dtype
    scale = 1 + sum(float(np.sum(np.abs(g * v))) for g, v in zip(grads, directions, strict=True))
    expected = _difference(lambda *operands: _loss(load("numpy"), call)(*operands), call, directions)
    _assert_close(_along(grads, directions), expected, scale, 1e-6 if _is_double(call) else 1e-3)
    return "gradient"


def check_second(xp: Library, function: Function, call: Call) -> str:
    """Compare the derivative of the derivative along one direction, along another, with central differences."""
    first, second = _directions(call, 1), _directions(call, 2)
    grads = tl.grad(_slope(xp, call, first), call.watched)(*_arrays(xp, call))
    hosts = [xp.to_numpy(g) for g in grads]
    scale = 1 + sum(float(np.sum(np.abs(g * v))) for g, v in zip(hosts, second, strict=True))
    expected = _difference(_slope(load("numpy"), call, first), call, second)
    _assert_close(_along(hosts, second), expected, scale, 1e-5 if _is_double(call) else 5e-3)
    return "second"


def check_oracle(xp: Library, function: Function, call: Call) -> str:
    """Compare the gradient, element by element, with that of another library's own differentiation, in double."""
    expected = {"torch": _gradient_by_torch, "jax": _gradient_by_jax}[function.oracle](call)
    tolerance = 1e-9 if _is_double(call) else 1e-3
    for g, e in zip(_gradient(xp, call), expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance * max(1.0, float(np.max(np.abs(e), initial=0))))
    return "oracle"


def check_zero(xp: Library, function: Function, call: Call) -> str:
    """See that nothing flows through: the gradient of sum(x) plus the result is that of sum(x)."""
    cast = not call.watched
    operands = [np.asarray(x, dtype="float64") for x in call.operands] if cast else list(call.operands)

    def loss(*operands: Any) -> Any:
        space = tl.array_namespace(*operands)
        given = [space.astype(x, getattr(space, o.dtype.name)) if cast else x
                 for x, o in zip(operands, call.operands, strict=True)]  # fmt: skip
        terms = [space.sum(_real(space, x)) for x in operands]
        for out in outputs(call.run(space, *given)):
            if hasattr(out, "dtype"):
                terms.append(space.sum(space.astype(_real(space, out), terms[0].dtype)))
        return reduce(add, terms)

    grads = tl.grad(loss, tuple(range(len(operands))))(*(arranged(xp, x, call.layout) for x in operands))
    for g, x in zip(grads, operands, strict=True):
        np.testing.assert_array_equal(xp.to_numpy(g), np.ones_like(x))
    return "zero"


def _gradient(xp: Library, call: Call) -> list[Host]:
    return [xp.to_numpy(g) for g in tl.grad(_loss(xp, call), call.watched)(*_arrays(xp, call))]


def _loss(xp: Library, call: Call, space: Any = None) -> Callable[..., Any]:
    """Return sum(weights * results) as a function of the operands."""

    def loss(*operands: Any) -> Any:
        names = tl.array_namespace(*operands) if space is None else space
        parts: list[Any] = []
        for out in call.observe(names, *operands):
            if names.isdtype(out.dtype, "complex floating"):
                parts += [names.real(out), names.imag(out)]
            elif names.isdtype(out.dtype, "real floating"):
                parts.append(out)
        weighted = (
            names.sum(part * names.astype(xp.asarray(_random(part.shape, place)), part.dtype))
            for place, part in enumerate(parts)
        )
        return reduce(add, weighted)

    return loss


def _slope(xp: Library, call: Call, directions: list[Host]) -> Callable[..., Any]:
    """Return the derivative of the loss along ``directions`` as a function of the operands, made of its gradient."""

    def slope(*operands: Any) -> Any:
        space = tl.array_namespace(*operands)
        grads = tl.grad(_loss(xp, call), call.watched)(*operands)
        terms = (space.sum(g * space.astype(xp.asarray(v), g.dtype)) for g, v in zip(grads, directions, strict=True))
        return reduce(add, (_real(space, term) for term in terms))

    return slope


def _real(space: Any, x: Any) -> Any:
    return space.real(x) if space.isdtype(x.dtype, "complex floating") else x


def _difference(f: Callable[..., Any], call: Call, directions: list[Host]) -> float:
    """Return the central difference of a scalar function of double precision NumPy arrays."""

    def moved(step: float) -> float:
        operands: list[Host] = [_double(x) for x in call.operands]
        for i, v in zip(call.watched, directions, strict=True):
            operands[i] = operands[i] + step * v
        return float(f(*operands))

    return (moved(STEP) - moved(-STEP)) / (2 * STEP)


def _double(x: Host) -> Host:
    return x.astype({"f": "float64", "c": "complex128"}.get(x.dtype.kind, x.dtype))


def _directions(call: Call, seed: int) -> list[Host]:
    found = []
    for i in call.watched:
        x = call.operands[i]
        real, imaginary = _random(x.shape, seed, i), _random(x.shape, seed, i, 1)
        signs = np.where(_random(x.shape, seed, i, 2) > 1, 1.0, -1.0)
        found.append(signs * (real + 1j * imaginary if x.dtype.kind == "c" else real))
    return found


def _random(shape: tuple[int, ...], *seed: int) -> Host:
    return np.asarray(np.random.default_rng([7, *seed]).uniform(0.5, 1.5, tuple(shape)))


def _along(grads: Iterable[Host], directions: Iterable[Host]) -> float:
    return sum(float(np.real(np.sum(g * v))) for g, v in zip(grads, directions, strict=True))


def _assert_close(got: float, expected: float, scale: float, tolerance: float) -> None:
    assert abs(got - expected) <= tolerance * scale, f"{got} differs from {expected}"


def _gradient_by_torch(call: Call) -> list[Host]:
    xp = load("torch")
    tensors = [xp.asarray(_double(x)).requires_grad_(i in call.watched) for i, x in enumerate(call.operands)]
    _loss(xp, call, xp.namespace)(*tensors).backward()
    watched = [tensors[i] for i in call.watched]
    grads = [x.grad if x.grad is not None else xp.namespace.zeros_like(x) for x in watched]
    # torch's gradient of a complex tensor is the conjugate of ours.
    return [np.conj(xp.to_numpy(g)) for g in grads]


def _gradient_by_jax(call: Call) -> list[Host]:
    import jax

    xp = load("jax")
    grads = jax.grad(_loss(xp, call, xp.namespace), call.watched)(*(xp.asarray(_double(x)) for x in call.operands))
    return [xp.to_numpy(g) for g in grads]


# ---- maps
def check_map(xp: Library, function: Function, call: Call) -> str:
    """Compare a map over all operands, and over each alone, with a loop."""
    ours = tl.namespace(xp.namespace)
    examples = [call.example(k) for k in range(EXAMPLES)]
    count = len(call.operands)
    subsets = [(0,) * count] + [tuple(0 if i == j else None for i in range(count)) for j in range(count) if count > 1]

    def f(*operands: Any) -> Any:
        return tuple(call.observe(tl.array_namespace(*operands), *operands))

    for axes in subsets:
        operands = [
            np.stack([e[i] for e in examples]) if axis == 0 else call.operands[i] for i, axis in enumerate(axes)
        ]
        got = tl.vmap(f, in_axes=axes)(*(arranged(xp, x, call.layout) for x in operands))
        for k, example in enumerate(examples):
            chosen = [example[i] if axis == 0 else call.operands[i] for i, axis in enumerate(axes)]
            expected = f(*(ours.lift(arranged(xp, x, call.layout)) for x in chosen))
            assert len(got) == len(expected)
            for one, another in zip(got, expected, strict=True):
                host = xp.to_numpy(bottom(another))
                tolerance = 256 * np.finfo(host.dtype).eps if host.dtype.kind in "fc" else 0
                np.testing.assert_allclose(xp.to_numpy(one)[k], host, rtol=tolerance, atol=tolerance)
    return "map"


def check_unmapped(xp: Library, function: Function, call: Call) -> str:
    """See that a map is refused where results of examples differ in shape."""
    operands = [arranged(xp, np.stack([x] * EXAMPLES), call.layout) for x in call.operands]
    with pytest.raises(NoRuleError, match="cannot be mapped"):
        tl.vmap(lambda *operands: call.run(tl.array_namespace(*operands), *operands))(*operands)
    return "unmapped"
