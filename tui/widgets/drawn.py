"""The panels that are drawn as a whole: the DAG, the model, the committee, the jobs, the resources."""

from collections.abc import Sequence

from rich.text import Text
from textual.reactive import reactive

from tui.drawing.following import find_followed
from tui.drawing.jobs import draw_jobs_panel
from tui.drawing.palette import Palette
from tui.drawing.panels import draw_committee_panel, draw_dag_panel, draw_model_panel
from tui.drawing.resources import draw_resources_panel
from tui.snapshot import Snapshot
from tui.widgets.panel import Panel


class DagPanel(Panel):
    """Pace and picture of the sub-DAG."""

    title = "DAG"

    followed: reactive[str] = reactive("")
    """Id of the transaction that is followed; empty for none."""

    def draw(self, snapshot: Snapshot, width: int, height: int, palette: Palette) -> Sequence[Text]:
        """Rates, finality, queues, picture."""
        followed = find_followed(snapshot, self.followed) if self.followed else None
        return draw_dag_panel(snapshot.dag, width, height, palette, followed)


class IntelligencePanel(Panel):
    """The public model and how it learns."""

    title = "Proof of Intelligence"

    def draw(self, snapshot: Snapshot, width: int, height: int, palette: Palette) -> Sequence[Text]:
        """Score, learning curve, work, portraits."""
        if snapshot.model is None:
            return [Text("this network has no standing job", palette.muted)]
        return draw_model_panel(snapshot.model, width, height, palette)


class CommitteePanel(Panel):
    """Rounds and votes."""

    title = "Committee"

    def draw(self, snapshot: Snapshot, width: int, height: int, palette: Palette) -> Sequence[Text]:
        """Round, validators, quorum."""
        if snapshot.committee is None:
            return [Text("no committee is known yet", palette.muted)]
        self.border_title = f"{self.title} · shard {snapshot.committee.shard}"
        return draw_committee_panel(snapshot.committee, width, height, palette)


class ResourcesPanel(Panel):
    """What the node takes of its machine."""

    title = "Resources"

    def draw(self, snapshot: Snapshot, width: int, height: int, palette: Palette) -> Sequence[Text]:
        """Processor, event loop, memory, disk, workers, queues."""
        if snapshot.resources is None:
            return [Text("this node does not tell what it takes of its machine", palette.muted)]
        return draw_resources_panel(snapshot.resources, width, height, palette)


class JobsPanel(Panel):
    """The job market."""

    title = "Jobs"

    def draw(self, snapshot: Snapshot, width: int, height: int, palette: Palette) -> Sequence[Text]:
        """Prices, totals, and the latest jobs."""
        if snapshot.market is None:
            return [Text("this node tells of no market", palette.muted)]
        return draw_jobs_panel(snapshot.market, width, height, palette)
