import { type Json, type Tracking, TrackingError, type TrackingFailure } from "@holdfast/protocol";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { VirtualClock } from "../../server/src/testing/virtual-clock.ts";
import type { Weather } from "./link.ts";
import type { Machine } from "./machine.ts";
import {
  classOf,
  longestWayMs,
  type Outside,
  type OutsideSpec,
  type ServiceName,
  settleMs,
  tracked,
} from "./outside.ts";

export interface OutsideLink {
  readonly outside: Outside;
  readonly world: VirtualClock;
  readonly machine: Machine;
  readonly chance: Chance;
  readonly weather: Weather;
}

/**
 * The services as the tracker processes of one machine reach them, through bad weather. What was sent arrives, whatever becomes of
 * the machine; what was not sent when the machine was stopped is looked at again before it is sent.
 */
export function trackingOf({ outside, world, machine, chance, weather }: OutsideLink): Tracking {
  const way = () => world.sleep(chance.between(0, weather.longestDelayMs));

  /** Until the request is sent. Throws what surely did nothing. */
  const send = async (service: string, notAfterMs = Number.POSITIVE_INFINITY): Promise<void> => {
    await way();
    await machine.pass();
    if (machine.clock.monotonicMs() > notAfterMs) throw failure({ code: "too_late" });
    if (outside.isAway(service)) throw failure({ code: "refused" });
    if (chance.happens(weather.lost)) throw failure({ code: "429", retryAfterMs: chance.between(100, 3_000) });
  };

  const receive = async (): Promise<void> => {
    await way();
    await machine.pass();
  };

  const submit: Tracking["submit"] = async ({ service, token, spec, notAfterMs }) => {
    machine.reach("calling");
    await send(service, notAfterMs);
    const isLost = chance.happens(weather.lost);
    machine.reach("sent");
    await world.sleep(chance.between(0, chance.happens(0.2) ? longestWayMs : 50));
    const there = isLost ? undefined : outside.submit(service as ServiceName, token, spec as OutsideSpec);
    machine.reach("answered");
    await receive();
    if (there === undefined || chance.happens(weather.unanswered)) throw failure({ undecided: true });
    return there;
  };

  return {
    prepare: async ({ service, spec, token }) => {
      await machine.pass();
      const job = service === "named" ? tracked(`J-${token}`, service) : null;
      return { submission: classOf(service), spec, job, settleMs: service === "listed" ? settleMs : 0 };
    },
    adopt: async ({ service, ref }) => {
      await machine.pass();
      return tracked(String(ref), service);
    },
    submit,
    find: async ({ service, token }) => {
      await send(service);
      const found = outside.find(token);
      await receive();
      return found;
    },
    poll: async ({ service, refs }) => {
      await send(service);
      const results = refs.map((ref) => outside.poll(String(ref)));
      await receive();
      return results;
    },
    cancel: async ({ service, ref }) => {
      machine.reach("calling");
      await send(service);
      const answer = outside.cancel(String(ref));
      if (chance.happens(weather.doubled)) outside.cancel(String(ref));
      machine.reach("answered");
      await receive();
      if (chance.happens(weather.unanswered)) throw failure({ undecided: true });
      return answer;
    },
    watch: ({ onObservation, onWatched }) => {
      const refs = new Set<Json>();
      const close = outside.listen((ref, phase, result) => {
        if (machine.dead || chance.happens(weather.deaf)) return;
        void machine.pass().then(() => {
          if (refs.has(ref)) onObservation(ref, { phase, rawStatus: phase, result });
        });
      });
      return {
        add: (more) => {
          for (const ref of more) {
            refs.add(ref);
            if (chance.happens(0.5)) onWatched(ref, true);
          }
        },
        remove: (fewer) => {
          for (const ref of fewer) refs.delete(ref);
        },
        close,
      };
    },
    close: async () => undefined,
  };
}

function failure(more: Partial<TrackingFailure>): TrackingError {
  return new TrackingError({ fault: "transient", code: "network", message: "It did not answer.", ...more });
}
