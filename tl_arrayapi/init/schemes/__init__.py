"""The initialisers: frozen descriptions of how a parameter is filled, and the functions that make them.

A case compares by value and hashes, so that two plans can be compared and a fill can be repeated. What a case means in
one dtype is a recipe; how arrays are filled from it is in `fills`.
"""

from collections.abc import Callable

from tl_arrayapi.init.schemes.base import FloatInit, as_scheme, value_at
from tl_arrayapi.init.schemes.drawn import normal, orthogonal, truncated_normal, uniform
from tl_arrayapi.init.schemes.given import constant, eye, flat, ones, zeros
from tl_arrayapi.init.schemes.scaled import (
    gain,
    kaiming_for,
    kaiming_linear_weight,
    kaiming_normal,
    kaiming_normal_for,
    kaiming_uniform,
    xavier_for,
    xavier_linear_weight,
    xavier_normal,
    xavier_normal_for,
    xavier_uniform,
)

__all__ = [
    "MAKERS",
    "FloatInit",
    "as_scheme",
    "constant",
    "eye",
    "flat",
    "gain",
    "kaiming_for",
    "kaiming_linear_weight",
    "kaiming_normal",
    "kaiming_normal_for",
    "kaiming_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "value_at",
    "xavier_for",
    "xavier_linear_weight",
    "xavier_normal",
    "xavier_normal_for",
    "xavier_uniform",
    "zeros",
]

MAKERS: dict[str, Callable[..., FloatInit]] = {
    make.__name__: make
    for make in (
        zeros,
        ones,
        constant,
        eye,
        flat,
        uniform,
        normal,
        truncated_normal,
        orthogonal,
        xavier_uniform,
        xavier_normal,
        kaiming_uniform,
        kaiming_normal,
    )
}
"""Every initialiser: the function that makes it, by its name."""
