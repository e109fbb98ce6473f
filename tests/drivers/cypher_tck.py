"""The openCypher TCK through psycopg 3.

Usage: cypher_tck.py PORT [--features DIRECTORY] [--connections N] [--failures] [WORD]

Against a server with an empty graph. The features are in DIRECTORY, else where SINEW_TCK_DIR says, else beside the checkout; without
them nothing is run. With WORD only scenarios are run whose feature, number or name has it. Scenarios that cannot pass over the wire are listed in
cypher_tck_exempt.txt with the reason; one that passes nevertheless is a failure.
"""

import argparse
import os
import pathlib
import queue
import sys
import threading

import psycopg

from tck.gherkin import Scenario, read_features
from tck.run import Mismatch, connect, run

HERE = pathlib.Path(__file__).resolve().parent
BESIDE_CHECKOUT = HERE / "../../../shared/opencypher-tck/features"
# Of all scenarios, what may be exempt at most.
EXEMPT_PERCENT = 2


def read_exempt() -> dict[str, str]:
    """Reasons by scenario."""
    lines = (HERE / "cypher_tck_exempt.txt").read_text(encoding="utf-8").splitlines()
    entries = [line.split(": ", 1) for line in lines if line and not line.startswith("#")]
    return {key: reason for key, reason in entries}


class Runner:
    def __init__(self, port: int, graphs: pathlib.Path, scenarios: list[Scenario]):
        self.port = port
        self.graphs = graphs
        self.waiting: queue.SimpleQueue[tuple[int, Scenario]] = queue.SimpleQueue()
        for entry in enumerate(scenarios):
            self.waiting.put(entry)
        # Why scenarios fail, by their place.
        self.failed: dict[int, str] = {}

    def work(self) -> None:
        connection = connect(self.port)
        while True:
            try:
                index, scenario = self.waiting.get_nowait()
            except queue.Empty:
                break
            try:
                run(connection, scenario, self.graphs)
            except Mismatch as mismatch:
                self.failed[index] = str(mismatch)
            except Exception as error:
                self.failed[index] = f"{type(error).__name__}: {error}"
                connection.close()
                connection = connect(self.port)
        connection.close()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("port", type=int)
    arguments.add_argument("word", nargs="?", default="")
    arguments.add_argument("--features", type=pathlib.Path)
    arguments.add_argument("--connections", type=int, default=2)
    arguments.add_argument("--failures", action="store_true", help="say why scenarios fail")
    given = arguments.parse_args()
    features = given.features or pathlib.Path(os.environ.get("SINEW_TCK_DIR") or BESIDE_CHECKOUT)
    if not features.is_dir():
        print(f"wire tck: skipped, there are no features in {features}")
        return 0

    with psycopg.connect(f"host=127.0.0.1 port={given.port} user=tck dbname=sinew") as connection:
        (count,) = connection.execute("MATCH (n) RETURN count(n)").fetchone()
        if count:
            print(f"wire tck: the graph has {count} nodes, scenarios need an empty one", file=sys.stderr)
            return 1

    everything = read_features(features)
    exempt = read_exempt()
    scenarios = [s for s in everything if given.word in f"{s.key} {s.name}"]
    runner = Runner(given.port, features / "../graphs", scenarios)
    threads = [threading.Thread(target=runner.work) for _ in range(given.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    counts = {"passed": 0, "failed": 0, "exempt": 0}
    complaints = []
    for index, scenario in enumerate(scenarios):
        reason = runner.failed.get(index)
        if scenario.key in exempt:
            counts["exempt"] += 1
            if reason is None:
                complaints.append(f"{scenario.key}: passes, and is exempt")
        elif reason is None:
            counts["passed"] += 1
        else:
            counts["failed"] += 1
            complaints.append(f"{scenario.key} {scenario.name}" + (f"\n    {reason}" if given.failures else ""))
    unknown = exempt.keys() - {scenario.key for scenario in everything}
    complaints.extend(f"{key}: exempt, and no scenario" for key in sorted(unknown))
    if len(exempt) * 100 > len(everything) * EXEMPT_PERCENT:
        complaints.append(f"{len(exempt)} scenarios are exempt, more than {EXEMPT_PERCENT} % of {len(everything)}")
    for complaint in complaints:
        print(complaint)
    print(", ".join(f"{'wire tck: ' if kind == 'passed' else ''}{count} {kind}" for kind, count in counts.items()))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
