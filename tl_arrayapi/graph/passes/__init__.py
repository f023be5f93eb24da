"""The passes: each a small pure function from a graph to a graph that computes the same."""
