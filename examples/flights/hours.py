"""The task of flights.yaml that looks at hours and delays; what aggregate.ts says of them in TypeScript."""

import math
from datetime import date
from typing import List

from files import keep, kept

ON_TIME_BELOW_MINUTES = 15
FIRST, LAST, STEP_MINUTES = -30, 120, 5


def summarise(weeks: List[dict]) -> dict:
    """How punctual each hour of the week is, and how delays are distributed."""
    flights = [flight for week in weeks for flight in kept(week["file"])]
    return {"file": keep("hours", {"hours": hours_of(flights), "delays": delays_of(flights)})}


def hours_of(flights):
    """The week as a grid of 7 × 24 hours of departure, in order; hours without a flight are part of it."""
    slots = [[] for _ in range(7 * 24)]
    for flight in flights:
        departure = flight["departure"]
        slots[date.fromisoformat(departure[:10]).weekday() * 24 + int(departure[11:13])].append(flight["delayMinutes"])
    return [
        {
            "weekday": slot // 24,
            "hour": slot % 24,
            "flights": len(delays),
            "onTime": sum(delay < ON_TIME_BELOW_MINUTES for delay in delays),
            "meanDelayMinutes": mean(delays),
        }
        for slot, delays in enumerate(slots)
    ]


def delays_of(flights):
    """The distribution of delays from 30 minutes early to 2 hours late; the first and last step hold what lies beyond."""
    count = (LAST - FIRST) // STEP_MINUTES + 1
    steps = [{"from": FIRST + i * STEP_MINUTES, "flights": 0} for i in range(count)]
    delays = sorted(flight["delayMinutes"] for flight in flights)
    for delay in delays:
        steps[max(0, min(count - 1, math.floor((delay - FIRST) / STEP_MINUTES)))]["flights"] += 1
    median = delays[math.floor(0.5 * (len(delays) - 1))] if delays else 0
    return {"steps": steps, "stepMinutes": STEP_MINUTES, "medianMinutes": median, "meanMinutes": mean(delays)}


def mean(values):
    """Rounded to two digits as JavaScript rounds, halves upwards; 0 for nothing."""
    if not values:
        return 0
    hundredths = math.floor(sum(values) / len(values) * 100 + 0.5)
    return hundredths // 100 if hundredths % 100 == 0 else hundredths / 100
