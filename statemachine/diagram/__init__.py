"""The table as Mermaid, Graphviz, SVG and Markdown: computed, never drawn by hand."""

from statemachine.diagram.blocks import BlockError, refresh
from statemachine.diagram.dot import dot
from statemachine.diagram.mermaid import mermaid
from statemachine.diagram.recorded import Step, recorded_path
from statemachine.diagram.svg import svg
from statemachine.diagram.tables import markdown

__all__ = [
    "BlockError",
    "Step",
    "dot",
    "markdown",
    "mermaid",
    "recorded_path",
    "refresh",
    "svg",
]
