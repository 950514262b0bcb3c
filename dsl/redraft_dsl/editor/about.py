"""What is shown over the names of other recipes, of their rules, and of parameters."""

from __future__ import annotations

from redraft_dsl.editor.documents import Examined
from redraft_dsl.editor.used import text_of, used_as, written_out
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.format import parameter
from redraft_dsl.syntax.names import Occurrence


def about_recipe(alias: str, examined: Examined) -> str | None:
    """The recipe that a document uses under a name."""
    used = used_as(examined, alias)
    return used.about() if used is not None else None


def about_included(node: s.Include, examined: Examined) -> str | None:
    """Where an included rule comes from, and everything that holds for it here."""
    used = used_as(examined, node.alias.text)
    if used is None or used.header is None or node.rule.text not in used.rules:
        return None
    header = used.header
    line = used.checked.source.position(used.rules[node.rule.text].span.start).line
    where = f"`{node.rule.text}` of `{header.name.text}` {header.version.text}"
    lines = [f"{where}, from {used.where}, line {line}"]
    recipe = examined.checked.recipe
    here = written_out(recipe).get(node.name.text) if recipe is not None else None
    rule = here or used.rule(node.rule.text)
    if here is None:
        lines.append("As it stands there:")
    if rule is not None:
        lines.append(text_of(rule))
    return "\n\n".join(lines)


def kind_of(node: s.Include, examined: Examined) -> str:
    """The keyword of an included rule; ``rule`` where that is not known."""
    used = used_as(examined, node.alias.text)
    rule = used.rule(node.rule.text) if used is not None else None
    return rule.kind.text if rule is not None else "rule"


def about_parameter(named: Occurrence, examined: Examined) -> str | None:
    """A parameter as it is declared, here or in the recipe that it is given to."""
    if named.of is None:
        lines = [n for n in examined.tree.statements if isinstance(n, s.ParamLine)]
        line = next((each for each in lines if each.name.text == named.name), None)
        where = ""
    else:
        used = used_as(examined, named.of)
        line = used.params.get(named.name) if used is not None else None
        where = f"A parameter of {used.where}.\n\n" if used is not None else ""
    return f"{where}```redraft\n{parameter(line)}\n```" if line is not None else None
