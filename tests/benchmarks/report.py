"""The table, the results file and the picture."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import redis

from tests.benchmarks.summary import LATENCY, PRODUCT, Line
from tests.benchmarks.workloads import Workload
from tests.support.servers import Servers

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).resolve().parent / "results"
PICTURE = ROOT / "docs" / "img" / "benchmark.png"
COLOURS = {"canvas": "#b5b5b5", "redis": "#7fb3d5", "postgres": "#4f7cac", PRODUCT: "#2e8b57"}
LABELS = {
    "canvas": "Celery canvas",
    "redis": "joined in Redis, no persistence",
    "postgres": "joined in PostgreSQL, the floor",
    PRODUCT: "Celeriac",
}
HEADINGS = (
    "system",
    "ms/task",
    "spread",
    "tasks/s",
    "CPU ms",
    "launch",
    "bytes",
    "biggest",
    "p50 ms",
    "p95 ms",
    "others",
)


def machine(servers: Servers) -> dict[str, Any]:
    """Where and with what the figures were measured."""
    packages = ("celery", "kombu", "django", "redis", "psycopg")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "load": [round(value, 2) for value in os.getloadavg()],
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in packages}
        | _server_versions(servers),
    }


def _server_versions(servers: Servers) -> dict[str, str]:
    with servers.admin() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    info = redis.Redis.from_url(servers.broker_url).info("server")
    return {
        "postgres": str(row[0] if row else "?"),
        "valkey": str(info.get("valkey_version") or info.get("redis_version")),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _cells(line: Line, product: Line | None) -> list[str]:
    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    cells = [line.system]
    if line.p50 is None:
        cells += [
            number(line.ms_per_task, ".2f"),
            number(line.spread, ".2f"),
            number(line.tasks_per_second, ".0f"),
        ]
    else:
        cells += ["-", "-", "-"]
    cells += [number(line.cpu_ms_per_task, ".2f"), number(line.launch_cpu_ms_per_task, ".2f")]
    cells += [number(line.bytes_per_task, ".0f"), number(line.biggest, "d")]
    cells += [number(line.p50, ".1f"), number(line.p95, ".1f")]
    cells.append(f"{line.others:.0%}")
    if product and line is not product and line.system in product.speed:
        cells.append(f"Celeriac's speed is {product.speed[line.system]:.2f} x")
    return cells


def table(found: Sequence[Line], workloads: Iterable[Workload]) -> str:
    """Plain text, one block per workload."""
    blocks = []
    for workload in workloads:
        mine = [line for line in found if line.workload == workload.name]
        if not mine:
            continue
        product = next((line for line in mine if line.system == PRODUCT), None)
        rows = [_cells(line, product) for line in mine]
        text = [f"{workload.name}: {workload.title} ({workload.executions} tasks)"]
        for first, *cells in [list(HEADINGS), *rows]:
            figures, remarks = cells[: len(HEADINGS) - 1], cells[len(HEADINGS) - 1 :]
            text.append("   ".join(["  " + first.ljust(10) + "".join(c.rjust(9) for c in figures), *remarks]))
        blocks.append("\n".join(text))
    return "\n\n".join(blocks)


def parts(found: Sequence[Line]) -> str:
    """CPU milliseconds per task by process: where a task's time goes."""
    names = list(found[0].cpu_parts)
    rows = [["CPU ms per task of", *names]]
    rows += [[f"{line.workload} {line.system}", *(f"{line.cpu_parts[name]:.2f}" for name in names)] for line in found]
    return "\n".join(first.ljust(20) + "".join(cell.rjust(17) for cell in cells) for first, *cells in rows)


def results_file(host: dict[str, Any], suffix: str = "") -> Path:
    """Where a result of this machine is kept."""
    return RESULTS / f"{host['at'][:10]}-{host['cores']}cpu-{host['memory_gb']}gb{suffix}.json"


def keep(path: Path, content: dict[str, Any]) -> None:
    """Write the results as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def picture(path: Path, found: Sequence[Line], workloads: Iterable[Workload], host: dict[str, Any]) -> None:
    """Bars: wall milliseconds per task, and W5's median latency."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [w for w in workloads if any(line.workload == w.name for line in found)]
    figure, axes = pyplot.subplots(1, len(shown), figsize=(2.6 * len(shown) + 0.6, 3.6), layout="constrained")
    for axis, workload in zip(axes if len(shown) > 1 else [axes], shown, strict=True):
        mine = [line for line in found if line.workload == workload.name]
        heights = [line.p50 if line.p50 is not None else line.ms_per_task for line in mine]
        bars = axis.bar(
            [line.system for line in mine],
            heights,
            color=[COLOURS.get(line.system, "#999999") for line in mine],
        )
        axis.bar_label(bars, fmt="%.1f", fontsize=8, padding=2)
        unit = "p50 ms" if workload.name == LATENCY else "ms per task"
        axis.set_title(f"{workload.name}: {workload.title}\n{unit}", fontsize=8.5)
        axis.set_xticks([])
        axis.margins(y=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    systems = dict.fromkeys(line.system for line in found)
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=COLOURS.get(s, "#999999")) for s in systems]
    names = [LABELS.get(s, s) for s in systems]
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=8, frameon=False)
    cores, memory, processor = host["cores"], host["memory_gb"], host["processor"]
    figure.suptitle(f"No-op tasks, prefork 2, lower is better ({cores} cores, {memory} GB, {processor})", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
