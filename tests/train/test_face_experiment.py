"""The debug experiment from the command line: four steps at one go, and two and two more, to the last bit."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import EXPERIMENTS, SUMMARIES
from fields.face_model_file import read_face_model
from fields.named_leaves import by_name
from s2f.cli import main
from tests.face_training_made import CACHE, debug_experiment, debug_task, polished
from train import interrupts, loop, make_face_task
from train.checkpoints import Checkpoints
from train.config_json import config_json, read_config
from train.face_experiment import FaceExperiment
from train.face_task import FaceTask
from train.programs import Programs, make_programs
from train.run_folder import MODEL

COMMAND = ["train", "debug", "--data.cache", str(CACHE)]


@functools.cache
def programs() -> Programs:
    """Compiled once for all runs."""
    made = make_programs(debug_task(), debug_experiment().training)
    with polished():
        made.draw(debug_task().constants, jnp.int32(0))
    return made


def made_task(
    config: Any, data: Any, weights: Any, *, out: Path, about: Mapping[str, Any], init: None, say: Any
) -> FaceTask:
    """The task of all tests, in place of another that is the same."""
    wanted = debug_experiment()
    assert (config, data, weights) == (wanted.field, wanted.data, wanted.loss)
    return dataclasses.replace(debug_task(), out=out, about={**about, **debug_task().about})


def stopping_after(steps: int) -> Callable[[], Any]:
    """Like `train.interrupts.asked_to_stop`, with an interrupt after so many steps."""

    @contextlib.contextmanager
    def asked() -> Iterator[Callable[[], bool]]:
        answers = iter([*[False] * (steps - 1), True])
        yield lambda: next(answers)

    return asked


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Folders of a whole run, of one that was interrupted, and of that one continued."""
    folder = tmp_path_factory.mktemp("runs")
    made = {name: folder / name for name in ("whole", "interrupted", "half")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_face_task, "make_face_task", made_task)
        patch.setattr(loop, "make_programs", lambda task, training, mesh: programs())
        assert main([*COMMAND, "--out", str(made["whole"])]) == 0
        with patch.context() as also:
            also.setattr(interrupts, "asked_to_stop", stopping_after(2))
            assert main([*COMMAND, "--out", str(made["interrupted"])]) == 130
        (made["half"]).mkdir()
        made["half"].joinpath("state.json").write_text(json.dumps(sums(made["interrupted"])))
        assert main([*COMMAND, "--out", str(made["interrupted"]), "--resume"]) == 0
        yield made


def state_in(folder: Path) -> dict[str, np.ndarray]:
    with Checkpoints(folder / "checkpoints", keep=9) as checkpoints:
        step = checkpoints.latest()
        assert step is not None
        return {name: np.asarray(leaf) for name, leaf in by_name(checkpoints.restore(step, programs().state)).items()}


def sums(folder: Path) -> dict[str, float]:
    return {name: float(np.abs(array).sum()) for name, array in state_in(folder).items()}


def test_two_steps_and_two_more_are_four(runs: dict[str, Path]) -> None:
    whole, continued = state_in(runs["whole"]), state_in(runs["interrupted"])
    assert continued.keys() == whole.keys()
    assert int(whole["step"]) == 4
    assert int(whole["skipped"]) == 0
    for name, array in whole.items():
        np.testing.assert_array_equal(continued[name], array, err_msg=name)
    half = json.loads((runs["half"] / "state.json").read_text())
    assert half["step"] == 2.0
    changed = {name for name, total in sums(runs["whole"]).items() if total != half[name]}
    assert {"params.posterior.correct.kernel", "params.residual.out.kernel", "params.encoder.infer"} <= changed


def test_the_run_leaves_a_model_with_its_figures(runs: dict[str, Path]) -> None:
    model, about = read_face_model(runs["whole"] / MODEL)
    assert model.config == debug_experiment().field
    assert about["credit"] == debug_task().about["credit"]
    assert about["experiment"] == "debug"
    assert read_config(FaceExperiment, about["config"], "run.json") == debug_experiment()
    log = (runs["whole"] / "log.txt").read_text(encoding="utf-8")
    assert "step 4/4  validation: " in log
    for name, value in about["validation"].items():
        assert np.isfinite(value), name
    # The averaged weights, in half precision.
    ema = state_in(runs["whole"])["ema.residual.out.kernel"]
    stored: Any = jax.tree.leaves(model.params["residual"]["out"]["kernel"])[0]
    np.testing.assert_allclose(stored, ema, rtol=2.0**-11, atol=1e-7)


def test_the_loss_is_told_with_its_terms(runs: dict[str, Path]) -> None:
    lines = (runs["whole"] / "log.txt").read_text(encoding="utf-8").splitlines()
    steps = [line for line in lines if "step " in line and "  loss " in line]
    assert len(steps) == 4
    for name in ("likelihood", "surface", "distance", "eikonal", "normal", "bone", "roughness", "size"):
        assert all(f"{name} " in line for line in steps), name


def test_the_loss_falls_on_one_batch() -> None:
    """Some dozen steps on the same skulls."""
    made, task = programs(), debug_task()
    batch, key, _ = made.draw(task.constants, jnp.int32(0))
    state, told = made.init(), []
    for _ in range(12):
        state, metrics = made.step(state, task.constants, batch, key)
        told.append(float(metrics["loss"]))
    assert np.isfinite(told).all()
    assert told[-1] < told[0] - 0.02


def test_experiments_are_told_of_and_make_sense() -> None:
    assert list(SUMMARIES) == list(EXPERIMENTS)
    for name, experiment in EXPERIMENTS.items():
        experiment.training.check()
        assert read_config(type(experiment), json.loads(json.dumps(config_json(experiment))), name) == experiment
        if isinstance(experiment, FaceExperiment):
            field = experiment.field
            assert field.anchors % 64 == 0, name
            assert field.encoder.width % field.encoder.heads == 0, name
            assert experiment.data.queries <= experiment.data.queries_per_head, name
