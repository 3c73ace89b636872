"""The README's pictures show what a terminal shows. After a change of what is shown, make them anew:

GRADTOOL_DRAW_PICTURES=1 pytest tests/test_pictures.py
"""

import io
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

import gradtool
from gradtool.cli import main

TOP = Path(gradtool.__file__).parent.parent
PICTURES = TOP / "samples" / "pictures"
if not PICTURES.exists():
    pytest.skip("installed without its source tree", allow_module_level=True)

WIDTH = 100
COMMANDS = {
    "eval.svg": ["eval", "(x+y)*max(y,z)", "x=1", "y=2", "z=0"],
    "check.svg": ["check", "samples/gradients/softmax_loss_wrong.py"],
    "graph.svg": ["graph", "(x+y)*max(y,z)", "x=1", "y=2", "z=0", "--paths", "y"],
}
# Without the fonts that rich would fetch from the network: the reader's own will do.
FORMAT = re.sub(r"@font-face \{\{.*?\n    \}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def shown(arguments):
    """What the command prints on a terminal with colours, and its exit code."""
    found = CliRunner().invoke(main, [*arguments, "--color", "always"], env={"COLUMNS": str(WIDTH)})
    return found.stdout, found.exit_code


def typed(arguments):
    return "$ gradtool " + " ".join(f'"{a}"' if re.search(r"[()*]", a) else a for a in arguments)


def drawn(arguments):
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text(typed(arguments), style="bold"))
    console.print(Text.from_ansi(shown(arguments)[0].rstrip()), soft_wrap=False)
    return console.export_svg(title="gradtool", code_format=FORMAT, unique_id="gradtool")


def text_of(svg):
    """The lines that a picture shows, without what hangs on the last bits: error bounds and counts of digits."""
    root = ElementTree.fromstring(svg)
    lines = {}
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        if "title" not in element.get("class", ""):
            lines.setdefault(float(element.get("y")), []).append((float(element.get("x")), "".join(element.itertext())))
    whole = ("".join(text for _, text in sorted(parts)) for _, parts in sorted(lines.items()))
    return [re.sub(r"\s+", " ", re.sub(r"\d+e-\d+|\d+ digits", "_", line)).strip() for line in whole]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_picture_shows_what_the_program_shows(name, monkeypatch):
    monkeypatch.chdir(TOP)
    now = drawn(COMMANDS[name])
    if os.environ.get("GRADTOOL_DRAW_PICTURES"):
        (PICTURES / name).write_text(now, encoding="utf-8")
    kept = (PICTURES / name).read_text(encoding="utf-8")
    assert text_of(kept) == text_of(now), f"samples/pictures/{name} is out of date: see the top of this file"
    assert typed(COMMANDS[name]).removeprefix("$ ") in " ".join(text_of(kept)[:1])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_picture_needs_no_network(name):
    assert not re.search(r"(src|href|url)\W+https?:", (PICTURES / name).read_text(encoding="utf-8"))


def test_the_readme_has_every_picture():
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\(samples/pictures/([\w.]+)\)", readme)) == set(COMMANDS)
    assert {path.name for path in PICTURES.iterdir()} == set(COMMANDS)
