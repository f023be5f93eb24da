"""Runners: how a module's loss, its gradients and its steps are computed, operation by operation or as one program.

A runner holds no parameters: they go in and come out.
"""

from tl_arrayapi.runners.compiled import CompiledRunner
from tl_arrayapi.runners.eager import EagerRunner
from tl_arrayapi.runners.findings import Findings
from tl_arrayapi.runners.gradients import MappedGradients
from tl_arrayapi.runners.mapped import MappedLosses
from tl_arrayapi.runners.runner import Problem, Runner

__all__ = ["CompiledRunner", "EagerRunner", "Findings", "MappedGradients", "MappedLosses", "Problem", "Runner"]
