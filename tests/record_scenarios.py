"""Write what the service answers to each scenario into its `response.json`, for review.

    python -m tests.record_scenarios                 all of them
    python -m tests.record_scenarios order-sign/...  those named

Read the difference that `git diff --word-diff` shows before committing it: it is what clinicians
will see. Scenarios whose answer is not the expected one are named and not written.
"""

from __future__ import annotations

import sys

from cds_service.decision_support import Site
from tests.scenarios import (
    Scenario,
    UnreadableScenario,
    answered,
    scenario_site,
    scenarios,
    unexpected,
    written,
)


def main(names: list[str]) -> int:
    """Record the named scenarios, or all; return 1 if one is unknown, unreadable or refused."""
    try:
        chosen = [each for each in scenarios() if not names or each.name in names]
        faults = [
            f"{each.name}: {fault}" for each in chosen for fault in record(each, scenario_site())
        ] + [f"{name}: no such scenario" for name in names if name not in {e.name for e in chosen}]
    except UnreadableScenario as error:
        print(error)
        return 1
    print("\n".join(faults) or f"{len(chosen)} recorded")
    return 1 if faults else 0


def record(scenario: Scenario, site: Site) -> list[str]:
    """Write the answer if it is the expected one; return what is not expected, else nothing."""
    answer = answered(scenario, site)
    faults = unexpected(scenario.expect, answer)
    if not faults:
        (scenario.folder / "response.json").write_text(written(answer.body), encoding="utf-8")
    return faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
