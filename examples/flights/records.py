"""The tasks of flights.yaml that read and clean records; what records.ts says in TypeScript."""

import json
import re
from datetime import datetime

from files import keep, kept, read_extracts
from holdfast_sdk import TaskContext

DATE = re.compile(r"\s*(\d{4})[/-](\d{2})[/-](\d{2})[ T](\d{2}):(\d{2})\s*", re.ASCII)
AIRPORT = re.compile(r"[A-Z0-9]{3}")


def split(source: str, ctx: TaskContext) -> dict:
    """Reads the published extracts and sorts their records into weeks."""
    weeks, undated, count = {}, 0, 0
    for record in (record for extract in read_extracts(source) for record in extract):
        count += 1
        departure = read_departure(record.get("date")) if isinstance(record, dict) else None
        if departure is None:
            undated += 1
        else:
            weeks.setdefault(week_of(departure), []).append(record)
    files = []
    for week in sorted(weeks):
        ctx.progress(len(files), len(weeks), week)
        files.append({"week": week, "file": keep(f"{week}.records", weeks[week])})
    ctx.log.info("The records are sorted into weeks.", records=count, weeks=len(files))
    return {"undated": undated, "weeks": files}


def clean(week: str, file: str, ctx: TaskContext) -> dict:
    """Drops broken and repeated records; the rest in order of departure."""

    def work() -> dict:
        records = kept(file)
        flights, duplicates, broken = {}, 0, 0
        for record in records:
            flight = read_flight(record)
            if flight is None:
                broken += 1
                continue
            identity = json.dumps(flight, separators=(",", ":"))
            if identity in flights:
                duplicates += 1
            else:
                flights[identity] = flight
        ordered = [flights[identity] for identity in sorted(flights)]
        kept_file = keep(f"{week}.flights", ordered)
        return {"file": kept_file, "records": len(records), "duplicates": duplicates, "broken": broken}

    return {"week": week, **ctx.step("clean", work)}


def read_departure(text):
    """`2001/02/25 18:40` as a moment; None if no such moment exists."""
    match = DATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        return datetime(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def week_of(departure):
    """The ISO 8601 week, `2001-W09`."""
    year, week, _ = departure.isocalendar()
    return f"{year}-W{week:02}"


def read_flight(record):
    """A raw record made whole and uniform, or None if it cannot be a flight."""
    if not isinstance(record, dict):
        return None
    departure = read_departure(record.get("date"))
    origin, destination = _airport(record.get("origin")), _airport(record.get("destination"))
    delay, distance = record.get("delay"), record.get("distance")
    if departure is None or origin is None or destination is None or origin == destination:
        return None
    if not _is_number(delay) or not _is_number(distance) or distance <= 0:
        return None
    return {
        "departure": departure.strftime("%Y-%m-%dT%H:%M"),
        "delayMinutes": delay,
        "distanceMiles": distance,
        "origin": origin,
        "destination": destination,
    }


def _airport(value):
    code = value.strip().upper() if isinstance(value, str) else ""
    return code if AIRPORT.fullmatch(code) else None


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)
