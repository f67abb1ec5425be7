"""The Python in README.md and the pages around it runs, and prints what they say that it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# A block of Python, and the block of text right behind it, if there is one.
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", flags=re.DOTALL)
PAGES = ("README.md", "docs/GUIDE.md", "CONTRIBUTING.md")
BLOCKS = {
    f"{page} {number}": found.groups()
    for page in PAGES
    for number, found in enumerate(BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")))
}


@pytest.mark.parametrize(("code", "printed"), BLOCKS.values(), ids=BLOCKS)
def test_python_block_runs(code, printed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if printed:
        assert done.stdout == printed


def test_first_block_is_the_ten_lines():
    lines = [line for line in BLOCKS["README.md 0"][0].splitlines() if line.strip()]
    assert len(lines) == 10
    assert any("save_weights" in line for line in lines)


def test_the_two_commands_come_first():
    first = README.split("```")[1]
    assert re.findall(r"^make (\w+)", first, flags=re.MULTILINE) == ["demo", "test"]


@pytest.mark.parametrize("page", [*PAGES, "docs/FORMATS.md", "examples/README.md", "datasets/README.md"])
def test_links_and_paths_exist(page):
    """Links lead somewhere, and so do file names in backticks (of the package, or from the root)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    names = set(re.findall(r"`((?:\w+/)*\w+\.py)`", text))
    places = (ROOT, ROOT / "kerasette", ROOT / "examples")
    missing += [name for name in names if not any((place / name).is_file() for place in places)]
    assert not missing
