"""What many revocations have shown, and the promises about them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.bed import Bed, Writer
from tests.faults.client import bearer
from tests.faults.lag import Lag, lagging
from tests.faults.lanes import GIVE_UP_SECONDS, Seen, revoke_all
from tests.faults.prober import probing
from tests.faults.report import Report, percentile, spread


@dataclass
class Revoked:
    """What was seen of many revocations, added to a report under a label."""

    label: str
    seen: list[Seen]
    lag: Lag

    @property
    def slowest(self) -> float:
        """Seconds until the last refusal or close."""
        return max(max(each.refused_after, each.closed_after) for each in self.seen)

    @property
    def late(self) -> list[float]:
        """Seconds from the commit of each admitted request that was sent after the commit returned."""
        return [moment for each in self.seen for moment in each.admitted_late]

    def seconds(self, share: float) -> float:
        """Return within how many seconds this share of the refusals and of the closes came."""
        refused = percentile([each.refused_after for each in self.seen], share)
        return max(refused, percentile([each.closed_after for each in self.seen], share))

    def add_to(self, report: Report) -> None:
        """Add the figures, and the promises that hold however workers hear of changes."""
        label, seen, late = self.label, self.seen, self.late
        report.figures[f"{label}: commit to refused request, s"] = spread([s.refused_after for s in seen])
        report.figures[f"{label}: commit to closed socket, s"] = spread([s.closed_after for s in seen])
        report.figures[f"{label}: commit to return, s"] = spread([s.announced_in for s in seen])
        sent = {"n": len(late), "latest, s": round(max(late, default=0.0), 4)}
        report.figures[f"{label}: admitted, sent after the commit returned"] = sent
        codes, again = {s.code for s in seen}, sum(s.admitted_again for s in seen)
        report.promise(f"{label}: every socket is closed with 4401", held=codes == {4401}, found=codes)
        report.promise(f"{label}: once refused, never admitted again", held=again == 0, found=again)
        report.figures[f"{label}: the machine late at worst, s"] = round(self.lag.worst, 4)
        within = self.slowest < 2 + self.lag.worst
        report.promise(f"{label}: all within 2 s", held=within, found=self.slowest)

    def promise_pushed(self, report: Report) -> None:
        """Promise what holds while pushes arrive; of few revocations the slowest says nothing yet."""
        share = 0.99 if len(self.seen) >= 200 else 0.5
        found = self.seconds(share)
        report.promise(
            f"{self.label}: {share:.0%} within 0.25 s", held=found < 0.25 + self.lag.worst, found=found
        )

    def promise_polled(self, report: Report) -> None:
        """Promise what holds by the poll alone."""
        found = self.seconds(0.99)
        report.promise(f"{self.label}: 99% within 1.3 s", held=found < 1.3 + self.lag.worst, found=found)

    def promise_counted(self, report: Report) -> None:
        """Promise what holds where processes share the counter of their host."""
        text = f"{self.label}: none is admitted that began after the commit returned"
        report.promise(text, held=not self.late, found=len(self.late))


async def measure(
    label: str, made: Bed, writer: Writer, count: int, *, report: Report, lanes: int = 2
) -> Revoked:
    """Revoke some tokens, while another one has to be let in all the time."""
    tokens = await writer.ask("issue", of="partner", count=count + 1)
    with probing(made.ports, bearer(tokens.pop()[1]), 0.05) as bystanders:
        for prober in bystanders:
            await prober.until(lambda answer: answer.is_admitted, GIVE_UP_SECONDS)
            prober.answers.clear()  # it took until the next poll that the token was known
        async with lagging() as lag:
            seen = await revoke_all(writer, made.ports, tokens, lanes=lanes, pause=0.005 * lanes)
        statuses = set().union(*(prober.statuses for prober in bystanders))
    revoked = Revoked(label, seen, lag)
    revoked.add_to(report)
    report.promise(f"{label}: the other token is always let in", held=statuses == {200}, found=statuses)
    return revoked
