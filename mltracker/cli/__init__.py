"""The command line: parse, ask the tracker, print.

app.py      the commands together, errors and exit codes
ids.py      `mnist/1@2026-11-24T12:00:00Z`: which store, which aggregate, as of when
output.py   tables, JSON, CSV, for people and for pipes
plot.py     a series as a chart of characters
reading.py  ls, metrics
show.py     show
history.py  log
diff.py     diff
upkeep.py   verify, rebuild, pull, compact, repair, erase, schema
"""


def main() -> None:
    """Run the command line; its exit codes are in `mltracker --help`."""
    from mltracker.cli.app import run

    run()
