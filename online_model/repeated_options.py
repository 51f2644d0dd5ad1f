"""Options that take several values at once: ``--train A B`` is ``--train A --train B``."""

from collections.abc import Iterable, Iterator, Set

import typer
from typer.core import TyperCommand, TyperOption


class RepeatedOptions(TyperCommand):
    """A command without arguments, whose options that may be repeated need not be: a shell puts
    all files of a pattern behind one."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """As any command does, once each value has its option."""
        repeated = {
            name
            for option in self.params
            if isinstance(option, TyperOption) and option.multiple
            for name in option.opts
        }
        return super().parse_args(ctx, list(_each_with_option(args, repeated)))


def _each_with_option(args: Iterable[str], repeated: Set[str]) -> Iterator[str]:
    option, has_value = "", False
    for arg in args:
        if arg.startswith("-"):
            option, equals, _ = arg.partition("=")
            has_value = bool(equals)
        else:
            if has_value and option in repeated:
                yield option
            has_value = True
        yield arg
