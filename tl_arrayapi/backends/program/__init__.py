"""Programs: what a backend makes of a graph. The portable one runs straight code of the library's own functions."""

from tl_arrayapi.backends.program.outputs import Ownership, owner
from tl_arrayapi.backends.program.portable import PortableProgram
from tl_arrayapi.backends.program.program import Program, Report, Runtime, Step
from tl_arrayapi.backends.program.straight import Straight

__all__ = ["Ownership", "PortableProgram", "Program", "Report", "Runtime", "Step", "Straight", "owner"]
