"""Encoders against the plain sentence-transformers default and against peers, side by side on the CPU.

    python benchmarks/encode.py setup  --work DIR        environments of the peers and the models they read, once
    python benchmarks/encode.py run    --work DIR        the race: ratios, shares of the arithmetic peak, memory, JSON
    python benchmarks/encode.py stream --work DIR        millions of texts: memory over time, and a kill in the middle
    python benchmarks/encode.py profile --work DIR       where OpenVINO's time goes, by kinds of steps

`run` keeps every contender in a process of its own (in its own environment) for the whole run, and lets each in turn do
the same work, in a new order each round: throughput on three workloads, single texts one at a time. A ratio is that of
one round, to the default in that round; the table gives the median and the range over rounds. What does not install,
start or finish is named with its reason. `run CANDIDATE...` chooses our candidates, `--only` all of the contenders.
Quality is `sizewise eval`'s; `run` prints the command. Data: see data.py.
"""

import argparse
from pathlib import Path

from contenders import peers, profile, race, stream

WORKLOADS = ("short", "mixed", "long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    setup, run, flow, steps = (commands.add_parser(name) for name in ("setup", "run", "stream", "profile"))
    for command in (setup, run, flow, steps):
        command.add_argument("--work", type=Path, required=True, help="folder for environments, models and results")
    setup.add_argument("--only", nargs="+", default=[], help=f"of {', '.join(peer.name for peer in peers.PEERS)}")
    run.add_argument("candidates", nargs="*", help="ours (default: the model in every precision and on every runtime)")
    run.add_argument("--model", default=peers.DEFAULT_MODEL, help="a name, a folder, or a shape (shape:bert-large)")
    run.add_argument("--only", nargs="+", default=[], help="contenders beside the default, by parts of their names")
    run.add_argument("--workloads", nargs="*", default=list(WORKLOADS), choices=WORKLOADS)
    run.add_argument("--texts", type=int, help="no more texts of each workload than so many")
    run.add_argument("--rounds", type=int, default=7)
    run.add_argument("--seconds", type=float, default=45.0, help="of one contender on a workload in a round, at most")
    run.add_argument("--singles", type=int, default=100, help="single texts in a round")
    run.add_argument("--seed", type=int, default=0, help="of the order of contenders")
    run.add_argument("--json", type=Path, help="the result (default: DIR/encode.json)")
    flow.add_argument("--static", help="the static model (default: static:DIR/models/static)")
    flow.add_argument("--model", default=f"{peers.DEFAULT_MODEL}@int8")
    flow.add_argument("--static-texts", type=int, default=2_000_000)
    flow.add_argument("--model-texts", type=int, default=100_000)
    flow.add_argument("--kill-texts", type=int, default=20_000)
    flow.add_argument("--json", type=Path, help="the result (default: DIR/stream.json)")
    steps.add_argument("--model", default=peers.DEFAULT_MODEL, help="a name, a folder, or a shape")
    steps.add_argument("--workloads", nargs="*", default=list(WORKLOADS), choices=WORKLOADS)
    steps.add_argument("--json", type=Path, help="the result (default: DIR/profile.json)")
    for command in (run, flow):
        command.add_argument("--threads", type=int, default=2, help="processors and threads of every contender")
    given = parser.parse_args()
    place = peers.Place(given.work.resolve())
    match given.command:
        case "setup":
            peers.setup(place, given.only)
        case "run":
            race.run(place, given)
        case "stream":
            stream.run(place, given)
        case "profile":
            profile.run(place, given)


if __name__ == "__main__":
    main()
