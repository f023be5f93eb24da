"""The tests of tl_arrayapi: a mirror of the package."""
