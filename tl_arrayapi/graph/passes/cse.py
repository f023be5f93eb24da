"""CSE: equations of one scope that compute the same thing become one.

Two equations do where their names, operands and static arguments are the same; operands of a commutative function may
change places. Scopes stay apart: what is computed again to save memory stays computed again.
"""

from tl_arrayapi.graph.passes.base import Rewriting

__all__ = ["cse"]

cse = Rewriting("cse", exact=True, share=True, about="Make one equation of those of a scope that compute the same.")
