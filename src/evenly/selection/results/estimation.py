"""`Estimate`: what a selection is expected to cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from evenly.tables import count, format_seconds, html_table


@dataclass(frozen=True)
class OnCluster:
    """What a selection is expected to cost between the machines of a cluster.

    Workers are measured. How many rounds there are, and so what travels and what the driver does,
    is what other pools took (docs/scale.md): a guess for this one.

    Attributes:
        workers: how many there are.
        rows: of the worker that has the most.
        driver_memory: peak in bytes of the process that runs the selection.
        rounds: how many times all workers are asked while rows are chosen.
        received, sent: bytes that the driver receives from all workers, and sends to them.
        worker_seconds, driver_seconds, network_seconds: what `selection_seconds` consists of.
    """

    workers: int
    rows: int
    driver_memory: int
    rounds: int
    received: int
    sent: int
    worker_seconds: float
    driver_seconds: float
    network_seconds: float


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a selection.

    Attributes:
        engine: the requested engine, or the one that "auto" resolves to.
        rows: number of rows in the pool.
        dimension: coordinates of a vector.
        budget: number of rows that will be chosen.
        memory: peak in bytes of the vectors and of what the engine keeps; the interpreter, the
            libraries and an encoder's model come on top.
        peak_memory: peak in bytes of a whole process that reads, embeds, chooses and measures, with
            what this process has now: the interpreter, the libraries, the model and data.
        embedding_seconds: for texts, if no vector is cached; 0 for vectors.
        selection_seconds: from the vectors to the answer.
        disk: bytes of the temporary file of vectors that do not fit in memory; 0 without one. The
            embedding cache comes on top, and grows by about as much.
        disk_folder: the folder of the temporary file; None without one.
        cluster: what happens between machines; None on one machine. On a cluster, memory, disk and
            engine are those of the worker that needs the most, and seconds those of the slowest.
    """

    engine: str
    rows: int
    dimension: int
    budget: int
    memory: int
    peak_memory: int
    embedding_seconds: float
    selection_seconds: float
    disk: int = 0
    disk_folder: str | None = None
    cluster: OnCluster | None = None

    @property
    def seconds(self) -> float:
        """The total."""
        return self.embedding_seconds + self.selection_seconds

    def _repr_html_(self) -> str:
        lines = [
            ("engine", self.engine),
            ("memory", f"{self.peak_memory / 1e6:,.0f} MB"),
            ("embedding", format_seconds(self.embedding_seconds)),
            ("selection", format_seconds(self.selection_seconds)),
        ]
        if self.cluster is not None:
            lines.insert(1, ("workers", str(self.cluster.workers)))
        return html_table(f"Estimate: {self.budget:,} of {count(self.rows, 'row')}", lines)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        found = {**asdict(self), "seconds": self.seconds}
        if self.cluster is None:
            del found["cluster"]
        return found
