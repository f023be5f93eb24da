"""Tests of tl_arrayapi.backends."""
