"""The wheel carries what it reads, works from any folder, and every package is pinned."""

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = ("3.11", "3.12", "3.13")


def pins(python: str) -> dict[str, str]:
    """Package and version pinned by constraints.txt for a Python release."""
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"python_version": python}):
            continue
        name, version = canonicalize_name(requirement.name), str(requirement.specifier)
        assert name not in found, f"{name} twice for Python {python}"
        assert re.fullmatch(r"==[\w.]+", version), line
        found[name] = version.removeprefix("==")
    return found


def closure(requirements: list[Requirement]) -> set[str]:
    """Names of the installed packages that these need, directly or not, themselves included."""
    todo, seen = list(requirements), set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        for further in map(Requirement, metadata.requires(name) or []):
            extras = [{"extra": extra} for extra in (requirement.extras or {""})]
            if further.marker is None or any(map(further.marker.evaluate, extras)):
                todo.append(further)
    return {name for name, _ in seen}


def direct(*extras: str) -> list[Requirement]:
    project = PROJECT["project"]
    lines = [line for extra in ("dev", *extras) for line in project["optional-dependencies"][extra]]
    return [Requirement(line) for line in [*project["dependencies"], *lines]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("hyperstress-*.whl"))


def test_wheel_holds_configs_templates_and_canaries(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        entry_points = next(name for name in inside if name.endswith("entry_points.txt"))
        assert "hyperstress = stress.cli:main" in archive.read(entry_points).decode()
    for folder, place in (("configs", "stress/_configs"), ("reports", "reports")):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"{place}/{path.relative_to(ROOT / folder).as_posix()}" in inside
    assert "stress/canaries.json" in inside
    assert any(name.startswith("reports/templates/") for name in inside)
    assert any(name.endswith("licenses/LICENSE") for name in inside)


def test_wheel_holds_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    version = PROJECT["project"]["version"]
    assert tops == {"models", "stress", "reports", f"hyperstress-{version}.dist-info"}


@pytest.mark.parametrize("python", PYTHONS)
def test_direct_dependencies_are_pinned_within_their_range(python):
    pinned = pins(python)
    for requirement in direct("bench"):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])
    for package in ("jax", "jaxlib"):
        assert pinned[package] != "0.10.2"


def test_every_installed_package_that_is_needed_is_pinned():
    """The closure of what pyproject.toml names, as installed here, at the pinned versions."""
    pinned = pins("{}.{}".format(*sys.version_info[:2]))
    needed = closure(direct())
    assert len(needed) > len(direct())
    installed = {name: metadata.version(name) for name in needed}
    assert {name: pinned.get(name) for name in installed} == installed


def test_constraints_hold_names_and_versions_only():
    """No address of an index, no option, no path."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    marker = r'(; python_version (<|>=) "3\.12")?'
    assert [line for line in lines if not re.fullmatch(rf"[\w.-]+==[\w.]+{marker}", line)] == []
    assert lines == sorted(lines, key=lambda line: re.split("==", line)[0].lower())


@pytest.mark.slow
def test_installed_wheel_works_from_another_folder(wheel, tmp_path):
    """The wheel alone in an environment whose other packages are those of this one."""
    home, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    place = Path(ask(python, "import sysconfig; print(sysconfig.get_path('purelib'))", elsewhere))
    # A path listed in a .pth file is added as it is: the editable checkout of this one is not.
    packages = Path(pytest.__file__).parents[1]
    (place / "others.pth").write_text(f"{packages}\n", encoding="utf-8")
    command = ["-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)

    code = "import models, stress, reports; print(*(m.__file__ for m in (models, stress, reports)))"
    assert all(Path(file).is_relative_to(place) for file in ask(python, code, elsewhere).split())
    code = "from stress.files import config_dir; print(config_dir())"
    configs = Path(ask(python, code, elsewhere))
    assert configs == place / "stress" / "_configs"
    assert (configs / "campaigns" / "baseline.yaml").is_file()
    code = "from stress.doctor import stored; print(len(stored()))"
    assert int(ask(python, code, elsewhere)) > 0
    for command in ([home / "bin" / "hyperstress"], [python, "-m", "stress"]):
        done = subprocess.run([*command, "--help"], cwd=elsewhere, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "doctor" in done.stdout


def ask(python: Path, code: str, folder: Path) -> str:
    done = subprocess.run([python, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
