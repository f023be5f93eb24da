"""Gradients and training for any Array API library: NumPy, CuPy, Dask, PyTorch, JAX and every other."""

from tl_arrayapi import backends, distributed, errors, init, optim, random, schedules
from tl_arrayapi.autograd import Array, array_namespace, grad, namespace, stop_gradient, value_and_grad, vjp
from tl_arrayapi.autograd.arguments import ArraySpec
from tl_arrayapi.autograd.compiled import Compiled, compile  # noqa: A004  (the field's own name)
from tl_arrayapi.autograd.custom import checkpoint, custom_vjp
from tl_arrayapi.autograd.debug import debug_nans
from tl_arrayapi.autograd.derivatives import check_grads, hessian, hvp, jacobian, jvp
from tl_arrayapi.autograd.explain import explain
from tl_arrayapi.autograd.masks import guard_where
from tl_arrayapi.autograd.vectorize import vmap
from tl_arrayapi.casts import cast_tensor, cast_tlist
from tl_arrayapi.checkpoints import CheckpointInfo, read_checkpoint
from tl_arrayapi.module import ScalarModule, ScalarModuleDef
from tl_arrayapi.options import Options
from tl_arrayapi.train import History, minibatches, stack_samples

__version__ = "0.1.0"

__all__ = [
    "Array",
    "ArraySpec",
    "CheckpointInfo",
    "Compiled",
    "History",
    "Options",
    "ScalarModule",
    "ScalarModuleDef",
    "array_namespace",
    "backends",
    "cast_tensor",
    "cast_tlist",
    "check_grads",
    "checkpoint",
    "compile",
    "custom_vjp",
    "debug_nans",
    "distributed",
    "errors",
    "explain",
    "grad",
    "guard_where",
    "hessian",
    "hvp",
    "init",
    "jacobian",
    "jvp",
    "minibatches",
    "namespace",
    "optim",
    "random",
    "read_checkpoint",
    "schedules",
    "stack_samples",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
