"""What a planted bug is: a few lines of one core, said differently."""

import msgspec


class StaleMutant(Exception):  # noqa: N818
    """The text that a mutant replaces is not in its module exactly once: adapt the mutant."""


class Edit(msgspec.Struct, frozen=True):
    """``old`` occurs exactly once in the module's source, and ``new`` takes its place."""

    module: str
    old: str
    new: str


class Mutant(msgspec.Struct, frozen=True):
    """One bug.

    ``rule`` is what the core does and the mutant does not, in words; ``source`` where the rule is
    from, empty where it is this project's own; ``election`` which fleets have it, empty: the usual
    ones. Several edits make one bug where a rule is kept at
    two places.
    """

    name: str
    rule: str
    edits: tuple[Edit, ...]
    source: str = ""
    election: str = ""

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that it changes, in order of their names."""
        return tuple(sorted({edit.module for edit in self.edits}))


def mutated(mutant: Mutant, module: str, source: str) -> str:
    """The source of a module with the bug in it.

    Raises:
        StaleMutant: some text that is to be replaced is not there exactly once.
    """
    for edit in mutant.edits:
        if edit.module != module:
            continue
        count = source.count(edit.old)
        if count != 1:
            raise StaleMutant(f"{mutant.name}: found {count} times in {module}: {edit.old!r}")
        source = source.replace(edit.old, edit.new)
    return source


def bug(
    name: str,
    rule: str,
    module: str,
    old: str,
    new: str,
    source: str = "",
    election: str = "",
) -> Mutant:
    """A mutant of one edit."""
    return Mutant(name, rule, (Edit(module, old, new),), source, election)
