"""How long a message waits that could not be said while the store was away: longer each time, up to a bound."""

FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0


def longer(pause_s: float) -> float:
    return min(2 * pause_s, _LONGEST_PAUSE_S)
