"""The `s2f` command.

What is imported here is what `s2f --help` waits for: tyro and the commands' dataclasses, whose heavy imports happen
when they run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from configs import EXPERIMENTS, SUMMARIES
from flame_jax.errors import InputError
from s2f.commands.ablate import Ablate
from s2f.commands.bench import Bench
from s2f.commands.build_jaw import BuildJaw
from s2f.commands.build_prior import BuildPrior
from s2f.commands.compare import Compare
from s2f.commands.demo import Demo
from s2f.commands.doctor import Doctor
from s2f.commands.evaluate import Evaluate
from s2f.commands.fit_flame import FitFlame
from s2f.commands.preprocess import Preprocess
from s2f.commands.reconstruct import Reconstruct
from s2f.commands.synthesize import Synthesize
from s2f.commands.train import check_experiment_name, train_command
from train.interrupts import INTERRUPTED

BAD_INPUT = 2
"""Exit status of bad input, as of a bad option."""

COMMANDS: dict[str, Callable[..., Any]] = {
    "demo": Demo,
    "preprocess": Preprocess,
    "reconstruct": Reconstruct,
    "fit-flame": FitFlame,
    "compare": Compare,
    "build-prior": BuildPrior,
    "build-jaw": BuildJaw,
    "synthesize": Synthesize,
    "train": train_command(EXPERIMENTS, SUMMARIES),
    "evaluate": Evaluate,
    "ablate": Ablate,
    "bench": Bench,
    "doctor": Doctor,
}
"""Each is a frozen dataclass whose fields are the options, and whose `run` returns the exit status."""

_ABOUT = """A skull goes in, a face comes out.

For research and education. A face made here is a facial approximation, not an identification.
`s2f COMMAND --help` shows a command's options, `s2f --version` the version."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `arguments` are the process's own by default.

    Bad input is one line on stderr and status 2. Any other exception is a fault of the program and keeps its traceback.
    Raises SystemExit where tyro ends the process: after `--help`, and with status 2 for an unknown command or option.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # OpenBLAS, below numpy and XLA's small solves alike, is told to let its threads sleep at once. They would otherwise
    # spin for a while after each call, on the cores that XLA's own threads want: a fit would take half as long again.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    if arguments == ["--version"]:
        import importlib.metadata

        print(f"s2f {importlib.metadata.version('s2f')}")
        return 0
    try:
        if arguments[:1] == ["train"]:
            check_experiment_name(arguments[1:], EXPERIMENTS)
        command = tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="s2f", description=_ABOUT, args=arguments, config=(tyro.conf.FlagCreatePairsOff,)
        )
        return command.run()
    except InputError as error:
        print("s2f: " + " ".join(str(error).split()), file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
