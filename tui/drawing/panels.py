"""The bodies of the panels: facts and a size in, lines out."""

from collections.abc import Sequence

from rich.text import Text

from tangle.core.types import GRAINS_PER_TOKEN
from tui.drawing.bars import draw_progress, draw_pulses, draw_sparkline, draw_votes, join_columns
from tui.drawing.curve import draw_curve
from tui.drawing.dag import draw_dag, draw_legend
from tui.drawing.figures import draw_figures
from tui.drawing.following import draw_followed
from tui.drawing.palette import Palette
from tui.drawing.portraits import draw_gallery
from tui.drawing.units import (
    compute_percent,
    format_count,
    format_duration,
    format_key,
    format_milliseconds,
    format_rate,
)
from tui.snapshot import CommitteeFacts, DagFacts, FollowedFacts, ModelFacts, ValidatorFacts, VertexState

FINALITY_WARN_MS = 2_000.0
"""95th percentile of finality from which it is shown in amber: the promise of the devnet."""

FINALITY_BAD_MS = 6_000.0
"""The same for rose: three times the promise."""

GALLERY_FROM_WIDTH = 48
"""Columns from which the model's portraits are worth their room."""

BIG_SCORE_FROM_HEIGHT = 16
"""Lines from which the score is written in large figures."""

GALLERY_BESIDE_WIDTH = 44
"""Columns that the portraits take beside the curve: five of them with their gaps."""

CURVE_BESIDE_WIDTH = 30
"""Columns that the curve keeps beside the portraits."""

CURVE_MINIMUM_HEIGHT = 7
"""Lines that the learning curve keeps before anything else may have them."""


def draw_dag_panel(
    facts: DagFacts, width: int, height: int, palette: Palette, followed: FollowedFacts | None = None
) -> list[Text]:
    """Rates with their last minute, the queues, finality, the picture, and who is followed."""
    peak = max((*facts.history_in, *facts.history_final, 1.0))
    head = [
        _draw_rate("in", facts.rate_in, facts.history_in, peak, width, palette.active, palette),
        _draw_rate("final", facts.rate_final, facts.history_final, peak, width, palette.primary, palette),
        _draw_finality(facts, width, palette),
    ]
    if height >= 16:
        totals = Text.assemble(
            *_pair("ordered", format_count(facts.ordered_total), palette),
            *_pair("price", format_count(facts.price), palette),
            *_pair("difficulty", str(facts.difficulty), palette),
        )
        head = [*head, totals, Text(), draw_legend(tuple(VertexState)[:-1], palette)]
    for line in head:
        line.truncate(width)
    foot = [] if followed is None else draw_followed(followed, width, palette)
    room = height - len(head) - len(foot)
    name = None if followed is None else followed.id
    return [*head, *draw_dag(facts.vertices, width, room, palette, name), *foot]


def draw_model_panel(facts: ModelFacts, width: int, height: int, palette: Palette) -> list[Text]:
    """Score and learning curve, the open generation, the latest numbers, and what the outputs look for."""
    head = _draw_score(facts, width, palette, is_big=height >= BIG_SCORE_FROM_HEIGHT)
    foot = _draw_work(facts, width, palette)
    room = height - len(head) - len(foot)
    lines = [*head, *_draw_learning(facts, width, room, palette), *foot]
    for line in lines:
        line.truncate(width)
    return lines


