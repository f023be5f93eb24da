"""Run the command line: ``python -m tl_arrayapi``."""

from tl_arrayapi.cli import main

# A process that Dask spawns imports this file again, under another name.
if __name__ == "__main__":
    main(prog_name="python -m tl_arrayapi")
