"""Initialisers: how parameters are filled, reproducibly, on any library and device."""

from tl_arrayapi.init.fans import dims_product, element_count, infer_fans
from tl_arrayapi.init.fills import materialize
from tl_arrayapi.init.plan import Plan, apply_list
from tl_arrayapi.init.schemes import (
    FloatInit,
    flat,
    kaiming_for,
    kaiming_linear_weight,
    kaiming_uniform,
    normal,
    ones,
    uniform,
    value_at,
    xavier_for,
    xavier_linear_weight,
    xavier_uniform,
    zeros,
)
from tl_arrayapi.init.splitmix64 import unit_sample

__all__ = [
    "FloatInit",
    "Plan",
    "apply_list",
    "dims_product",
    "element_count",
    "flat",
    "infer_fans",
    "kaiming_for",
    "kaiming_linear_weight",
    "kaiming_uniform",
    "materialize",
    "normal",
    "ones",
    "uniform",
    "unit_sample",
    "value_at",
    "xavier_for",
    "xavier_linear_weight",
    "xavier_uniform",
    "zeros",
]
