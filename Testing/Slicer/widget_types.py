"""Inference of the Qt classes of expressions, for the lint of widgets."""

from __future__ import annotations

import ast

from api_tables import ApiTables
from lint_sources import dotted, is_qt_name, is_ui, stored_on_self


class WidgetTypes:
    """Qt classes of the expressions in one file, inferred where that is simple.

    This covers widgets of the .ui file, objects created by calling their class, variables and attributes of self that
    contain nothing else, loops over tuples of these, and functions of the file that return them or are always called
    with them.

    Args:
        tree: The file's syntax tree.
        widgets: Name -> class of the widgets in the .ui file.
        tables: Members of the classes.
    """

    def __init__(self, tree: ast.Module, widgets: dict[str, str], tables: ApiTables) -> None:
        self._widgets = widgets
        self._tables = tables
        self._tree = tree
        self._functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self._scopes = {}
        self._owners = {}
        self._of_attributes = {}
        self._of_variables = {}
        self._bases = {}
        self._place(tree, None, None)
        for _ in range(4):  # Types propagate from one name to the next.
            self._propagate()

    def _place(self, node: ast.AST, scope: ast.FunctionDef | None, owner: ast.ClassDef | None) -> None:
        """Record the function and the class that contain each node."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                bases = [dotted(base).rpartition(".")[2] for base in child.bases if is_qt_name(base)]
                self._bases[child] = frozenset(bases)
                self._place(child, None, child)
                continue
            self._scopes[child] = scope
            self._owners[child] = owner
            inner = child if isinstance(child, ast.FunctionDef) else scope
            self._place(child, inner, owner)

    def of(self, node: ast.AST) -> frozenset[str]:
        """Return the classes that an expression may have; empty if they are unknown."""
        if isinstance(node, ast.Call):
            if is_qt_name(node.func):
                name = dotted(node.func).split(".")
                return frozenset(name[1:]) if len(name) == 2 and name[1][:1] in "Qcq" else frozenset()
            function = self._functions.get(dotted(node.func))
            if function is not None:
                return self._returned(function)
            return self._yielded(node.func, "method") if isinstance(node.func, ast.Attribute) else frozenset()
        if isinstance(node, ast.Attribute):
            if is_ui(node.value):
                return frozenset([self._widgets[node.attr]] if node.attr in self._widgets else [])
            if dotted(node.value) == "self":
                own = (self._owners.get(node), node.attr)
                if own in self._of_attributes:
                    return self._of_attributes[own] or frozenset()
            if dotted(node) == "slicer.app":
                return frozenset(["qSlicerApplication"])
            return self._yielded(node, "property", "constant")
        if isinstance(node, ast.Name):
            if node.id == "self":
                return self._bases.get(self._owners.get(node), frozenset())
            scope = self._scopes.get(node)
            return self._of_variables.get((scope, node.id)) or frozenset()
        return frozenset()

    def _yielded(self, node: ast.Attribute, *kinds: str) -> frozenset[str]:
        """Return the classes of an attribute's value or of the result of calling it."""
        found = set()
        for name in self.of(node.value):
            if self._tables.members(name).get(node.attr) in kinds:
                found.add(self._tables.yields(name, node.attr))
        return frozenset(found) if None not in found else frozenset()

    def own_names(self, node: ast.AST) -> set[str]:
        """Return the names that the class around a node itself defines."""
        owner = self._owners.get(node)
        names = {attribute.attr for attribute in stored_on_self(owner)}
        return names | {member.name for member in owner.body if isinstance(member, ast.FunctionDef)}

    def _returned(self, function: ast.FunctionDef) -> frozenset[str]:
        returns = [node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
        found = [self.of(node.value) for node in returns]
        return frozenset().union(*found) if found and all(found) else frozenset()

    def _propagate(self) -> None:
        """Collect the classes that are assigned to each name, in one pass. None marks values of unknown class."""
        held = {}

        def hold(target, classes, nothing=False):
            if isinstance(target, ast.Name):
                key = (self._scopes.get(target), target.id)
            elif isinstance(target, ast.Attribute) and dotted(target.value) == "self":
                key = (self._owners.get(target), target.attr)
            else:
                return
            place = held.setdefault((isinstance(target, ast.Name), *key), [])
            if not nothing:
                place.append(classes)

        def assign(target, value):
            if isinstance(target, (ast.Tuple, ast.List)):
                parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
                fits = len(parts) == len(target.elts)
                for index, element in enumerate(target.elts):
                    element = element.value if isinstance(element, ast.Starred) else element
                    assign(element, parts[index] if fits else None)
            else:
                nothing = isinstance(value, ast.Constant) and value.value is None
                hold(target, self.of(value) if value is not None else frozenset(), nothing)

        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    assign(target, node.value)
            elif isinstance(node, (ast.For, ast.comprehension)):
                if isinstance(node.iter, (ast.Tuple, ast.List)):
                    for element in node.iter.elts:
                        assign(node.target, element)
                else:
                    assign(node.target, None)
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
                assign(node.target, node.value)
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                assign(node.optional_vars, None)
            elif isinstance(node, ast.Call) and dotted(node.func) in self._functions:
                function = self._functions[dotted(node.func)]
                for argument, value in zip(function.args.args, node.args, strict=False):
                    held.setdefault((True, function, argument.arg), []).append(self.of(value))
        self._of_variables, self._of_attributes = {}, {}
        for (variable, scope, name), classes in held.items():
            known = frozenset().union(*classes) if classes and all(classes) else None
            (self._of_variables if variable else self._of_attributes)[scope, name] = known
