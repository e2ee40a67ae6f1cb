"""`s2f bench cohort`: how fast the cohort is made, as files and as a program, and whether its distances are exact."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class BenchCohort:
    """Measure how many pairs are made a second, as files on all cores and as one program on JAX's default device, and
    how far that program's distances are from open3d's."""

    quick: bool = False
    """A few only, to see whether it runs; the numbers then mean little."""

    def run(self) -> int:
        """Measure and print."""
        import jax

        from data.cores import cores
        from data.prior import read_prior
        from data.shipped import JAW_OPEN, POSE_ERRORS, PRIOR
        from eval.bench.cohort import (
            FULL,
            QUICK,
            distance_parity,
            samples_per_second,
            time_files,
            training_stream,
        )
        from s2f.steps import Steps

        counts, steps = QUICK if self.quick else FULL, Steps()
        print(f"{cores()} cores; {counts.skull_points:,} skull points and {counts.queries:,} signed distances each")
        for damage in (0.0, 1.0):
            with steps.step("making pairs") as say:
                speed = time_files(PRIOR, JAW_OPEN, POSE_ERRORS, counts, workers=cores(), damage=damage, say=say)
            print(
                f"files, {speed.what}: {speed.per_second:.1f} pairs/s ({speed.pairs} pairs: making {speed.making_s:.1f}"
                f" s, sampling {speed.sampling_s:.1f} s; before the first, {speed.start_s:.1f} s)"
            )
        with steps.step("making samples"):
            prior = read_prior(PRIOR)
            stream = training_stream(prior, JAW_OPEN)
            rate = samples_per_second(stream, counts)
        print(f"program on {jax.devices()[0].device_kind}: {rate:.2f} samples/s")
        with steps.step("comparing distances"):
            parity = distance_parity(prior, stream, counts)
        print(
            f"distances against open3d's: {parity.largest_mm:.1e} mm at most; "
            f"{parity.signs_differ} of {parity.compared:,} signs differ"
        )
        return 0
