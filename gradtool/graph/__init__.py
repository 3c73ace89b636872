"""The computation graph: nodes and who feeds whom. Knows nothing of derivatives, text or NumPy."""

from gradtool.graph.graph import CONSTANT, INPUT, Graph, GraphBuilder, Node, Place

__all__ = ["CONSTANT", "INPUT", "Graph", "GraphBuilder", "Node", "Place"]
