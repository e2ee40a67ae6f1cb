"""The script that prepares a fresh machine, run against made commands instead of the machine's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
LIBRARIES = {
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libX11.so.6": "libx11-6",
    "libgomp.so.1": "libgomp1",
}


class Machine:
    """A folder of made commands that stands for the whole path."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.log = folder / "apt.log"
        for tool in ("bash", "env", "tr", "sed", "head", "dirname", "rm", "touch"):
            (folder / tool).symlink_to(shutil.which(tool) or pytest.skip(f"no {tool} here"))
        self.command("uname", "echo Linux")
        self.libraries(*LIBRARIES)
        self.python("python3")
        self.user(1000)

    def command(self, name: str, body: str) -> None:
        file = self.folder / name
        file.unlink(missing_ok=True)
        file.write_text(f"#!{self.folder}/bash\n{body}\n")
        file.chmod(0o755)

    def libraries(self, *names: str) -> None:
        self.command("ldconfig", "\n".join(f"echo '    {name} (libc6,x86-64) => /lib/{name}'" for name in names))

    def python(self, name: str, *, usable: bool = True) -> None:
        self.command(name, f"exit {0 if usable else 1}")

    def user(self, number: int) -> None:
        self.command("id", f"echo {number}")

    def apt(self, then: str = "") -> None:
        self.command("apt-get", f'echo "$@" >>{self.log}\n{then}')

    def run(self, script: str = "system-packages") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPTS / script)], env={"PATH": str(self.folder)}, capture_output=True, text=True, check=False
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if os.name != "posix":
        pytest.skip("the scripts are for bash")
    return Machine(tmp_path)


def test_a_complete_machine_is_left_alone(machine: Machine) -> None:
    machine.apt()
    result = machine.run()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not machine.log.exists()


def test_a_user_gets_the_exact_line(machine: Machine) -> None:
    machine.apt()
    machine.libraries("libX11.so.6", "libgomp.so.1")
    machine.python("python3", usable=False)
    result = machine.run()
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].strip() == (
        "sudo apt-get update && sudo apt-get install --yes --no-install-recommends "
        "python3-venv libusb-1.0-0 libgl1 libegl1"
    )
    assert not machine.log.exists()


def test_root_gets_it_installed(machine: Machine) -> None:
    machine.libraries()
    machine.python("python3", usable=False)
    machine.user(0)
    machine.apt(f"[ $1 = update ] || printf '#!{machine.folder}/bash\\n' >{machine.folder}/python3")
    result = machine.run()
    assert result.returncode == 0, result.stderr
    update, install = machine.log.read_text().splitlines()
    assert update.split()[0] == "update"
    assert install.split()[-6:] == ["python3-venv", *LIBRARIES.values()]


def test_a_distribution_with_another_python(machine: Machine) -> None:
    machine.python("python3", usable=False)
    machine.apt()
    machine.command(
        "apt-cache", 'case $2 in python3) echo "Version: 3.10.6-1";; python3.11-venv) ;; *) exit 100;; esac'
    )
    assert machine.run().stderr.rstrip().endswith(" python3.11-venv")


def test_root_without_a_fitting_python_is_told(machine: Machine) -> None:
    machine.python("python3", usable=False)
    machine.user(0)
    machine.apt()
    result = machine.run()
    assert result.returncode == 1
    assert "no Python 3.11 or 3.12" in result.stderr


def test_without_apt_the_needs_are_named(machine: Machine) -> None:
    machine.libraries()
    result = machine.run()
    assert result.returncode == 1
    assert "libusb-1.0-0" in result.stderr
    assert "apt-get" not in result.stderr


def test_a_mac_needs_no_libraries(machine: Machine) -> None:
    machine.command("uname", "echo Darwin")
    machine.libraries()
    assert machine.run().returncode == 0


def test_newest_usable_python_is_taken(machine: Machine) -> None:
    machine.python("python3.12", usable=False)
    machine.python("python3.11")
    assert machine.run("find-python").stdout.strip().endswith("/python3.11")
