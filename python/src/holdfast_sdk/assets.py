"""Assets as bodies have them (sdk/src/assets.ts): their state, their watermarks, and their events. Each write is a step, as of state."""

from __future__ import annotations

from typing import Any, List, Optional

from .asset_changes import DEFAULT_EVENTS, Advanced, AssetEvent, AssetScope, Emitted, advanced_of, emitted_of
from .state import AsyncPlace, AsyncState, Place, State


class Asset(State):
    """An asset as a plain function has it: all that ``State`` has, and its watermarks and events."""

    def __init__(self, scope: AssetScope, place: Place) -> None:
        super().__init__(scope, place)
        self._asset = scope
        self.op = scope.op
        """Makes changes for ``transact``."""

    def watermark(self, mark: str = "mark", default: Any = None) -> Any:
        """How far the asset is, under this name; ``default`` where it was never said."""
        view = self._place.read_state(self._asset.marked(mark))
        return default if view is None else view["value"]

    def advance(
        self,
        mark: str,
        to: Any,
        *,
        event: Any = None,
        key: Optional[str] = None,
        backwards: bool = False,
        as_: Optional[str] = None,
    ) -> Advanced:
        """Moves a watermark (most have the name ``"mark"``) up: numbers, texts by code points, or lists of these, item by item; to what
        is equal or less it does not move, unless told to go ``backwards``. ``event``: what is told in the same commit, and not at all
        where the watermark does not move; ``key``: by which that is known again."""
        change = self._asset.op.advance(mark, to, event=event, key=key, backwards=backwards)
        return advanced_of(self._one(change, as_))

    def emit(self, payload: Any, *, key: Optional[str] = None, as_: Optional[str] = None) -> Emitted:
        """Tells what has happened to the asset. ``key``: while an event with it is kept, another one of it is none."""
        return emitted_of(self._one(self._asset.op.emit(payload, key=key), as_))

    def events(self, after: int = 0, limit: int = DEFAULT_EVENTS) -> List[AssetEvent]:
        """Its events behind number ``after``, the oldest first, at most ``limit``."""
        found: List[AssetEvent] = self._place.read_state(self._asset.events(after, limit))
        return found


class AsyncAsset(AsyncState):
    """An asset as an ``async def`` has it: as ``Asset``, awaited."""

    def __init__(self, scope: AssetScope, place: AsyncPlace) -> None:
        super().__init__(scope, place)
        self._asset = scope
        self.op = scope.op
        """Makes changes for ``transact``."""

    async def watermark(self, mark: str = "mark", default: Any = None) -> Any:
        """As Asset.watermark."""
        view = await self._place.read_state(self._asset.marked(mark))
        return default if view is None else view["value"]

    async def advance(
        self,
        mark: str,
        to: Any,
        *,
        event: Any = None,
        key: Optional[str] = None,
        backwards: bool = False,
        as_: Optional[str] = None,
    ) -> Advanced:
        """As Asset.advance."""
        change = self._asset.op.advance(mark, to, event=event, key=key, backwards=backwards)
        return advanced_of(await self._one(change, as_))

    async def emit(self, payload: Any, *, key: Optional[str] = None, as_: Optional[str] = None) -> Emitted:
        """As Asset.emit."""
        return emitted_of(await self._one(self._asset.op.emit(payload, key=key), as_))

    async def events(self, after: int = 0, limit: int = DEFAULT_EVENTS) -> List[AssetEvent]:
        """As Asset.events."""
        found: List[AssetEvent] = await self._place.read_state(self._asset.events(after, limit))
        return found