def _draw_learning(facts: ModelFacts, width: int, height: int, palette: Palette) -> list[Text]:
    """The learning curve, with the portraits under it, beside it, or left out, as the room allows."""
    caption = Text("what each output looks for", palette.muted)
    below = draw_gallery(facts.portraits, width, height - CURVE_MINIMUM_HEIGHT - 2, palette)
    if below and width >= GALLERY_FROM_WIDTH:
        curve = draw_curve(facts.curve, facts.holdout_rows, width, height - len(below) - 2, palette)
        return [*curve, caption, *below, Text()]
    beside = draw_gallery(facts.portraits, GALLERY_BESIDE_WIDTH, height - 1, palette)
    if not beside or width < GALLERY_BESIDE_WIDTH + CURVE_BESIDE_WIDTH:
        return draw_curve(facts.curve, facts.holdout_rows, width, height, palette)
    curve = draw_curve(facts.curve, facts.holdout_rows, width - GALLERY_BESIDE_WIDTH - 2, height, palette)
    right = [Text()] * (height - len(beside) - 1) + [caption, *beside]
    return [
        join_columns(left, picture, width - GALLERY_BESIDE_WIDTH + picture.cell_len)
        for left, picture in zip(curve, right, strict=True)
    ]


def _draw_score(facts: ModelFacts, width: int, palette: Palette, *, is_big: bool) -> list[Text]:
    """How good the model is, and which model it is; in large figures where there is room."""
    score = f"{compute_percent(facts.score, facts.holdout_rows):.1f}%"
    shape = "-".join(map(str, facts.layer_sizes))
    if not is_big:
        name = Text(shape, palette.muted).append(f"  {facts.name}", f"bold {palette.special}")
        note = " on the holdout" if width >= GALLERY_FROM_WIDTH else ""
        left = Text.assemble((score, f"bold {palette.primary}"), (note, palette.muted))
        return [join_columns(left, name, width)]
    notes = (
        Text(facts.name, f"bold {palette.special}"),
        Text(f"{shape} integer network", palette.muted),
        Text(
            f"{format_count(facts.score)} of {format_count(facts.holdout_rows)} held-out rows", palette.muted
        ),
    )
    figures = [Text(row, palette.primary) for row in draw_figures(score)]
    return [*(join_columns(figure, note, width) for figure, note in zip(figures, notes, strict=True)), Text()]


def _draw_work(facts: ModelFacts, width: int, palette: Palette) -> list[Text]:
    """The latest numbers carried, all evaluations so far, and how far the open generation is."""
    is_roomy = width >= GALLERY_FROM_WIDTH
    label = "latest work  " if is_roomy else "work "
    pulses = Text(label, palette.muted).append_text(draw_pulses(facts.pulses, width - len(label), palette))
    evaluations = Text(format_count(facts.counted_total), palette.text).append(" evaluations", palette.muted)
    label = f"generation {facts.generation + 1}  " if is_roomy else "next "
    count = f" {format_count(facts.counted_open)}/{format_count(facts.population)}"
    room = max(1, width - len(label) - len(count))
    progress = Text(label, palette.muted).append_text(
        draw_progress(facts.counted_open, facts.population, room, palette.special, palette.faint)
    )
    return [
        pulses,
        join_columns(evaluations, Text(facts.device, palette.muted), width),
        progress.append(count, palette.text),
    ]


def draw_committee_panel(facts: CommitteeFacts, width: int, height: int, palette: Palette) -> list[Text]:
    """Round and quorum, then a row for every validator."""
    head = Text.assemble(
        *_pair("round", format_count(facts.round), palette),
        *_pair("commit", format_count(facts.commit), palette),
        *_pair("epoch", str(facts.epoch), palette),
    )
    if facts.epoch_left_ms is not None:
        left = Text("next in ", palette.muted).append(
            format_duration(facts.epoch_left_ms / 1_000), palette.text
        )
        if facts.waiting:
            left.append(f", {facts.waiting} to join", palette.primary)
        if head.cell_len + left.cell_len <= width:
            head = join_columns(head, left, width)
    rows = [_draw_validator(validator, facts, width, palette) for validator in facts.validators]
    room = max(0, height - 2)
    if len(rows) > room:
        hidden = len(rows) - max(0, room - 1)
        rows = [*rows[: max(0, room - 1)], Text(f"  and {hidden} more", palette.muted)]
    lines = [head, *rows, _draw_quorum(facts, width, palette)]
    for line in lines:
        line.truncate(width)
    return lines


