"""What a model is evaluated from: some of its vertices, any precision, FLAME's joints."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flame_jax import HeadModel, InputError, read_head_model
from flame_jax.flame import JOINTS, Flame
from tests.flame_made import flame_model, flame_parts, write_npz
from tests.posed_made import evaluated_of, random_heads

_SHARED = Path(__file__).parents[3] / "shared/data/flame2023open/flame2023open_identity60.npz"


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="module")
def flame() -> Flame:
    return Flame.of(flame_model(), dtype=np.float64)


def test_vertex_subset(flame: Flame) -> None:
    ids = np.array([30, 3, 5, 4, 12, 31, 3, 32, 33])
    some = Flame.of(flame_model(), vertex_ids=ids, dtype=np.float64)
    kept = np.unique(ids)
    np.testing.assert_array_equal(some.vertex_ids, kept)
    heads = random_heads(2)
    got, wanted = evaluated_of(some, heads), evaluated_of(flame, heads)
    np.testing.assert_allclose(got["vertices"], wanted["vertices"][:, kept], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(got["joints"], wanted["joints"])
    # The fan's triangles are i, i + 1, i + 2: three of them are whole here.
    np.testing.assert_array_equal(kept[np.asarray(some.faces)], [[3, 4, 5], [30, 31, 32], [31, 32, 33]])
    assert not got["normals"][:, some.places(np.array(12))].any()
    np.testing.assert_array_equal(some.places(ids), np.searchsorted(kept, ids))
    np.testing.assert_array_equal(some.places(np.array([[33, 3]])), [[7, 0]])
    for missing in (0, 13, 41):
        with pytest.raises(InputError, match="not among the 8 evaluated of 'made'"):
            some.places(np.array([3, missing]))


def _millimetres_lost(model: HeadModel, dtype: Any) -> tuple[float, Flame]:
    """The largest error in a head of 16 people with some expression and pose."""
    rng = np.random.default_rng(0)
    heads: dict[str, Any] = {"betas": rng.normal(size=(16, model.shapedirs.shape[2]))}
    if model.exprdirs is not None:
        heads["expression"] = rng.normal(size=(16, model.exprdirs.shape[2]))
        heads |= {name: 0.3 * rng.normal(size=(16, 3)) for name in JOINTS}
    exact = evaluated_of(Flame.of(model, dtype=np.float64), heads)["vertices"]
    rounded = Flame.of(model, dtype=dtype)
    got = evaluated_of(rounded, {name: value.astype(np.float32) for name, value in heads.items()})
    assert {leaf.dtype for leaf in got.values()} == {np.dtype(np.float32)}
    return 1e3 * model.metres_per_unit * float(np.abs(got["vertices"] - exact).max()), rounded


@pytest.mark.parametrize("source", ["made", "FLAME 2023 Open"])
def test_precisions(tmp_path: Path, source: str) -> None:
    if source == "made":
        model = read_head_model(write_npz(tmp_path / "flame.npz", flame_parts()), dtype=np.float64)
    elif _SHARED.is_file():
        model = read_head_model(_SHARED, dtype=np.float64)
    else:
        pytest.skip("shared/data/flame2023open is not here")
    lost, _ = _millimetres_lost(model, np.float32)
    assert lost < 2e-4
    lost, flame = _millimetres_lost(model, jnp.bfloat16)
    # 0.08 mm in FLAME 2023 Open with its 60 components; more would be felt in a fit to scans of 0.5 mm noise.
    assert 1e-3 < lost < 0.15
    in_16_bits = {name for name in vars(flame) if getattr(getattr(flame, name), "dtype", None) == jnp.bfloat16}
    assert in_16_bits == {"shapedirs", "exprdirs", "posedirs"}


def test_other_joints_are_refused() -> None:
    model = flame_model()
    assert model.kintree_parents is not None
    assert model.lbs_weights is not None
    assert model.j_regressor is not None
    fewer = dataclasses.replace(
        model,
        kintree_parents=model.kintree_parents[:4],
        lbs_weights=model.lbs_weights[:, :4],
        j_regressor=model.j_regressor[:4],
        posedirs=None,
    )
    with pytest.raises(InputError, match="has 4 joints where FLAME has 5"):
        Flame.of(fewer)
