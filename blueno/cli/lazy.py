"""Commands that are imported when they are asked for. tree.py says which there are; hack/cli_docs.py reads the same.

`blueno --help` imports none of them: what it says of each stands in the tree. (tests/unit/cli/test_tree.py holds the
tree against the commands' own docstrings.)
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from blueno.cli import spoken
from blueno.cli.tree import WIDEST, Branch, Leaf, Tree

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": WIDEST}


@dataclass(frozen=True)
class Word:
    """What could be typed, as click's CompletionItem has it."""

    value: str
    help: str
    type: str = "plain"


class Command(TyperCommand):
    """One command; its help names the program as it was called."""

    def get_help(self, ctx: Any) -> str:
        """As a person reads it."""
        _name_us(self)
        return super().get_help(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is wrong with a value is said in our words, not in pydantic's."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ").replace("Input should be", "it must be")
            if "valid integer" in error.message:
                error.message = "it is no whole number"
            raise


class Group(TyperGroup):
    """A group whose members are imported one by one. `children` is set where it is made."""

    children: Tree = MappingProxyType({})
    spelling: str = ""
    _is_bare = False

    def list_commands(self, _ctx: Any) -> list[str]:
        """In the order of the tree."""
        return list(self.children)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """Imports it; None when there is no such command."""
        one = self.children.get(cmd_name)
        if one is None:
            return None
        return group(cmd_name, one) if isinstance(one, Branch) else _command(cmd_name, one)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant; typer names those like it when there is none, out of `commands`."""
        self.commands = dict.fromkeys(self.children)  # type: ignore[assignment]  # only their names are read
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Called by typer with what follows the group's name."""
        if self.spelling:
            args = _function(self.spelling)(args)
        self._is_bare = bool(args) and not args[0].startswith("-")
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> Any:
        """None where a command comes first: to read that no option is there, typer imports pydantic for 0.1 s."""
        return [] if self._is_bare else super().get_params(ctx)

    def get_help(self, ctx: Any) -> str:
        """As a person reads it."""
        _name_us(self)
        return super().get_help(ctx)

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """The list below `Commands:`, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, spoken.as_called(one.help)) for name, one in self.children.items()])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Commands and options that begin so; called by completing.py, which is asked at every press of Tab."""
        found = [Word(name, one.help) for name, one in self.children.items() if name.startswith(incomplete)]
        return [*found, *super(TyperGroup, self).shell_complete(ctx, incomplete)]


def group(name: str, branch: Branch) -> Group:
    """The group of a branch."""
    made = Group(
        name=name,
        help=branch.help,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings=dict(SETTINGS),
        subcommand_metavar="COMMAND [ARGS]...",
    )
    made.children, made.spelling = branch.children, branch.spelling
    return made


def _name_us(command: Any) -> None:
    """Before the lines are broken: our name in every help text as the person types it."""
    for one in (command, *command.params):
        if getattr(one, "help", None):
            one.help = spoken.as_called(one.help)


def _command(name: str, leaf: Leaf) -> Any:
    alone = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=dict(SETTINGS)
    )
    alone.command(name, cls=Command, context_settings=dict(SETTINGS))(_function(leaf.where))
    return typer.main.get_command(alone)


def _function(where: str) -> Any:
    from importlib import import_module

    module, _, name = where.partition(":")
    return getattr(import_module(f"blueno.cli.{module}"), name)