def _pair(label: str, value: str, palette: Palette) -> Sequence[tuple[str, str]]:
    """A label and its figure, with room after them."""
    return (f"{label} ", palette.muted), (f"{value}  ", palette.text)


def _draw_rate(
    label: str,
    rate: float,
    history: Sequence[float],
    peak: float,
    width: int,
    colour: str,
    palette: Palette,
) -> Text:
    """A rate and its last minute."""
    line = Text.assemble(
        (f"{label:<6}", palette.muted),
        (format_rate(rate).rjust(6), f"bold {colour}"),
        (" tx/s  ", palette.muted),
    )
    room = min(60, width - line.cell_len)
    line.pad_right(max(0, width - line.cell_len - room))
    return line.append_text(draw_sparkline(history, room, palette.faint, colour, peak=peak))


def _draw_finality(facts: DagFacts, width: int, palette: Palette) -> Text:
    """Time to finality at the left; tips and queues at the right."""
    p95_ms = facts.finality_p95_ms or 0.0
    tone = palette.good
    if p95_ms >= FINALITY_WARN_MS:
        tone = palette.bad if p95_ms >= FINALITY_BAD_MS else palette.warn
    finality = Text("finality ", palette.muted).append(
        format_milliseconds(facts.finality_p50_ms), f"bold {tone}"
    )
    if width >= 56:
        finality.append("  p95 ", palette.muted).append(format_milliseconds(facts.finality_p95_ms), tone)
    queues = Text()
    for label, count in (("tips", facts.tips), ("pending", facts.pending), ("waiting", facts.waiting)):
        part = Text(f"  {label} ", palette.muted).append(format_count(count), palette.text)
        if finality.cell_len + queues.cell_len + part.cell_len <= width:
            queues.append_text(part)
    return join_columns(finality, queues, width)


def _draw_validator(validator: ValidatorFacts, facts: CommitteeFacts, width: int, palette: Palette) -> Text:
    """Leader mark, seat, key, votes, and the latest attested checkpoint."""
    line = Text("★ " if validator.is_leader else "  ", palette.warn)
    line.append(f"v{validator.index}", f"bold {palette.text}" if validator.is_self else palette.text)
    line.append(f" {format_key(validator.key, 8 if width >= 50 else 4)}", palette.muted)
    line.append(" you" if validator.is_self else "    ", palette.primary)
    lag = facts.round - validator.round
    tail = Text(f" {format_count(validator.attested):>6}", palette.text if lag <= 3 else palette.bad)
    if width >= 64:
        share = compute_percent(validator.weight, facts.total_weight)
        tail = Text(f" {share:>3.0f}%  r{format_count(validator.round)} ", palette.muted).append_text(tail)
    if width >= 80 and validator.stake is not None:
        stake = format_count(validator.stake // GRAINS_PER_TOKEN)
        tail = Text(f" {stake} MST", palette.text).append_text(tail)
    return (
        line.append(" ")
        .append_text(draw_votes(validator.votes, width - line.cell_len - tail.cell_len - 1, palette))
        .append_text(tail)
    )


def _draw_quorum(facts: CommitteeFacts, width: int, palette: Palette) -> Text:
    """Weight heard from in the last whole round against the quorum, and the evidence kept.

    The newest round is still filling; the one before it is what a quorum can be told from.
    """
    heard = sum(validator.weight for validator in facts.validators if any(validator.votes[-2:][:1]))
    is_enough = heard >= facts.quorum
    line = Text("quorum ", palette.muted)
    line.append(f"{heard}/{facts.total_weight}", f"bold {palette.good if is_enough else palette.bad}")
    line.append(f" needs {facts.quorum}", palette.muted)
    tone = palette.bad if facts.equivocations else palette.muted
    return join_columns(line, Text(f"equivocations {facts.equivocations}", tone), width)
