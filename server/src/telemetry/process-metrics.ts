import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import { Counter, Gauge, type Instrument } from "./instruments.ts";

/** What every program of Node tells, under the names that dashboards know. The loop's delay is watched from the first reading on. */
export function processInstruments(): Instrument[] {
  const startedSeconds = Math.round(performance.timeOrigin) / 1_000;
  let delay: ReturnType<typeof monitorEventLoopDelay> | undefined;
  const gauge = (name: string, help: string, read: () => number) => new Gauge({ name, help }, () => [[read()]]);
  return [
    new CpuSeconds(),
    gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", () => startedSeconds),
    gauge("process_resident_memory_bytes", "Memory that the process holds.", () => process.memoryUsage.rss()),
    gauge("nodejs_heap_size_used_bytes", "Used memory of the heap.", () => getHeapStatistics().used_heap_size),
    gauge("nodejs_heap_size_total_bytes", "Memory of the heap.", () => getHeapStatistics().total_heap_size),
    gauge("nodejs_external_memory_bytes", "Memory outside of the heap.", () => getHeapStatistics().external_memory),
    gauge("nodejs_active_resources", "What keeps the event loop going.", () => process.getActiveResourcesInfo().length),
    gauge(
      "nodejs_eventloop_utilization",
      "Share of the time in which the event loop was busy, since the start.",
      () => {
        return performance.eventLoopUtilization().utilization;
      },
    ),
    new Gauge(
      {
        name: "nodejs_eventloop_lag_seconds",
        help: "How late the event loop was since the last reading.",
        labels: ["quantile"],
      },
      () => {
        if (delay === undefined) {
          delay = monitorEventLoopDelay();
          delay.enable();
          return [];
        }
        if (delay.count === 0) return [];
        const lags = [50, 90, 99].map((share) => [(delay?.percentile(share) ?? 0) / 1e9, String(share / 100)] as const);
        delay.reset();
        return lags;
      },
    ),
  ];
}

class CpuSeconds extends Counter {
  constructor() {
    super({ name: "process_cpu_seconds_total", help: "Processor time used since the start." });
  }

  protected override samples(): string {
    const { user, system } = process.cpuUsage();
    return this.line("", [], (user + system) / 1_000_000);
  }
}
