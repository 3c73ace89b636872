# Two ways to run backward over a graph. The recursive one is often printed, and right only where no inner node is shared:
# at every visit it passes on all that the node has received so far, so what came first is passed on again.
#   gradtool check samples/gradients/shared_nodes.py


class Node:
    """A value, the nodes it was made from, and its derivative with respect to each of them."""

    def __init__(self, value, parents=(), locals_=()):
        self.value = value
        self.parents = parents
        self.locals = locals_
        self.gradient = 0.0


def multiply(a, b):
    return Node(a.value * b.value, (a, b), (b.value, a.value))


def add(a, b):
    return Node(a.value + b.value, (a, b), (1.0, 1.0))


def graph_of(x, y):
    """(xy)(xy) + xy: three edges leave the product xy, which is no input."""
    inputs = Node(x), Node(y)
    shared = multiply(*inputs)
    return add(multiply(shared, shared), shared), inputs


def recursive_forward(x: float, y: float):
    out, inputs = graph_of(x, y)
    return out.value, (out, inputs)


def recursive_backward(dout, cache):
    """WRONG: pushes the accumulated gradient at every visit."""
    out, (x, y) = cache

    def visit(node, upstream):
        node.gradient += upstream
        for parent, local in zip(node.parents, node.locals, strict=True):
            visit(parent, node.gradient * local)

    visit(out, dout)
    dx, dy = x.gradient, y.gradient
    return dx, dy


def ordered_forward(x: float, y: float):
    out, inputs = graph_of(x, y)
    return out.value, (out, inputs)


def ordered_backward(dout, cache):
    """Right: a node passes its gradient on once, when all that use it have passed on theirs."""
    out, (x, y) = cache
    order, seen = [], set()

    def sort(node):
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                sort(parent)
            order.append(node)

    sort(out)
    out.gradient = dout
    for node in reversed(order):
        for parent, local in zip(node.parents, node.locals, strict=True):
            parent.gradient += node.gradient * local
    dx, dy = x.gradient, y.gradient
    return dx, dy
