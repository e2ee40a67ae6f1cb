"""Fine-tuning on a user's own pairs: what is drawn of them, what is learned, and the command from end to end."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from data.cohort.fresh import FreshSkulls
from data.cohort.pose_errors import PoseErrors
from fields import face_model_file
from fields.face_model_file import read_face_model
from fields.head_grids import HeadGrids
from fields.mesh import Mesh
from fields.named_leaves import by_name
from flame_jax.errors import InputError
from s2f.cli import main
from tests.fields_made import tiny_model, tiny_prior
from tests.tuning_made import SMALL, model_file, pairs_folder
from train import pair_task
from train.face_batches import FaceBatch
from train.initial_weights import began_with, initial_file, read_any_weights
from train.loss_weights import LossWeights
from train.make_pair_task import make_pair_task
from train.pair_batches import PairPools, draw_pairs
from train.pair_data import PairData
from train.pair_task import PairConstants, PairTask

POINTS, QUERIES = 512, 64


@pytest.fixture(autouse=True, scope="module")
def _rasterised_once() -> Iterator[None]:
    """The tiny model's grids, which take seconds, are not made anew each time that it is read."""

    def grids(mean: Mesh) -> HeadGrids:
        assert len(mean.vertices) == len(np.asarray(tiny_prior().mean))
        return tiny_prior().grids

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(face_model_file, "kept_head_grids", grids)
        yield


@functools.cache
def task() -> PairTask:
    """Of both pairs; the same ones are held out. Without a cohort."""
    data = PairData(
        pairs=(pairs_folder(),),
        held_out=(pairs_folder("same"),),
        cohort_share=0.0,
        kept_skull_points=1_024,
        kept_queries=1_024,
        skull_points=POINTS,
        queries=QUERIES,
    )
    return make_pair_task(model_file(), data, LossWeights())


@functools.cache
def batch() -> FaceBatch:
    return jax.jit(task().draw_batch, static_argnums=2)(task().constants, jax.random.key(0), 4)


def test_the_truth_moves_with_the_skull() -> None:
    """A pair under one error of the aligner: distances to a plane of bone stay what they were."""
    rng = np.random.default_rng(0)
    queries = rng.normal(0.0, 50.0, (1, 200, 3)).astype(np.float32)
    pools = PairPools(
        np.zeros((1, 100, 3), np.float32),
        np.tile(np.array([0.0, 0.0, 1.0], np.float32), (1, 100, 1)),
        queries,
        queries[..., 2],
        np.full(1, np.nan, np.float32),
    )
    errors = PoseErrors(np.array([[0.1, -0.2, 0.05]], np.float32), np.array([[1.0, 2.0, 3.0]], np.float32))
    drawn = draw_pairs(
        jax.random.key(1), pools, errors, tiny_prior().anchors, 5, 2, skull_points=80, queries=50, fullness_known=1.0
    )
    moved = np.asarray(errors.draw(jax.random.key(0)))
    along = (np.asarray(drawn.queries) - moved[:3, 3]) @ moved[:3, :3]
    np.testing.assert_allclose(along[..., 2], drawn.distances, atol=1e-3)
    np.testing.assert_allclose(drawn.bone, np.broadcast_to(moved[:3, 3], drawn.bone.shape), atol=1e-5)
    assert np.isnan(drawn.codes).all()
    assert np.isnan(drawn.gradients).all()
    assert np.isnan(drawn.fullness).all()
    assert np.abs(np.asarray(drawn.queries)[0] - np.asarray(drawn.queries)[1]).max() > 1.0


def test_every_part_learns_from_distances_alone() -> None:
    """Also the encoder and the posterior, through the head that is drawn from it; nothing that is unknown counts."""
    model, tuned = tiny_model(), task()

    def loss(params: nnx.State, constants: PairConstants, drawn: FaceBatch) -> tuple[jax.Array, dict[str, jax.Array]]:
        found, terms = tuned.loss(nnx.merge(model.graphdef, params), constants, drawn, jax.random.key(0))
        return found, dict(terms)

    program = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (value, terms), slopes = program(model.params, tuned.constants, batch())
    assert np.isfinite(value)
    assert terms["likelihood"] == terms["surface"] == terms["normal"] == 0.0
    assert terms["distance"] > 0.1
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))
    for slope in (
        slopes["encoder"]["infer"],
        slopes["posterior"]["correct"]["bias"],
        slopes["posterior"]["factor"],
        slopes["residual"]["out"]["kernel"],
    ):
        assert np.abs(slope[...]).max() > 0.0


