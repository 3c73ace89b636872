import sys
from itertools import combinations
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from gradtool.report.extras import MissingExtraError
from gradtool.report.graph_layout import Link, Size, box_layers, crossings, lay_out, nearest_apart

NOTHING = Size(0.0, 0.0)
LABEL = Size(60.0, 28.0)


@pytest.fixture
def _igraph():
    pytest.importorskip("igraph", reason="the extra draw lays graphs out")


def random_graph(seed, count):
    rng = Random(seed)
    boxes = [Size(rng.uniform(20, 200), rng.choice([30.0, 60.0])) for _ in range(count)]
    links = []
    for upper in range(1, count):
        lowers = [rng.randrange(upper) for _ in range(rng.randrange(4))]
        links += [Link(lower, upper, rng.choice([NOTHING, LABEL])) for lower in lowers]
    return boxes, links


def rectangles(layout, boxes, links):
    """(left, top, right, bottom) of all boxes and labels."""
    found = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(layout.places, boxes, strict=True)]
    for link, route in zip(links, layout.routes, strict=True):
        if link.label != NOTHING:
            run = route.runs[-1]
            found.append((run.x, run.top, run.x + link.label.width, run.top + link.label.height))
    return found


@pytest.mark.parametrize(
    ("count", "links", "layers"),
    [
        (1, [], [0]),
        (3, [(0, 1), (1, 2)], [2, 1, 0]),
        (3, [(0, 1), (0, 2), (1, 2)], [2, 1, 0]),
        (4, [(0, 2), (1, 2), (2, 3), (2, 3)], [2, 2, 1, 0]),
        (5, [(0, 1), (1, 2), (2, 3), (0, 4)], [3, 2, 1, 0, 2]),
        (0, [], []),
    ],
)
def test_layers(count, links, layers):
    assert box_layers(count, [Link(lower, upper, NOTHING) for lower, upper in links]) == layers


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 4), st.floats(0.1, 3)), min_size=1, max_size=7))
@settings(max_examples=30, deadline=None)
def test_nearest_apart_is_the_least_squares_solution(given_positions):
    targets, apart, weights = (np.array(column) for column in zip(*given_positions, strict=True))
    found = np.array(nearest_apart(targets, apart, weights))
    assert (np.diff(found) >= apart[1:] - 1e-9).all()
    bounds = [{"type": "ineq", "fun": lambda x, k=k: x[k + 1] - x[k] - apart[k + 1]} for k in range(len(targets) - 1)]
    start = np.cumsum(apart)
    best = minimize(lambda x: np.sum(weights * (x - targets) ** 2), start, constraints=bounds, method="SLSQP")
    assert np.sum(weights * (found - targets) ** 2) <= best.fun + 1e-6


@pytest.mark.usefixtures("_igraph")
@pytest.mark.parametrize("seed", range(12))
def test_nothing_overlaps_and_nothing_is_crossed(seed):
    boxes, links = random_graph(seed, 5 + 5 * seed)
    layout = lay_out(boxes, links)
    found = rectangles(layout, boxes, links)
    for a, b in combinations(found, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    assert min(a[0] for a in found) >= -1e-6
    assert max(a[2] for a in found) <= layout.width + 1e-6
    assert max(a[3] for a in found) <= layout.height + 1e-6
    for route in layout.routes:
        for run in route.runs:  # Beside the piece of an edge there are no boxes, and of labels only those on its right.
            for left, top, right, bottom in found:
                assert run.bottom <= top or run.top >= bottom or run.x <= left or run.x >= right


@pytest.mark.usefixtures("_igraph")
@pytest.mark.parametrize("seed", range(6))
def test_routes_lead_from_box_to_box_and_always_up(seed):
    boxes, links = random_graph(seed, 30)
    layout = lay_out(boxes, links)
    for link, route in zip(links, layout.routes, strict=True):
        lower, upper = layout.places[link.lower], layout.places[link.upper]
        assert route.start.y == lower.y - boxes[link.lower].height / 2
        assert route.end.y == upper.y + boxes[link.upper].height / 2
        assert abs(route.start.x - lower.x) <= boxes[link.lower].width / 2
        assert abs(route.end.x - upper.x) <= boxes[link.upper].width / 2
        heights = [route.start.y, *(y for run in route.runs for y in (run.bottom, run.top)), route.end.y]
        assert heights == sorted(heights, reverse=True)


@pytest.mark.usefixtures("_igraph")
def test_a_tree_has_no_crossings():
    links = [Link(lower, upper, LABEL) for lower, upper in [(0, 4), (1, 4), (2, 5), (3, 5), (4, 6), (5, 6)]]
    places = lay_out([Size(80.0, 40.0)] * 7, links).places
    left, right = sorted((4, 5), key=lambda box: places[box].x)
    below = {4: (0, 1), 5: (2, 3)}
    assert max(places[box].x for box in below[left]) < min(places[box].x for box in below[right])


@pytest.mark.parametrize(
    ("order", "above", "count"),
    [
        ([[0, 1], [2, 3]], {2: [0], 3: [1]}, 0), ([[0, 1], [2, 3]], {2: [1], 3: [0]}, 1),
        ([[0, 1], [2, 3]], {2: [0, 1], 3: [0, 1]}, 1),
    ],
)  # fmt: skip
def test_crossings(order, above, count):
    assert crossings(order, {v: [(u, 1.0) for u in above.get(v, [])] for v in range(4)}) == count


@pytest.mark.usefixtures("_igraph")
def test_two_edges_between_the_same_boxes_have_ways_of_their_own():
    first, second = lay_out([Size(80.0, 40.0)] * 2, [Link(0, 1, LABEL), Link(0, 1, LABEL)]).routes
    assert abs(first.runs[0].x - second.runs[0].x) >= LABEL.width
    assert first.start.x != second.start.x


@pytest.mark.usefixtures("_igraph")
def test_a_long_edge_passes_by_straight():
    links = [Link(k, k + 1, LABEL) for k in range(8)] + [Link(0, 8, LABEL)]
    runs = lay_out([Size(80.0, 40.0)] * 9, links).routes[-1].runs
    assert len(runs) == 15
    assert len({run.x for run in runs[:-1]}) == 1


@pytest.mark.usefixtures("_igraph")
def test_a_single_box():
    layout = lay_out([Size(80.0, 40.0)], [])
    assert (layout.width, layout.height, layout.places, layout.routes) == (80.0, 40.0, ((40.0, 20.0),), ())


def test_without_igraph(monkeypatch):
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(MissingExtraError, match=r"needs igraph: pip install 'gradtool\[draw\]'"):
        lay_out([Size(1.0, 1.0)], [])
