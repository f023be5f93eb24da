"""Run the command line: ``python -m tl_arrayapi``."""

from tl_arrayapi.cli import main

# A process that Dask spawns imports this file again, under another name.
if __name__ == "__main__":
    try:
        main(prog_name="python -m tl_arrayapi")
    finally:
        # Where Ctrl-C came while a string was executed, as dataclasses do when they are imported, CPython ends a module
        # that was run by -m with SIGINT and not with its exit status, unless another string was executed since.
        exec("")