def test_a_share_of_the_batch_is_the_cohort_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(key: jax.Array, fresh: object, anchors: object, size: int, **counts: float) -> FaceBatch:
        return jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape[1:]), leaf.dtype), batch())

    monkeypatch.setattr(pair_task, "draw_faces", drawn)
    # Drawing is replaced, so that nothing is asked of it.
    constants = dataclasses.replace(task().constants, fresh=object.__new__(FreshSkulls))
    sharing = dataclasses.replace(task(), data=dataclasses.replace(task().data, cohort_share=0.25))
    known = np.isfinite(sharing.draw_batch(constants, jax.random.key(0), 8).codes).all(axis=1)
    assert known.tolist() == [False] * 6 + [True] * 2


def test_pairs_are_held_out_by_their_number(tmp_path: Path) -> None:
    data = dataclasses.replace(task().data, held_out=(), held_out_every=2)
    parted = make_pair_task(model_file(), data, LossWeights())
    assert parted.about["pairs"] == {"trained_on": 1, "held_out": 1}
    assert len(parted.constants.pools) == 1
    # The second one tells its fullness, the first does not and is held out.
    assert np.asarray(parted.constants.pools.fullness).tolist() == [0.5]


def test_the_command_learns_the_pairs(tmp_path: Path) -> None:
    """What is held out is what is trained on: a few steps bring the model nearer to it."""
    out = tmp_path / "run"
    steps = ["--training.warmup", "1", "--training.batch", "2", "--training.learning-rate", "0.003"]
    steps += ["--training.ema-decay", "0.5", "--data.queries", str(QUERIES)]
    folders = ["--data.pairs", str(pairs_folder()), "--data.held-out", str(pairs_folder("same"))]
    command = ["train", "finetune", "--out", str(out), *folders, "--data.cohort-share", "0", *SMALL, *steps]
    assert main([*command, "--training.steps", "12", "--init-from", str(model_file())]) == 0
    model, about = read_face_model(out / "model.npz")
    assert model.config == tiny_model().config
    assert model.temperature == tiny_model().temperature
    assert about["credit"] == "Made of nobody."
    assert about["init_from"]["path"] == str(model_file().resolve())
    assert set(about["validation"]) == {"surface/pairs", "too_deep/pairs", "distance/pairs"}
    for name in ("surface/pairs", "distance/pairs"):
        assert about["validation"][name] < 0.9 * about["before"][name]
    # Resumed, it has the head of the model that it began with, for as long as that is there.
    assert began_with(out) == model_file().resolve()
    # Whoever begins with the run's folder begins with its model.
    assert initial_file(out) == out / "model.npz"
    names = by_name(nnx.to_pure_dict(model.params))
    for name, read in read_any_weights(out / "model.npz").items():
        np.testing.assert_array_equal(read, names.pop(name), err_msg=name)
    assert not names
    record = out / "run.json"
    record.write_text(record.read_text(encoding="utf-8").replace(about["init_from"]["sha256"], "0"), encoding="utf-8")
    with pytest.raises(InputError, match=r"tiny\.npz: is not the model that .* began with any more"):
        began_with(out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no model to fine-tune; give"),
        (["--init-from", "MODEL"], "no pairs to fine-tune on; give"),
        (["--init-from", "MODEL", "--data.pairs", "absent"], "absent: no such folder"),
        (["--init-from", "absent.npz", "--data.pairs", "PAIRS"], "absent.npz: no such file"),
        (["--init-from", "PAIRS", "--data.pairs", "PAIRS"], "has no model.npz, which holds the head"),
        (["--init-from", "MODEL", "--data.pairs", "PAIRS", "--data.held-out-every", "1"], "leaves no pair to train on"),
        (["--init-from", "MODEL", "--data.pairs", "PAIRS", "--data.cohort-share", "1"], "cohort_share is 1.0; give"),
        (["--init-from", "MODEL", "--data.pairs", "BROKEN", "--data.cohort-share", "0"], "face.ply: "),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    broken = tmp_path / "broken"
    for name in ("a", "b"):
        (broken / name).mkdir(parents=True)
        (broken / name / "skull.ply").write_bytes((pairs_folder() / "person0" / "skull.ply").read_bytes())
        (broken / name / "face.ply").write_text("no mesh")
        (broken / name / "record.json").write_bytes((pairs_folder() / "person0" / "record.json").read_bytes())
    names = {"MODEL": model_file(), "PAIRS": pairs_folder(), "BROKEN": broken}
    given = [str(names.get(option, option)) for option in options]
    assert main(["train", "finetune", "--out", str(tmp_path / "run"), *SMALL, *given]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()
