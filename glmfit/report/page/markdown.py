"""A page as Markdown, with its pictures in files beside it."""

from __future__ import annotations

from glmfit.report.markdown import escape, table
from glmfit.report.page.parts import Command, Facts, Grid, Notice, Page, Part, Picture, Text


def to_markdown(page: Page, folder: str) -> str:
    """The page; pictures are `FOLDER/NAME.svg`."""
    blocks = [f"# {escape(page.title)}", *map(escape, page.lead)]
    for section in page.sections:
        blocks.append(f"{'#' * section.level} {escape(section.heading)}")
        blocks += [block for part in section.parts for block in _blocks(part, folder)]
    return "\n\n".join(blocks) + "\n"


def _blocks(part: Part, folder: str) -> list[str]:
    if isinstance(part, Text):
        return [escape(part.text)]
    if isinstance(part, Facts):
        return ["\n".join(f"- {label}: {escape(text)}" for label, text in part.rows)]
    if isinstance(part, Command):
        return ["\n".join(f"    {line}" for line in part.text.splitlines())]
    if isinstance(part, Notice):
        said = f"> **Warning** ({part.code}): {escape(part.message)}"
        return [said + (f"\n>\n> {escape(part.meaning)} {escape(part.remedy)}" if part.meaning else "")]
    if isinstance(part, Picture):
        return [f"![{escape(part.description)}]({folder}/{part.name}.svg)", f"*{escape(part.caption)}*"]
    return [block for grid in (part, part.other) if grid is not None for block in _table(grid)]


def _table(grid: Grid) -> list[str]:
    caption = [f"**{escape(grid.caption)}**"] if grid.caption else []
    return [*caption, table(grid.heading, [[cell.text for cell in row] for row in grid.rows], grid.texts)]
