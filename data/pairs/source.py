"""Pairs by number, as arrays of fixed shapes: a data source for grain."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data.pairs.content import file_digest, prior_digest
from data.pairs.folders import Pair
from data.pairs.placement import ALIGNMENT, place_pair
from data.pairs.pools import HeadRegion, Pools, PoolSizes, head_region, make_pools
from data.pairs.record import PairRecord, read_record
from data.pairs.sample_cache import SAMPLES, pools_key, read_pools, write_pools
from data.pairs.surfaces import read_surface
from data.prior import AnatomyPrior
from flame_jax.errors import InputError

Sample = dict[str, np.ndarray]
"""What `PairSource` gives of a pair; see there."""
_State = tuple[tuple[int, int, int] | None, ...]


@dataclasses.dataclass(frozen=True)
class _Checked:
    """What is known of a pair since its files were last looked at."""

    state: _State
    key: str
    fullness: float
    betas: Float[np.ndarray, " identities"]


class PairSource:
    """Pairs by number. A `grain.sources.RandomAccessDataSource`: `len(source)`, `source[number]`; safe among threads.

    `source[number]` is a dictionary; S and Q are `sizes`, K the prior's identity coefficients. Head frame as our
    aligner puts the pair, mm:

    - skull_points, skull_normals (S, 3), skull_valid (S,): surface points with unit normals, all of them valid.
    - query_points (Q, 3), query_distances (Q,): signed distances to the face, negative inside.
    - fullness (): in standard deviations, NaN where unknown.
    - betas (K,): coefficients of the prior's head, NaN where unknown or of another head model.
    - pair (): the number, so that `source.pairs` tells what it was.

    A pair is aligned if need be, sampled when it is first asked for, and kept in `samples.npz` beside it. In each
    process the first look at a pair compares its files' content with what the samples were made from; later ones
    compare size and date.

    Raises `InputError`, naming the file, for a pair that cannot be read, aligned or sampled.
    """

    def __init__(self, pairs: Sequence[Pair], prior: AnatomyPrior, sizes: PoolSizes | None = None):
        self.pairs = tuple(pairs)
        self.sizes = sizes or PoolSizes()
        self._prior = prior
        self._prior_digest = prior_digest(prior)
        self._region: HeadRegion = head_region(prior)
        self._checked: dict[int, _Checked] = {}
        # Two threads that make the same file would write to one name.
        self._locks = [threading.Lock() for _ in self.pairs]

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"PairSource({len(self)} pairs, {self.sizes})"

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[index]
        with self._locks[index]:
            known = self._checked.get(index)
            # Before anything is read: a file that changes meanwhile is looked at again next time.
            state = _state(pair)
            pools = None
            if known is not None and known.state == state:
                pools = read_pools(pair.folder / SAMPLES, known.key, self.sizes)
            if known is None or pools is None:
                known, pools = self._look(pair, state)
                self._checked[index] = known
        return {
            "skull_points": pools.skull_points,
            "skull_normals": pools.skull_normals,
            "skull_valid": np.ones(len(pools.skull_points), dtype=bool),
            "query_points": pools.query_points,
            "query_distances": pools.query_distances,
            "fullness": np.array(known.fullness, dtype=np.float32),
            "betas": known.betas,
            "pair": np.array(index, dtype=np.int32),
        }

    def prepare(self, *, workers: int, done: Callable[[], None] = lambda: None) -> None:
        """Make what is missing beside the pairs, before training: a bad pair is then told at once, not hours later.

        `done` is called after each pair, in the calling thread.
        """

        def make(index: int) -> None:
            self[index]  # and let go of it again

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            waiting = [pool.submit(make, index) for index in range(len(self))]
            try:
                for finished in concurrent.futures.as_completed(waiting):
                    finished.result()
                    done()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _look(self, pair: Pair, state: _State) -> tuple[_Checked, Pools]:
        """Compare contents, and align and sample the pair if its samples are not there or not its own."""
        record = read_record(pair.record) if pair.record.exists() else None
        skull_digest, face_digest = file_digest(pair.skull), file_digest(pair.face)
        transform = place_pair(pair, record, self._prior, skull_digest=skull_digest, prior_digest=self._prior_digest)
        key = pools_key(skull_digest, face_digest, self._prior_digest, transform, self.sizes)
        pools = read_pools(pair.folder / SAMPLES, key, self.sizes)
        if pools is None:
            made = record is not None and record.generator is not None
            pools = make_pools(
                read_surface(pair.skull, made=made).transformed(transform),
                read_surface(pair.face, made=made).transformed(transform),
                self._region,
                self.sizes,
                seed=int(key[:16], 16),
                source=str(pair.face),
            )
            write_pools(pair.folder / SAMPLES, key, pools)
        fullness = np.nan if record is None or record.fullness is None else record.fullness
        return _Checked(state, key, fullness, self._betas(pair, record)), pools

    def _betas(self, pair: Pair, record: PairRecord | None) -> np.ndarray:
        count = self._prior.head.shapedirs.shape[2]
        if record is None or record.betas is None or record.head_model != self._prior.head.name:
            return np.full(count, np.nan, dtype=np.float32)
        if len(record.betas) > count:
            raise InputError(
                f"{pair.record}: has {len(record.betas)} betas where its head model has {count}; make the pair again"
            )
        # A head that was made with the first few has none of the others.
        return np.pad(record.betas, (0, count - len(record.betas))).astype(np.float32)


def _state(pair: Pair) -> _State:
    """Size, date and identity of the files that a pair's samples come from."""
    return tuple(_stat(path) for path in (pair.skull, pair.face, pair.record, pair.folder / ALIGNMENT))


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
