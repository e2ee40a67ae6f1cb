"""Heads that are made once: their distances are open3d's, and their file comes back or says why not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from data.cohort.head_cache import Heads, heads_digest, read_heads, write_heads
from data.jaw_opening import JawOpening
from fields.distance import DistanceScene
from flame_jax.errors import InputError
from tests.cohort_made import train_generator
from tests.fresh_made import HEADS, HEADS_SEED, PER_HEAD, head_of, some_heads
from tests.skulls_made import shipped_prior


def digest(**other: object) -> str:
    told = {"residual_modes": 0, "count": HEADS, "queries": PER_HEAD, "seed": HEADS_SEED} | other
    jaw = told.pop("jaw", train_generator().anatomy.jaw)
    assert isinstance(jaw, JawOpening)
    return heads_digest(shipped_prior(), jaw=jaw, **told)  # type: ignore[arg-type]


def test_distances_are_open3ds() -> None:
    heads = some_heads()
    assert len(heads) == HEADS
    for number in (0, 5, HEADS - 1):
        head = head_of(np.asarray(heads.betas[number]), float(heads.opening[number]))
        found = heads.distances[number]
        np.testing.assert_allclose(
            found, DistanceScene(head).signed_distance(np.asarray(heads.queries[number])), atol=2e-3
        )
        assert (found < -0.5).sum() > 20
        # Back along the gradient lies the surface.
        gradients = heads.gradients[number].astype(np.float64)
        np.testing.assert_allclose(np.linalg.norm(gradients, axis=1), 1.0, atol=2e-3)
        on = np.asarray(heads.queries[number] - found[:, None] * gradients)
        assert DistanceScene(head).distance(on).max() < 1e-3 * np.abs(found).max() + 1e-3


def test_one_head_in_five_opens_its_mouth() -> None:
    opening = some_heads(64).opening
    assert opening.min() == 0.0
    assert 0.05 < (opening > 0.0).mean() < 0.4
    assert opening.max() <= 1.0
    np.testing.assert_allclose(some_heads(64).betas.std(), 1.0, atol=0.05)


def test_a_head_depends_on_seed_and_number_alone() -> None:
    few, many, other = some_heads(), some_heads(64), some_heads(2, HEADS_SEED + 1)
    for field in dataclasses.fields(Heads):
        np.testing.assert_array_equal(getattr(few, field.name), getattr(many, field.name)[:HEADS])
    assert np.abs(other.betas - few.betas[:2]).max() > 0.5
    assert np.abs(few.betas[1:] - few.betas[:-1]).max(axis=1).min() > 0.5


def test_any_run_of_queries_is_a_fair_sample() -> None:
    """As drawn, the far ones would be the last fifth."""
    far = np.abs(some_heads(64).distances) > 25.0
    assert 0.1 < far.mean() < 0.3
    halves = far.reshape(64, 4, -1).mean(axis=(0, 2))
    np.testing.assert_allclose(halves, far.mean(), atol=0.04)


def test_the_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "heads.npz"
    assert read_heads(path, digest()) is None
    write_heads(path, some_heads(), digest())
    assert [entry.name for entry in tmp_path.iterdir()] == ["heads.npz"]
    found = read_heads(path, digest())
    assert found is not None
    for field in dataclasses.fields(Heads):
        wanted = getattr(some_heads(), field.name)
        assert getattr(found, field.name).dtype == wanted.dtype
        np.testing.assert_array_equal(getattr(found, field.name), wanted)
    assert read_heads(path, digest(count=HEADS + 1)) is None


def test_the_digest_tells_all_apart() -> None:
    jaw = train_generator().anatomy.jaw
    moved = dataclasses.replace(jaw, skin=np.asarray(jaw.skin) + np.float32(1e-3))
    others = [
        digest(residual_modes=1),
        digest(count=HEADS + 1),
        digest(queries=PER_HEAD + 1),
        digest(seed=HEADS_SEED + 1),
        digest(jaw=moved),
    ]
    assert len({digest(), *others}) == 1 + len(others)
    assert digest() == digest()


@pytest.mark.parametrize("cut", [0, 100, 20_000, -1])
def test_a_damaged_file_is_one_line(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "heads.npz"
    write_heads(path, some_heads(), digest())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"heads\.npz: damaged; remove it, and it is made again"):
        read_heads(path, digest())


def test_changed_and_foreign_files_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "heads.npz"
    write_heads(path, some_heads(), digest())
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(InputError, match="damaged"):
        read_heads(path, digest())
    np.savez(path, other=np.zeros(3))
    with pytest.raises(InputError, match="damaged"):
        read_heads(path, digest())
    np.savez(path, about=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="damaged"):
        read_heads(path, digest())
