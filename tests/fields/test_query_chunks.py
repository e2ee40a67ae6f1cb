"""Work in chunks gives what work at once gives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fields.query_chunks import CHUNK, chunked, chunked_by_need


def _work(rows: jax.Array, numbers: jax.Array) -> dict[str, jax.Array]:
    assert len(rows) <= CHUNK
    return {"sum": rows.sum(axis=1) + numbers, "rows": 2.0 * rows}


@pytest.mark.parametrize("total", [0, 7, CHUNK, 2 * CHUNK + 1])
def test_chunks_give_the_same_as_all_at_once(total: int) -> None:
    rng = np.random.default_rng(total)
    rows, numbers = jnp.asarray(rng.normal(size=(total, 3))), jnp.asarray(rng.integers(9, size=total))
    need = jnp.asarray(rng.integers(5, size=total))
    for found in (chunked(_work, rows, numbers), chunked_by_need(need, _work, rows, numbers)):
        np.testing.assert_allclose(found["sum"], rows.sum(axis=1) + numbers, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found["rows"], 2.0 * rows)


def test_rows_of_like_need_come_together() -> None:
    need = jnp.asarray(np.random.default_rng(0).integers(1000, size=4 * CHUNK))
    most = chunked_by_need(need, lambda need: jnp.full(len(need), need.max()), need)
    # Of four chunks, each waits for its own greatest need.
    assert len(np.unique(most)) == 4
    np.testing.assert_array_less(need - 1, most)
    assert float(most.mean()) < 650
