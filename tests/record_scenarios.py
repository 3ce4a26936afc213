"""Write what the service answers to each scenario into its `response.json`, for review.

    python -m tests.record_scenarios                 all of them
    python -m tests.record_scenarios order-sign/...  those named

Read the difference that `git diff` shows before committing it: it is what clinicians will see.
Scenarios whose answer is not the expected one are named and not written.
"""

from __future__ import annotations

import sys

from cds_service.decision_support import Site
from tests.scenarios import Scenario, answered, scenario_site, scenarios, unexpected, written


def main(names: list[str]) -> int:
    """Record the named scenarios, or all; return 1 if any was refused."""
    site = scenario_site()
    chosen = [each for each in scenarios() if not names or each.name in names]
    return max([_record(each, site) for each in chosen], default=1)


def _record(scenario: Scenario, site: Site) -> int:
    answer = answered(scenario, site)
    faults = unexpected(scenario.expect, answer)
    for fault in faults:
        print(f"{scenario.name}: {fault}")
    if not faults:
        (scenario.folder / "response.json").write_text(written(answer.body), encoding="utf-8")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
