"""The arrows between packages, parsed from every import: stress -> models, reports alone.

Also what the house asks of every file: short, no configuration in code, only one that prints.
"""

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("models", "stress", "reports")
FOLDERS = {".ci", ".git", "models", "stress", "reports", "configs", "tests"}
LONGEST = 350  # lines of a file; split a room when it passes about 250

PURE = {"jax", "jaxtyping", "numpy", "functools", "dataclasses", "typing", "collections", "math"}
COMPUTING = {
    *("jax", "jaxtyping", "numpy", "scipy", "pydantic", "ruamel", "typer", "rich", "xarray"),
    *("zarr", "numcodecs", "pandas", "pyarrow", "psutil", "dask", "distributed", "fsspec"),
    *("optuna", "arch", "SALib", "pyvinecopulib", "httpx", "tenacity"),
}
DRAWING = {"numpy", "xarray", "matplotlib", "seaborn", "jinja2", "markupsafe"}
ALLOWED = {
    "models": PURE | {"models"},
    "stress": COMPUTING | set(sys.stdlib_module_names) | {"stress", "models"},
    "reports": DRAWING | set(sys.stdlib_module_names) | {"reports"},
}


def sources(root: Path) -> Iterator[tuple[str, Path]]:
    """Dotted name and file of every module of the packages."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(name: str, path: Path) -> Iterator[str]:
    """Dotted names a file imports anywhere, inside functions too."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def wrong_arrows(root: Path) -> list[str]:
    """Imports that the direction of the house forbids."""
    wrong = set()
    for name, path in sources(root):
        package = name.split(".")[0]
        allowed = set(ALLOWED[package])
        if name == "stress.cli" or name.startswith("stress.commands"):
            allowed.add("reports")
        tops = {imported.split(".")[0] for imported in imports(name, path)}
        wrong |= {f"{name} imports {top}" for top in tops - allowed}
    return sorted(wrong)


def cycles(root: Path) -> list[str]:
    """One cycle among the modules, or nothing."""
    files = dict(sources(root))
    edges = {
        name: sorted({found for found in imports(name, path) if found in files and found != name})
        for name, path in files.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for following in edges[name]:
            if found := visit(following, [*trail, name]):
                return found
        done.add(name)
        return []

    return next((found for name in edges if (found := visit(name, []))), [])


def long_files(root: Path) -> list[str]:
    """Files of the packages longer than allowed."""
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in sources(root)}
    return [f"{name}: {length} lines" for name, length in lengths.items() if length > LONGEST]


def printing_files(root: Path) -> list[str]:
    """Modules other than the command line that print or end the process."""
    wrong = []
    for name, path in sources(root):
        if name in ("stress.cli", "stress.__main__") or name.startswith("stress.commands"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
            if text in ("print", "sys.exit", "os._exit", "SystemExit", "exit", "quit"):
                wrong.append(f"{name}:{getattr(node, 'lineno', 0)} {text}")
    return wrong


def strange_folders(root: Path) -> list[str]:
    """Folders at the top that the architecture does not name and git does not ignore."""
    ignored = (root / ".gitignore").read_text("utf-8").split()
    patterns = [line.strip("/") for line in ignored if line.endswith("/")]
    return sorted(
        path.name
        for path in root.iterdir()
        if path.is_dir()
        and path.name not in FOLDERS
        and not any(fnmatch(path.name, pattern) for pattern in patterns)
    )


def code_in_configs(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / "configs").rglob("*.py*"))


CHECKS = [
    wrong_arrows,
    cycles,
    long_files,
    printing_files,
    strange_folders,
    code_in_configs,
]


@pytest.mark.parametrize("check", CHECKS)
def test_house(check):
    assert check(ROOT) == []


def test_every_package_is_parsed():
    found = {name.split(".")[0] for name, _ in sources(ROOT)}
    assert found == set(PACKAGES)
    assert len(list(sources(ROOT))) > 20


@pytest.fixture
def house(tmp_path):
    """A small tree in order; each test below breaks one thing."""
    files = {
        ".gitignore": ".venv/\n*.egg-info/\n",
        "models/__init__.py": "",
        "models/margin.py": "import jax.numpy as jnp\nfrom models import venue\n",
        "models/venue.py": "from dataclasses import dataclass\n",
        "stress/__init__.py": "",
        "stress/cli.py": "def main():\n    from reports import page\n    print(page)\n",
        "stress/engine.py": "import os\nfrom models.margin import jnp\n",
        "stress/scenarios/__init__.py": "",
        "stress/scenarios/gbm.py": "from .. import engine\n",
        "reports/__init__.py": "",
        "reports/page.py": "import json\nimport xarray\n",
        "configs/venue.yaml": "a: 1\n",
        ".venv/x.py": "import antigravity\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("check", CHECKS)
def test_a_house_in_order_passes(house, check):
    assert check(house) == []


@pytest.mark.parametrize(
    ("check", "file", "text", "found"),
    [
        (wrong_arrows, "models/venue.py", "import json\n", "models.venue imports json"),
        (wrong_arrows, "models/venue.py", "def f():\n    import os.path\n", "imports os"),
        (wrong_arrows, "models/venue.py", "from pathlib import Path\n", "imports pathlib"),
        (wrong_arrows, "models/venue.py", "from stress import engine\n", "imports stress"),
        (wrong_arrows, "stress/engine.py", "import reports.page\n", "imports reports"),
        (wrong_arrows, "stress/engine.py", "import seaborn\n", "imports seaborn"),
        (wrong_arrows, "reports/page.py", "from models import venue\n", "imports models"),
        (wrong_arrows, "reports/page.py", "import jax\n", "imports jax"),
        (cycles, "models/venue.py", "from models.margin import jnp\n", "models.margin"),
        (cycles, "stress/engine.py", "from .scenarios import gbm\n", "stress.scenarios.gbm"),
        (cycles, "models/venue.py", "def f():\n    from . import margin\n", "models.margin"),
        (long_files, "reports/page.py", "x = 1\n" * (LONGEST + 1), "351 lines"),
        (printing_files, "stress/engine.py", "print(1)\n", "stress.engine:1 print"),
        (printing_files, "stress/engine.py", "raise SystemExit(1)\n", "SystemExit"),
        (printing_files, "models/venue.py", "import sys\nsys.exit(1)\n", "sys.exit"),
        (strange_folders, "benchmarks/x.txt", "", "benchmarks"),
        (code_in_configs, "configs/venue.py", "", "configs/venue.py"),
    ],
)
def test_each_fault_is_found(house, check, file, text, found):
    """Negative controls."""
    (house / file).parent.mkdir(exist_ok=True)
    (house / file).write_text(text, encoding="utf-8")
    assert any(found in line for line in check(house))
