"""Tests of graphs: programs as plain data, and what is said of them and done to them."""
