"""A machine that looks for tests that pass by seeing nothing.

Every module of tests, and what tests share, is compiled with marks. At its end a session fails for

* a test that passed and evaluated no assertion (``pytest.raises`` is one),
* an assertion that no test evaluated though its function ran, and a loop whose body never ran,
* an assertion about elements that never had one: ``all(... for x in xs)``, ``not [...]``,
* a comparison whose two sides were empty each time, ``x not in nothing``, ``nothing <= xs``.

A test is judged by all its cases together; not where one of them was left out, skipped or failed.
What tests of a file share is judged if all of them ran, and what files share in a session of all.
`cocotb_tests/test_seeing.py` shows for each kind that it is found.
"""

import ast
import builtins
import gc
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import _pytest.assertion.rewrite as rewrite
import pytest

HERE = Path(__file__).parent
FOLDERS = ("cocotb_tests", "fpga/tests", "hw/tests", "hw/tests/rv64", "sw_model/tests")
VERDICT = os.environ.get("UINTR_SEEING", "fail")
"""``report``: what is found is told and does not fail. Machines differ in tools, and so in what a
test of a tool can look at; CI tells."""
REACHED, HELD = 1, 2
"""Marks: the place was come by; an assertion was evaluated on something."""

pytest.register_assert_rewrite(
    *(path.stem for folder in FOLDERS for path in (HERE / folder).glob("*.py"))
)


_read = importlib.metadata.entry_points


@cache
def _installed(path: tuple[str, ...], **asked: str) -> Any:
    return _read(**asked)


# What is installed is read once for each path, instead of with every command that a test runs.
importlib.metadata.entry_points = lambda **asked: _installed(tuple(sys.path), **asked)

Site = tuple[int, str, int, str]
"""Line, what is wrong if its mark is missing (nothing: it is not asked), the mark that asks, and
the outermost function around it."""


class Module:
    """The marks of one module: those of the present test, and of all tests until now."""

    def __init__(self, sites: tuple[Site, ...]) -> None:
        self.sites = sites
        self.now = bytearray(len(sites))
        self.ever = bytearray(len(sites))

    def gather(self) -> bool:
        """End a test; returns whether it evaluated an assertion."""
        for place, mark in enumerate(self.now if any(self.now) else b""):
            self.ever[place] |= mark
        held = HELD in self.now
        self.now[:] = bytes(len(self.now))
        return held


MODULES: dict[str, Module] = {}


def _register(path: str, sites: tuple[Site, ...]) -> bytearray:
    return MODULES.setdefault(path, Module(sites)).now


