"""The control groups of Linux that this process is in: where the share of a container is told, of either version."""

from __future__ import annotations

from collections.abc import Iterator


def folders(controller: str, proc: str = "/proc", root: str = "/sys/fs/cgroup") -> Iterator[tuple[int, str]]:
    """(version, folder) of each group that limits what `controller` is of, such as memory, one within the next."""
    for line in contents(f"{proc}/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            version, base = 2, root
        elif controller in controllers.split(","):
            version, base = 1, f"{root}/{controller}"
        else:
            continue
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts) + 1):  # in a container the path may be that outside, and its own is the root
            yield version, "/".join([base, *parts[:depth]])


def contents(path: str) -> str:
    """A file of the system, nothing where it is not there."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
