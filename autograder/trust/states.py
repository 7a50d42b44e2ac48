"""The random generators that a test and the notebook would share if they were one process."""

import random
import sys
from typing import Any

import numpy as np


def get_states() -> dict[str, Any]:
    """Return the state of every global random generator there is, as plain data."""
    states: dict[str, Any] = {"random": random.getstate(), "numpy": np.random.get_state()}
    library = sys.modules.get("tinytorch.core.init")
    if library is not None:
        states["tinytorch"] = library.default_generator()
    return states


def set_states(states: dict[str, Any]) -> None:
    """Set the global random generators that `states` names."""
    if "random" in states:
        random.setstate(states["random"])
    if "numpy" in states:
        np.random.set_state(states["numpy"])
    library = sys.modules.get("tinytorch.core.init")
    if "tinytorch" in states and library is not None:
        library.default_generator().bit_generator.state = states["tinytorch"].bit_generator.state


def changed_states(before: dict[str, Any]) -> dict[str, Any]:
    """Return the states that differ now from `before`, and note them there."""
    now = get_states()
    marks = {name: _mark(state) for name, state in now.items()}
    changed = {name: now[name] for name in now if marks[name] != before.get(name)}
    before.update(marks)
    return changed


def _mark(state: Any) -> Any:
    if isinstance(state, np.random.Generator):
        return repr(state.bit_generator.state)
    if isinstance(state[1], np.ndarray):
        return (state[1].tobytes(), *state[2:])
    return state
