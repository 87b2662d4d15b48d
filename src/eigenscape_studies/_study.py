"""A study as data: plans, stages of tasks, claims, pictures; and the one way to run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from eigenscape.errors import InputError
from eigenscape.results import Environment, write_text
from eigenscape.runs import Engine, ProgressCallback, Task, execute, raise_failures
from eigenscape_studies._claim import Claim
from eigenscape_studies._page import render_page
from eigenscape_studies._result import StudyResult
from eigenscape_studies._tables import Rows, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Found = Mapping[str, Mapping[str, Any]]
Pictures = dict[str, tuple["Figure", str]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a scale of a study computes; a study with sizes of its own adds fields.

    Args:
        seeds: of the repeats.
    """

    seeds: tuple[int, ...]

    def first_seeds(self, count: int) -> tuple[int, ...]:
        """Return the seeds that ``--seeds N`` stands for: 0 to N - 1."""
        return tuple(range(count))

    def with_seeds(self, seeds: tuple[int, ...]) -> Self:
        """Return the plan with other seeds."""
        return replace(self, seeds=seeds)


PlanT = TypeVar("PlanT", bound=Plan)
NumbersT = TypeVar("NumbersT")
Stage = Callable[[PlanT, Found], Sequence[Task]]


@dataclass(frozen=True, kw_only=True)
class Study(Generic[PlanT, NumbersT]):
    """A paper, its claims, and how they are tested.

    Args:
        name: what the command calls it.
        title: the heading of its page.
        paper: the citation.
        scales: name to plan, from small to large.
        stages: name to what lists its tasks, in order. A stage receives the plan and what the
            earlier ones found (stage to task to value); its tasks run side by side.
        collect: from the plan and all that was found to the numbers that claims are made from.
        claims: each one from the numbers to a :class:`Claim`.
        tables: from the numbers to name and rows; pictures are drawn from these alone.
        pictures: from the result to heading, figure and caption.
        paragraphs: from the numbers to headings and texts: the findings in plain words.
        intervals: how the intervals were made.
    """

    name: str
    title: str
    paper: str
    scales: Mapping[str, PlanT]
    stages: Mapping[str, Stage[PlanT]]
    collect: Callable[[PlanT, Found], NumbersT]
    claims: tuple[Callable[[NumbersT], Claim], ...]
    tables: Callable[[NumbersT], dict[str, Rows]]
    pictures: Callable[[StudyResult], Pictures]
    paragraphs: Callable[[NumbersT], dict[str, str]] = lambda _: {}
    intervals: str = "Student's t over seeds."

    def run(
        self,
        scale: str = "small",
        *,
        seeds: int | None = None,
        seed_list: Sequence[int] | None = None,
        folder: str | Path | None = None,
        engine: Engine = "local",
        jobs: int | None = None,
        address: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> StudyResult:
        """Compute every stage, and judge the claims by the numbers.

        Args:
            scale: one of ``scales``: ``"small"`` (minutes), or the study's large one: ``"paper"``
                (the paper's own sizes) or ``"full"`` (the largest that a small machine finishes).
            seeds: how many repeats; None for the scale's own number.
            seed_list: the seeds themselves, in place of their number.
            folder: where finished tasks are kept, so that an interrupted study resumes from them.
            engine: where tasks run. ``"threads"`` runs one at a time in this process, since
                torch's generator is shared.
            jobs: tasks at a time; None for one on each core.
            address: of the Dask or Ray cluster to join; None for the one that the engine's
                environment variable names, or a local one.
            progress: called after each task, stage by stage.

        Raises:
            InputError: an unknown scale, or seeds that give no interval.
            TaskError: tasks failed; the others are kept in the folder.
        """
        plan = self.plan(scale, seeds, seed_list)
        found: dict[str, dict[str, Any]] = {}
        seconds = 0.0
        for name, stage in self.stages.items():
            outcomes = execute(
                stage(plan, found),
                folder=None if folder is None else Path(folder) / name,
                engine=engine,
                jobs=1 if engine == "threads" else jobs,
                address=address,
                progress=progress,
            )
            raise_failures(outcomes)
            found[name] = {outcome.name: outcome.value for outcome in outcomes}
            seconds += sum(outcome.seconds for outcome in outcomes)
        numbers = self.collect(plan, found)
        command = self.command(scale, seeds, seed_list)
        return self.result(plan, numbers, scale=scale, command=command, seconds=seconds)

    def result(
        self, plan: PlanT, numbers: NumbersT, *, scale: str, command: str, seconds: float = 0.0
    ) -> StudyResult:
        """Return the result that numbers make: claims, paragraphs and tables."""
        repeats = len(plan.seeds)
        return StudyResult(
            environment=Environment.capture(seed=plan.seeds[0]),
            study=self.name,
            title=self.title,
            scale=scale,
            seeds=repeats,
            seconds=seconds,
            paragraphs=self.paragraphs(numbers),
            claims=self.judge(numbers, command=command, seeds=repeats),
            tables=plain(self.tables(numbers)),
        )

    def judge(self, numbers: NumbersT, *, command: str, seeds: int) -> tuple[Claim, ...]:
        """Return every claim with its verdict."""
        made = [claim(numbers) for claim in self.claims]
        return tuple(
            replace(
                claim,
                command=claim.command or command,
                seeds=seeds if claim.seeds is None else claim.seeds,
            )
            for claim in made
        )

    def plan(
        self, scale: str, seeds: int | None = None, seed_list: Sequence[int] | None = None
    ) -> PlanT:
        """Return the plan of a scale, with other seeds where they are asked for.

        Raises:
            InputError: as :meth:`run`.
        """
        if scale not in self.scales:
            raise InputError(f"scale is {scale!r}; expected one of {', '.join(self.scales)}")
        plan = self.scales[scale]
        if seeds is not None and seed_list is not None:
            raise InputError("a number of seeds and a list of them. Try: one of the two")
        if seeds is not None:
            if seeds < 2:
                raise InputError(f"seeds is {seeds}; an interval needs 2 or more")
            return plan.with_seeds(plan.first_seeds(seeds))
        if seed_list is None:
            return plan
        if len(set(seed_list)) < max(2, len(seed_list)) or min(seed_list) < 0:
            raise InputError(
                f"seed list {','.join(map(str, seed_list))}; expected 2 or more different numbers, "
                "none of them negative"
            )
        return plan.with_seeds(tuple(seed_list))

    def command(
        self, scale: str, seeds: int | None = None, seed_list: Sequence[int] | None = None
    ) -> str:
        """Return the command that runs the study."""
        words = f"eigenscape study {self.name} --scale {scale}"
        if seeds is not None:
            words += f" --seeds {seeds}"
        return words + (f" --seed-list {','.join(map(str, seed_list))}" if seed_list else "")

    def html(self, result: StudyResult) -> str:
        """Return the page of a result: findings, claims, pictures; one self-contained file."""
        pictures = self.pictures(result)
        return render_page(result, pictures, paper=self.paper, intervals=self.intervals)

    def write_page(self, result: StudyResult, path: str | Path) -> Path:
        """Write the page of a result, atomically.

        Raises:
            OutputError: the file could not be written.
        """
        return write_text(path, self.html(result))
