import pytest

from gradtool.report.graph_lanes import ASCII, OPEN, EdgeRow, NodeRow, Way, drawing_order, rows, running_on

# Node -> its arguments. 0, 1 and 2 are inputs.
PRODUCT = {0: [], 1: [], 2: [], 3: [0, 1], 4: [1, 2], 5: [3, 4]}
SQUARE = {0: [], 1: [0, 0]}
CUBE = {0: [], 1: [], 2: [1, 0, 0, 0]}
CHAIN = {0: [], 1: [0], 2: [1]}
FAN = {**{k: [] for k in range(6)}, 6: list(range(6))}


def drawn(graph, most=40, shown=None):
    shown = list(graph) if shown is None else shown
    arguments = {node: list(enumerate(graph[node])) for node in shown}
    return list(rows(drawing_order(shown, arguments, max(shown)), arguments, most))


def text(found):
    return "\n".join(
        f"{row.gutter.rstrip()} {row.node if isinstance(row, NodeRow) else f'to {row.source}'}" for row in found
    )


@pytest.mark.parametrize(
    ("graph", "picture"),
    [
        (CHAIN, "● 2|│ to 1|● 1|│ to 0|● 0"),
        (SQUARE, "● 1|├─╮ to 0|├─╯ to 0|● 0"),
        (CUBE, "● 2|├─╮ to 1|├─│─╮ to 0|├─│─┤ to 0|├─│─╯ to 0|│ ● 1|● 0"),
        (
            PRODUCT,
            "● 5|├─╮ to 3|│ │ to 4|│ ● 3|│ ├─╮ to 0|│ │ │ to 1|│ │ ● 0|● │ 4|├─┤ to 1|│ │ to 2|│ ● 1|● 2",
        ),
    ],
    ids=["a chain", "twice the same", "three times the same", "a shared input"],
)
def test_pictures(graph, picture):
    assert text(drawn(graph)).replace("\n", "|") == picture


def test_every_node_is_drawn_once_below_all_that_uses_it():
    found = drawn(PRODUCT)
    nodes = [row.node for row in found if isinstance(row, NodeRow)]
    assert sorted(nodes) == list(PRODUCT)
    assert all(nodes.index(node) < nodes.index(a) for node, arguments in PRODUCT.items() for a in arguments)
    edges = [(row.node, row.argument, row.source) for row in found if isinstance(row, EdgeRow)]
    assert sorted(edges) == [(node, k, a) for node, arguments in PRODUCT.items() for k, a in enumerate(arguments)]


def test_where_lanes_run_out_edges_go_by_name():
    found = drawn(FAN, most=4)
    ways = [row.way for row in found if isinstance(row, EdgeRow)]
    assert ways.count(Way.NAME) == 3
    assert ways.count(Way.LANE) == 3
    assert all(len(row.gutter) <= 8 for row in found)
    assert "├▸" in text(found)
    assert sorted(row.node for row in found if isinstance(row, NodeRow)) == list(FAN)


@pytest.mark.parametrize("most", [4, 5, 7, 40])
def test_a_graph_that_is_all_shared_fits_any_number_of_lanes(most):
    graph = {k: list(range(max(0, k - 7), k)) for k in range(40)}
    found = drawn(graph, most)
    assert max(len(row.gutter) for row in found) <= 2 * most
    assert [row.node for row in found if isinstance(row, NodeRow)] == list(range(39, -1, -1))


def test_what_is_not_shown_is_named_and_leads_nowhere():
    found = drawn(PRODUCT, shown=[3, 4, 5])
    assert text(found).replace("\n", "|") == "● 5|├─╮ to 3|│ │ to 4|│ ● 3|│ ├… to 0|│ ╰… to 1|● 4|├… to 1|╰… to 2"
    assert {row.way for row in found if isinstance(row, EdgeRow)} == {Way.LANE, Way.HIDDEN}


def test_a_chain_of_leaves_needs_two_lanes_whatever_side_they_are_on():
    for flip in (1, -1):
        graph = {k: [] for k in range(100)}
        graph |= {100: [0, 1][::flip]} | {k: [k - 1, k - 99][::flip] for k in range(101, 199)}
        assert max(len(row.gutter) for row in drawn(graph)) == 4


def test_the_first_node_comes_first_and_other_ends_after_it():
    graph = {0: [], 1: [0], 2: [0]}
    arguments = {node: list(enumerate(found)) for node, found in graph.items()}
    assert drawing_order([0, 1, 2], arguments, 1) == [1, 2, 0]
    assert text(rows([1, 2, 0], arguments, 40)).replace("\n", "|") == "● 1|│ to 0|│ ● 2|├─╯ to 0|● 0"


def test_lanes_go_on_below():
    assert running_on("├─│─╮ ") == "│ │ │ "
    assert running_on("╰─┤ ●", OPEN) == "  ┆  "
    assert running_on("│ ● ", node_too=True) == "│ │ "
    assert "●│├┤─╮╯╭╰▸…┆".translate(ASCII).isascii()
