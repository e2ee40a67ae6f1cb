"""Whether several devices compute what one does: the same loss and gradients, from the same batch.

`in_eight_devices("tests.training_made:ToyTask")` starts a process with eight virtual devices in double precision, where
what differs can only be the order of sums.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 16
ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Parity:
    """How far eight devices are from one."""

    devices: int
    """How many there were."""
    split: int
    """How many of the parameters were split over them."""
    loss: float
    """Difference of the losses, relative."""
    gradients: dict[str, float]
    """Of each parameter's gradient: norm of the difference over its norm."""


def parity_of(task: Any, *, split_from: int) -> Parity:
    """Compare all of this process's devices with its first one."""
    import jax

    from train.programs import make_programs
    from train.sharding import everywhere, make_data_mesh
    from train.step import gradients
    from train.training import Training

    results, split = [], 0
    for devices in (jax.devices()[:1], jax.devices()):
        mesh = make_data_mesh(devices)
        programs = make_programs(task, Training(batch=BATCH), mesh, split_from=split_from)
        constants, state = jax.device_put(task.constants, everywhere(mesh)), programs.init()
        batch, key, _ = programs.draw(constants, jax.device_put(np.int32(3), everywhere(mesh)))
        compute = jax.jit(functools.partial(gradients, task, programs.graphdef))
        (loss, _), by_params = compute(state.params, constants, batch, key)
        split = sum(not leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(state.params))
        named = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(by_params)}
        results.append((float(loss), named))
    (one_loss, one), (all_loss, many) = results
    return Parity(
        devices=jax.device_count(),
        split=split,
        loss=abs(all_loss - one_loss) / abs(one_loss),
        gradients={name: _relative(many[name], one[name]) for name in one},
    )


def in_eight_devices(factory: str, *, split_from: int = 1) -> Parity:
    """`parity_of` a task in a process with eight devices and double precision.

    Args:
        factory: What makes the task without arguments, as module:name.
        split_from: As for `make_programs`; by default everything is split that can be.
    """
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_ENABLE_X64": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.device_parity", factory, str(split_from)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Parity(**json.loads(done.stdout))


def _relative(value: np.ndarray, reference: np.ndarray) -> float:
    assert reference.dtype == np.float64
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))


if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    made = getattr(importlib.import_module(module), name)()
    print(json.dumps(dataclasses.asdict(parity_of(made, split_from=int(sys.argv[2])))))
