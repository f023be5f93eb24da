"""The settings of a training run: what was asked for, as it is recorded beside a checkpoint and read back to go on."""

import dataclasses
import json
import shlex
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.errors import CheckpointError

__all__ = ["FIXED", "Settings"]

FIXED = ("dtype", "seed", "batch_size", "optimizer", "lr")
"""What an interrupted run goes on with: another value would change the batches or the steps to come."""


@dataclass(frozen=True)
class Settings:
    """Say how to train and where.

    >>> Settings(seed=3).options
    ['--seed', '3']
    >>> Settings.from_json(Settings(seed=3).to_json()) == Settings(seed=3)
    True
    """

    namespace: str = "numpy"
    device: str | None = None
    dtype: str = "float32"
    backend: str = "eager"
    seed: int = 0
    steps: int = 600
    batch_size: int = 64
    optimizer: str = "adam"
    lr: float = 0.01

    @property
    def options(self) -> list[str]:
        """The words of a command line that asks for these settings; defaults are left out."""
        return [
            word
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
            for word in (f"--{field.name.replace('_', '-')}", shlex.quote(str(value)))
        ]

    def to_json(self) -> str:
        """Return the settings as a JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """Read what `to_json` wrote; raise CheckpointError for anything else."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"the settings are not JSON ({error})") from error
        known = {field.name: _kinds(field.type) for field in dataclasses.fields(cls)}
        if not isinstance(document, dict) or set(document) != set(known):
            raise CheckpointError(f"the settings must be a JSON object with the keys {', '.join(known)}")
        for name, value in document.items():
            if not isinstance(value, known[name]) or isinstance(value, bool):
                raise CheckpointError(f"the settings say {name} = {value!r}, of the wrong type")
        return cls(**document)


def _kinds(annotation: Any) -> Any:
    return (int, float) if annotation is float else annotation
