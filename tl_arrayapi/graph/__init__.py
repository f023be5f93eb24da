"""Graphs: programs on arrays as plain data, and what can be said of them and done to them without running them."""

from tl_arrayapi.graph.graph import Atom, Builder, Equation, Graph, Literal, Var

__all__ = ["Atom", "Builder", "Equation", "Graph", "Literal", "Var"]
