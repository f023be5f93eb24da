"""Input that means harm: checkpoints and plans that lie, named one by one and made by the hundred thousand."""
