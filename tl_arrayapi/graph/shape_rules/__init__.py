"""The shapes of results, function by function: a rule is called as ``rule(*shapes, **static)``.

It returns the shape of the result, or a tuple of shapes where the function returns several arrays.
"""

__all__: list[str] = []
