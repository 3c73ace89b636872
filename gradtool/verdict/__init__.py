"""From a gradient and its references to OK, WRONG or UNDECIDED. There is no tolerance to tune: every bound is measured."""

from gradtool.verdict.allowance import quick_allowance, rounding_allowance
from gradtool.verdict.along import Along, along_random_directions
from gradtool.verdict.confirm import SecondMethod
from gradtool.verdict.decide import RESOLUTION, Decision, Opinion, decide, scale_of
from gradtool.verdict.judge import Judge, Judged
from gradtool.verdict.second_order import judge_hessian
from gradtool.verdict.ties import Tie, convention_matters, find_ties

__all__ = [
    "RESOLUTION",
    "Along",
    "Decision",
    "Judge",
    "Judged",
    "Opinion",
    "SecondMethod",
    "Tie",
    "along_random_directions",
    "convention_matters",
    "decide",
    "find_ties",
    "judge_hessian",
    "quick_allowance",
    "rounding_allowance",
    "scale_of",
]
