"""Differentiation over any Array API namespace."""

from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.namespace import Namespace, array_namespace, namespace
from tl_arrayapi.autograd.transforms import grad, stop_gradient, value_and_grad, vjp

__all__ = ["Array", "Namespace", "array_namespace", "grad", "namespace", "stop_gradient", "value_and_grad", "vjp"]
