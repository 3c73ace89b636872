"""What the tests of minimal cases share: a file of source text, with its first target checked."""

import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gradtool.checking import Settings, check_target
from gradtool.minimal_case import reproduce, shrink
from gradtool.report import Page
from gradtool.report.reproduction import render_reproduction
from gradtool.results import CheckReport, Outcome, TargetResult
from gradtool.target import Target
from gradtool.targets import find_targets
from gradtool.targets.given import Given
from gradtool.targets.inputs import make_target
from gradtool.targets.loading import load
from gradtool.targets.scope import Scope

SETTINGS = Settings(points=1)


@dataclass
class Made:
    path: Path
    scope: Scope
    target: Target
    result: TargetResult

    def shrunk(self, **more: Any):
        return shrink(self.target, self.result, SETTINGS, **more)

    def reproduced(self):
        return reproduce(self.shrunk(), self.scope.module)

    def written(self, path: Path):
        """The module of tests, with this one test."""
        test = self.reproduced()
        with path.open("w") as stream:
            render_reproduction(CheckReport((replace(self.result, reproduction=test),)), stream, Page())
        return test


@pytest.fixture
def made(tmp_path):
    """The first target of a file of this source, checked; by default it has to be WRONG."""

    def make(source: str, file: str = "layers.py", verdict: Outcome = Outcome.WRONG) -> Made:
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text("import numpy as np\n" + textwrap.dedent(source))
        scope = load(path, file)
        target = make_target(find_targets(scope)[0], scope, Given(), 0)
        assert isinstance(target, Target), target.reason
        result = check_target(target, SETTINGS)
        assert result.verdict is verdict
        return Made(path, scope, target, result)

    return make