def _each(marks: bytearray, place: int, values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        marks[place] = HELD
        yield value


def _side(marks: bytearray, place: int, value: Any) -> Any:
    if not hasattr(value, "__len__") or len(value):
        marks[place] = HELD
    return value


builtins.__seen_module__ = _register  # type: ignore[attr-defined]  # marked modules call it
builtins.__seen_each__ = _each  # type: ignore[attr-defined]  # marked modules call it
builtins.__seen_side__ = _side  # type: ignore[attr-defined]  # marked modules call it

SIDES = {ast.Eq: "left", ast.LtE: "left", ast.Lt: "left", ast.GtE: "right", ast.NotIn: "right"}
"""The side of a comparison that must have held something for it to say anything."""


class _Marker(ast.NodeTransformer):
    """Puts the marks in."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.reached = -1
        self.outermost = ""
        self.asserting = False

    def visit(self, node: Any) -> Any:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return self._function(node)
            case ast.With() | ast.AsyncWith():
                return self._with(node)
            case ast.For() | ast.AsyncFor():
                return self._loop(node)
        return super().visit(node)

    def _site(self, node: Any, what: str) -> int:
        self.sites.append((node.lineno, what, self.reached, self.outermost))
        return len(self.sites) - 1

    def _mark(self, node: Any, place: int, mark: int) -> ast.stmt:
        where: dict[str, Any] = {"lineno": node.lineno, "col_offset": node.col_offset}
        name = ast.Name("__seen__", ast.Load(), **where)
        place_of = ast.Subscript(name, ast.Constant(place, **where), ast.Store(), **where)
        return ast.Assign([place_of], ast.Constant(mark, **where), **where)

    def _wrapped(self, name: str, place: int, value: ast.expr) -> ast.Call:
        where: dict[str, Any] = {"lineno": value.lineno, "col_offset": value.col_offset}
        marks = ast.Name("__seen__", ast.Load(), **where)
        words = [marks, ast.Constant(place, **where), value]
        return ast.Call(ast.Name(name, ast.Load(), **where), words, [], **where)

    def _function(self, node: Any) -> Any:
        outer, self.reached = (self.reached, self.outermost), -1
        self.outermost = self.outermost or node.name
        self.reached = self._site(node, "")
        node.body = [self._mark(node.body[0], self.reached, REACHED), *self._block(node.body)]
        self.reached, self.outermost = outer
        return node

    def _block(self, body: list[Any]) -> list[Any]:
        made: list[Any] = []
        for statement in body:
            new = self.visit(statement)
            made += new if isinstance(new, list) else [new]
        return made

    def visit_Assert(self, node: ast.Assert) -> Any:
        mark = self._mark(node, self._site(node, "an assertion that was never evaluated"), HELD)
        self.asserting = True
        node.test = self.visit(node.test)
        self.asserting = False
        return [mark, node]

    def _with(self, node: Any) -> Any:
        self.generic_visit(node)
        calls = (item.context_expr for item in node.items)
        names = {getattr(getattr(call, "func", None), "attr", "") for call in calls}
        if not names & {"raises", "warns"}:
            return node
        return [self._mark(node, self._site(node, "an exception never waited for"), HELD), node]

    def _loop(self, node: Any) -> Any:
        if self.reached >= 0:
            place = self._site(node, "a loop whose body never ran")
            self.generic_visit(node)
            node.body.insert(0, self._mark(node.body[0], place, REACHED))
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        if self.asserting and not node.is_async:
            place = self._site(node.iter, "an assertion about elements that never had one")
            node.iter = self._wrapped("__seen_each__", place, node.iter)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.Compare:
        self.generic_visit(node)
        side = SIDES.get(type(node.ops[0]))
        if self.asserting and side and len(node.ops) == 1:
            other, value = node.left, node.comparators[0]
            if side == "left" or type(node.ops[0]) is ast.NotIn:
                other = value if side == "left" else ast.Name("x")
                value = node.left if side == "left" else value
            if not _written_out(other) and not _written_out(value):
                place = self._site(node, "a comparison of nothing each time")
                new = self._wrapped("__seen_side__", place, value)
                if side == "left":
                    node.left = new
                else:
                    node.comparators[0] = new
        return node


def _written_out(value: ast.expr) -> bool:
    """Whether a reader sees what is in it: then nothing may be meant."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in ("set", "frozenset", "dict", "list", "tuple") and not value.args
    return isinstance(value, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set)


class _Rewriter(rewrite.AssertionRewriter):
    """Explains a failure as if the marks were not there."""

    def visit_Call(self, call: ast.Call) -> tuple[ast.Name, str]:  # noqa: N802  # as ast names it
        if not (isinstance(call.func, ast.Name) and call.func.id == "__seen_side__"):
            return super().visit_Call(call)
        call.args[2], explanation = self.visit(call.args[2])
        return self.assign(call), explanation


def _rewrite(tree: ast.Module, source: bytes, path: str | None = None, config: Any = None) -> None:
    marker = _Marker()
    marker.visit(tree)
    head = f"__seen__ = __seen_module__({path!r}, {tuple(marker.sites)!r})"
    after = next(
        (
            place
            for place, statement in enumerate(tree.body)
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            and not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")
        ),
        len(tree.body),
    )
    tree.body.insert(after, ast.parse(head).body[0])
    _Rewriter(path, config, source).run(tree)


rewrite.rewrite_asserts = _rewrite  # type: ignore[assignment]  # names of parameters alone differ
rewrite.PYC_TAIL = f".seen-{Path(__file__).stat().st_mtime_ns}{rewrite.PYC_TAIL}"


class Seeing:
    """The plugin: what the tests of this process saw, and of its workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.blind: list[str] = []
        self.partial: set[tuple[str, str]] = set()
        self.left_out = False
        self.outcomes: set[str] = set()

    def _left(self, item: pytest.Item) -> None:
        """A case of a test is missing: the test is not judged, nor what it shares in its file."""
        path = str(item.path)
        self.partial |= {(path, ""), (path, getattr(item, "originalname", ""))}

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.left_out = True
        for item in items:
            self._left(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.outcomes = set()
        answer = yield
        held = [module.gather() for module in MODULES.values()]
        if self.outcomes != {"passed"}:
            self._left(item)
        elif not any(held):
            self.blind.append(f"{item.nodeid}: a test that asserted nothing")
        return answer

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.outcomes.add(report.outcome)

    def told(self) -> dict[str, Any]:
        """What another process is told."""
        return {
            "blind": self.blind,
            "partial": sorted(self.partial),
            "left_out": self.left_out,
            "modules": {path: (m.sites, bytes(m.ever)) for path, m in MODULES.items()},
        }

    def take(self, told: dict[str, Any]) -> None:
        """Take over what a worker saw."""
        self.blind += told["blind"]
        self.partial |= {(path, function) for path, function in told["partial"]}
        self.left_out |= told["left_out"]
        for path, (sites, ever) in told["modules"].items():
            module = MODULES.setdefault(path, Module(tuple(map(tuple, sites))))
            for place, mark in enumerate(ever):
                module.ever[place] |= mark

    def findings(self) -> list[str]:
        """One line for each test that asserted nothing and each place that saw nothing."""
        whole = not self.left_out and self.config.args == self.config.getini("testpaths")
        found = list(self.blind)
        if any("::" in argument for argument in self.config.args):
            return found
        for path, module in sorted(MODULES.items()):
            test = Path(path).name.startswith("test_")
            if not (test or whole):
                continue
            for place, (line, what, reached, function) in enumerate(module.sites):
                asked = what and (reached < 0 or module.ever[reached])
                own = (path, function if function.startswith("test") else "")
                if asked and not module.ever[place] and own not in self.partial:
                    found.append(f"{Path(path).relative_to(HERE)}:{line}: {what}")
        return found

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["seeing"] = self.told()
        elif self.findings() and session.exitstatus == 0 and VERDICT == "fail":
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        found = self.findings()
        if found:
            terminalreporter.section("tests that pass by seeing nothing", red=True)
            terminalreporter.write_line("\n".join(found))


class FromWorkers:
    """Listens to pytest-xdist."""

    def __init__(self, seeing: Seeing) -> None:
        self.seeing = seeing

    def pytest_testnodedown(self, node: Any) -> None:
        if told := getattr(node, "workeroutput", {}).get("seeing"):
            self.seeing.take(told)


def pytest_collection_finish() -> None:
    """What was imported stays: nothing that looks for garbage need look at it again, and what forks
    keeps its pages. A run makes many objects and little garbage: it is looked for less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def pytest_configure(config: pytest.Config) -> None:
    """Install the machine."""
    seeing = Seeing(config)
    config.pluginmanager.register(seeing, "seeing")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(FromWorkers(seeing), "seeing-workers")
