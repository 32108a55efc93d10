"""The waits of one activation (sdk/src/waits.ts).

What is asked for in one turn travels together: with the suspension, when the body does nothing but wait at its end, else beside
what it does.

1. The activation is suspended when a wait is awaited, no call of the context is under way, and a turn has passed.
2. Once it is, nothing that the body waits for ever answers or raises: no ``except`` and no ``finally`` sees it. The supervisor
   ends the process.
3. What is recorded answers; what failed or timed out in an earlier try is asked for again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future, InvalidStateError
from typing import Any, AsyncIterator, Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple, Union

from . import limits
from .asked_waits import Asked, Message, Read
from .channel_socket import Call
from .errors import is_app_error
from .pauses import FIRST_PAUSE_S, longer
from .turns import Turns
from .wait_nodes import Leaf, Outcome, RaceNode, WaitNode
from .wait_records import WAIT_MARK, as_wait_record, dropped, is_standing, outcome_of, read_payload, refusal, used


class _Awaited:
    """Somebody who waits for a node. ``holds``: counts as a call under way from its answer until ``Waits.wait`` returns."""

    def __init__(self, node: WaitNode, holds: bool) -> None:
        self.node = node
        self.holds = holds
        self.thread = threading.get_ident()
        self.answer: Future[Any] = Future()


class Waits:
    """Of any thread, and of any loop."""

    def __init__(
        self,
        call: Call,
        attempt: int,
        recorded: Dict[str, Any],
        warn: Callable[[str], None],
        turns: Turns,
        before_suspension: Callable[[], None] = lambda: None,
    ) -> None:
        """``recorded``: what this run's generation has recorded, by key, in the order of recording; records that come are added."""
        self._call = call
        self._attempt = attempt
        self._recorded = recorded
        self._warn = warn
        self._turns = turns
        self._before_suspension = before_suspension
        self._lock = threading.RLock()
        self._known: Dict[str, Asked] = {}
        self._races: Dict[str, RaceNode] = {}
        self._awaited: List[_Awaited] = []
        self._unsent: List[Mapping[str, Any]] = []
        self._ranks = len(recorded)
        self._under_way = 0
        self._is_scheduled = False
        self._is_sending = False
        self._stayers: List[Future[None]] = []
        self._is_over = False
        self._is_closed = False
        self.asked = 0

    def ask(self, spec: Mapping[str, Any], read: Read, starts: Optional[Callable[[], None]] = None) -> Leaf:
        """A wait under a key of its own. ``starts``: is called, with a call of the context under way, to open it otherwise; it ends
        with ``started`` or ``left``."""
        key: str = spec["key"]
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                if known.leaf.outcome is None:
                    raise used(key, "is open already")
                self._warn(f'"{key}" was used before in this body: its record answers. Give each use a key of its own.')
                return known.leaf
            asked = Asked(Leaf(key), spec, read)
            self._known[key] = asked
            if key in self._recorded and is_standing(self._recorded[key], self._attempt):
                self._take(asked, self._recorded[key], list(self._recorded).index(key) + 1)
            else:
                self._recorded.pop(key, None)
                if starts is None:
                    self._unsent.append(spec)
                    self._schedule()
                    return asked.leaf
        if asked.leaf.outcome is None and starts is not None and key not in self._recorded:
            starts()
        return asked.leaf

    def started(self, key: str, record: Any) -> None:
        """The body has started its job. ``record``: of how it has ended already, or None."""
        with self._lock:
            if record is not None:
                self._take_all([{"key": key, "value": record}], [])
            self._advance()

    def left(self, key: str, error: Exception, called: Mapping[str, Any]) -> None:
        """What starts the job has raised; the body goes on with that. ``called``: what is known of the job."""
        with self._lock:
            if is_app_error(error, "run_ended", "stale_epoch"):
                self._is_over = True
                return
            asked = self._known[key]
            asked.leaf.outcome = Outcome(error=error)
            asked.is_left, asked.called = True, called
            self._advance()

    def race(self, node: RaceNode) -> None:
        """A race under a key of its own."""
        with self._lock:
            known = self._races.get(node.key)
            if known is not None and known.outcome is None:
                raise used(node.key, "is open already")
            if node.key in self._recorded:
                recorded = self._recorded[node.key]
                winner = recorded.get("winner") if isinstance(recorded, dict) and WAIT_MARK not in recorded else None
                if not isinstance(winner, str):
                    raise used(node.key, "is the key of something else")
                node.winner = winner
            self._races[node.key] = node

    def outcome(self, node: WaitNode) -> Future[Any]:
        """Answers or raises as the node does; never, once the activation is suspended."""
        return self._await(node, holds=False).answer

    def wait(self, node: WaitNode) -> Any:
        """As ``outcome``, in the thread that calls."""
        awaited = self._await(node, holds=True)
        try:
            return awaited.answer.result()
        finally:
            # Not answered: a handler of a signal has raised something here.
            if not awaited.answer.cancel():
                self.leave()

    def enter(self) -> Optional[Future[None]]:
        """Counts a call of the context as under way. None: it may begin; else once nothing is on its way that may end the
        activation."""
        with self._lock:
            self._under_way += 1
            self.asked += 1
            return self.stayed() if self._is_sending or self._is_over else None

    def leave(self) -> None:
        with self._lock:
            self._under_way -= 1
            self._schedule()

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """A call of the context, in the thread that calls."""
        entered = self.enter()
        try:
            if entered is not None:
                entered.result()
            yield
        finally:
            self.leave()

    @contextlib.asynccontextmanager
    async def under_way_in_loop(self) -> AsyncIterator[None]:
        """As ``under_way``, in the loop."""
        entered = self.enter()
        try:
            if entered is not None:
                await asyncio.wrap_future(entered)
            yield
        finally:
            self.leave()

    def stayed(self) -> Future[None]:
        """Is done once nothing that was sent may still end the activation; never, when it has."""
        stayed: Future[None] = Future()
        with self._lock:
            if self._is_sending or self._is_over:
                self._stayers.append(stayed)
            else:
                stayed.set_result(None)
        return stayed

    def calls_done(self) -> Iterator[Future[Any]]:
        """Futures to wait for, each before the next is asked for; with the last, every run that the body called has ended, and every
        external job."""
        yield self.stayed()
        while any(each.is_left for each in self._known.values()):
            yield self._let_go()
        for asked in [each for each in self._known.values() if each.spec["kind"] in ("call", "map", "external")]:
            was_awaited = asked.leaf.is_awaited
            answer = self.outcome(asked.leaf)
            yield answer
            error = answer.exception()
            if error is not None and not was_awaited:
                self._warn(f'Nobody waited for "{asked.leaf.key}": {error}')

    def _let_go(self) -> Future[None]:
        """What the body has not started and does not want any more is dropped: nothing would ever end it."""
        with self._lock:
            if not self._is_sending and not self._is_over:
                left = [each for each in self._known.values() if each.is_left]
                self._is_sending = True
                for each in left:
                    each.let_go(self._warn)
                self._send(Message([], [], None, [each.leaf.key for each in left]), FIRST_PAUSE_S)
            return self.stayed()

    def close(self) -> Future[None]:
        """The body has ended: nothing more is asked for. Is done as ``stayed``."""
        with self._lock:
            self._is_closed = True
        self._turns.close()
        return self.stayed()

    @property
    def may_suspend(self) -> bool:
        with self._lock:
            return self._under_way == 0 and bool(self._awaited) and not self._is_sending

    def waiting_threads(self) -> Set[int]:
        with self._lock:
            return {each.thread for each in self._awaited}

    def turn(self) -> None:
        """A turn has passed: sends what there is to be sent."""
        with self._lock:
            self._is_scheduled = False
            message = None if self._is_sending or self._is_over or self._is_closed else self._next_message()
            if message is None:
                return
            self._is_sending = True
        if message.groups is not None:
            self._before_suspension()
        self._send(message, FIRST_PAUSE_S)

    def _await(self, node: WaitNode, holds: bool) -> _Awaited:
        awaited = _Awaited(node, holds)
        with self._lock:
            node.note_awaited()
            self._awaited.append(awaited)
            awaited.answer.add_done_callback(lambda _: self._forget(awaited))
            self._advance()
            self._schedule()
        return awaited

    def _forget(self, awaited: _Awaited) -> None:
        with self._lock:
            if awaited in self._awaited:
                self._awaited.remove(awaited)

    def _schedule(self) -> None:
        self.asked += 1
        if self._is_scheduled or self._is_sending or self._is_over or self._is_closed:
            return  # what was sent schedules again once it is answered
        if self._awaited or self._unsent:
            self._is_scheduled = True
            self._turns.begin(self)

    def _next_message(self) -> Optional[Message]:
        waits = self._unsent[: limits.OPEN_WAITS_PER_RUN]
        del self._unsent[: len(waits)]
        decided = self._decide()
        groups: List[List[str]] = []
        for keys in (keys for each in self._awaited for keys in each.node.groups()):
            if keys not in groups:
                groups.append(keys)
        is_idle = self._under_way == 0 and bool(groups) and not decided and not self._unsent
        return Message(waits, decided, groups if is_idle else None) if is_idle or waits or decided else None

    def _decide(self) -> List[Tuple[RaceNode, str, List[Leaf]]]:
        """Races whose first member is over."""
        decided: List[Tuple[RaceNode, str, List[Leaf]]] = []
        for race in self._races.values():
            leader = race.leader()
            if leader is not None and any(each.node is race for each in self._awaited):
                race.is_deciding = True
                decided.append((race, *leader))
        return decided

    def _send(self, message: Message, pause_s: float) -> None:
        try:
            answer = self._call(message.method, message.params)
        except Exception as error:
            self._answered(message, error)
        else:
            answer.add_done_callback(lambda done: self._hear(message, done, pause_s))

    def _hear(self, message: Message, done: Future[Any], pause_s: float) -> None:
        error = done.exception()
        if error is not None and is_app_error(error, "store_unavailable"):
            # While the store is away it is said again: nothing of it happens twice.
            _after(pause_s, lambda: self._send(message, longer(pause_s)))
        else:
            self._answered(message, done.result() if error is None else error)

    def _answered(self, message: Message, answer: Union[Mapping[str, Any], BaseException]) -> None:
        with self._lock:
            if isinstance(answer, BaseException):
                if is_app_error(answer, "run_ended", "stale_epoch"):
                    self._is_over = True
                self._fail(message, answer)
            elif message.groups is not None and answer["suspended"]:
                self._is_over = True
            else:
                self._take_all(answer["records"], answer["refused"])
                self._settle(message)
            if self._is_over:
                return
            self._is_sending = False
            self._advance()
            stayers, self._stayers = self._stayers, []
            self._schedule()
        for stayed in stayers:
            with contextlib.suppress(InvalidStateError):
                stayed.set_result(None)

    def _settle(self, message: Message) -> None:
        for race, name, losers in message.decided:
            self._recorded.setdefault(race.key, {"winner": name})
            race.winner = name
            race.is_deciding = False
            for leaf in losers:
                leaf.outcome = Outcome(error=dropped(leaf.key))

    def _fail(self, message: Message, error: BaseException) -> None:
        if self._is_over:
            return
        for asked in (self._known.get(key) for key in message.keys):
            if asked is not None and asked.leaf.outcome is None:
                asked.leaf.outcome = Outcome(error=error)
        for race, _, _ in message.decided:
            race.failure = Outcome(error=error)

    def _take_all(self, records: List[Mapping[str, Any]], refused: List[Mapping[str, Any]]) -> None:
        for record in records:
            asked = self._known.get(record["key"])
            self._recorded[record["key"]] = record["value"]
            self._ranks += 1
            if asked is not None and asked.leaf.outcome is None:
                self._take(asked, record["value"], self._ranks)
        for each in refused:
            asked = self._known.get(each["key"])
            if asked is not None:
                asked.leaf.outcome = Outcome(error=refusal(each["error"]))

    def _take(self, asked: Asked, value: Any, rank: int) -> None:
        """Reads a record; a large output is fetched first."""
        asked.leaf.rank = rank
        record = as_wait_record(value)
        if record is None:
            asked.leaf.outcome = Outcome(error=used(asked.leaf.key, "is the key of a step"))
        elif record.get("large") is True:
            self._under_way += 1
            job = record.get("job")
            self._fetch(asked, {"run": record.get("run", "")} if job is None else {"job": job["id"]}, FIRST_PAUSE_S)
        else:
            asked.leaf.outcome = outcome_of(asked, record)

    def _fetch(self, asked: Asked, of: Mapping[str, str], pause_s: float) -> None:
        def hear(done: Future[Any]) -> None:
            error = done.exception()
            if error is not None and is_app_error(error, "store_unavailable"):
                _after(pause_s, lambda: self._fetch(asked, of, longer(pause_s)))
                return
            with self._lock:
                asked.leaf.outcome = Outcome(error=error) if error is not None else read_payload(asked, done.result()["output"])
                self._advance()
                self.leave()

        self._call("output.get", of).add_done_callback(hear)

    def _advance(self) -> None:
        for awaited in list(self._awaited):
            outcome = awaited.node.outcome
            if outcome is None:
                continue
            self._awaited.remove(awaited)
            if not awaited.answer.set_running_or_notify_cancel():
                continue
            if awaited.holds:
                self._under_way += 1
            if outcome.error is not None:
                awaited.answer.set_exception(outcome.error)
            else:
                awaited.answer.set_result(outcome.value)


def _after(seconds: float, action: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
